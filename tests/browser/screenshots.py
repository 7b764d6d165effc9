"""Every page as readers see it: `python -m tests.browser.screenshots DIR` writes it light, dark, mobile, in Spanish.

It serves a market of its own, made of what ships with the software and of a made-up past, and needs nothing else.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests share modules without being a package

from browsing import ARGUMENTS, chromium
from past import fill_with_past
from playwright.async_api import Browser, async_playwright
from serving import KEY, now, served

from service.database import open_database
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Reader:
    """How a page is looked at."""

    name: str
    width: int
    color_scheme: str
    language: str


READERS = (
    Reader("light", 1280, "light", "en"),
    Reader("dark", 1280, "dark", "en"),
    Reader("mobile", 360, "light", "en"),
    Reader("spanish", 1280, "light", "es"),
    Reader("spanish-mobile-dark", 360, "dark", "es"),
)
PAGES = {
    "ranking": "/",
    "ranking-nothing": "/?budget_usd=1&deadline_days=1",
    "ranking-errors": "/?country=Spain&min_gpus=0&deadline_days=abc",
    "break-even": "/break-even",
    "prices": "/prices?range=90d",
    "sources": "/sources",
    "source": "/sources?source=runpod",
    "gpu": "/gpus/RTX 4090",
    "workload": "/workloads/nanochat-d32",
    "reports": "/reports",
    "api": "/api",
    "gone": "/option?option=0123456789ab",
    "not-found": "/nowhere",
}


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rig-or-rent-screenshots-")))
        database = await stack.enter_async_context(open_database(Settings(data_dir=home)))
        await database.migrate()
        await fill_with_past(database, now())
        address = await stack.enter_async_context(served(database.url(), home))
        pages = {**PAGES, **await options(address)}
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium(playwright), args=ARGUMENTS)
        for reader in READERS:
            await look(browser, address, pages, reader, folder)
        await browser.close()


async def options(address: str) -> dict[str, str]:
    """One's own machine, one that is rented, and one that is too small."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        answer = (await client.get("/api/v1/ranking")).json()
        cloud = next(option["id"] for option in answer["options"] if option["kind"] == "cloud" and option["rank"] > 3)
        large = "workload=own&layers=126&width=16384&heads=128&vocabulary=128000&seq_len=8192&tokens=2e10"
        left_out = (await client.get(f"/api/v1/ranking?{large}")).json()["excluded"][0]["examples"][0]["id"]
    return {
        "option-rig": f"/option?option={answer['answer']['rigs'][0]['id']}",
        "option-cloud": f"/option?option={cloud}",
        "option-too-small": f"/option?{large}&option={left_out}",
    }


async def look(browser: Browser, address: str, pages: dict[str, str], reader: Reader, folder: Path) -> None:
    context = await browser.new_context(
        viewport={"width": reader.width, "height": 900},
        color_scheme=reader.color_scheme,  # type: ignore[arg-type]
        locale=reader.language,
    )
    page = await context.new_page()
    for name, path in pages.items():
        await page.goto(f"{address}{path}")
        await page.screenshot(path=folder / f"{name}-{reader.name}.png", full_page=True)
    await page.goto(f"{address}/reports")
    await page.locator("#key").fill(KEY)
    await page.locator("form button").last.click()
    await page.screenshot(path=folder / f"reports-open-{reader.name}.png", full_page=True)
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")))
