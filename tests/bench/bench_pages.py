"""How long the pages take over 60,000 stored offers, how much they weigh, and when their largest part is painted."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
from bench_ways_in import SERVICE, environment, fill, wait_until_ready
from measure import report

sys.path.insert(0, str(Path(__file__).parents[1]))

from browsing import ARGUMENTS, chromium
from playwright.sync_api import sync_playwright

from service.database import open_database
from service.settings import Settings

OFFERS = 60_000
PAGES = (
    ("the ranking page", "/"),
    ("the ranking page, in Spanish and euros", "/?lang=es&currency=EUR"),
    ("break-even", "/break-even"),
    ("prices", "/prices"),
    ("sources", "/sources"),
    ("a GPU", "/gpus/H100 SXM"),
    ("a workload", "/workloads/nanochat-d32"),
    ("reports", "/reports"),
)


async def stored(folder: Path) -> None:
    async with open_database(Settings(data_dir=folder)) as database:
        await database.migrate()
        await fill(database, OFFERS)
        await asyncio.to_thread(bench, folder)


def bench(folder: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [*SERVICE, "serve", "--host", "127.0.0.1", "--port", str(port)],
        env={**environment(folder), "RIG_OR_RENT_SCHEDULER": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    origin = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(origin, server)
        ask(origin)
        paint(origin)
    finally:
        server.terminate()
        server.wait(20)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def ask(origin: str) -> None:
    with httpx.Client(base_url=origin, timeout=60, headers={"Accept": "text/html"}) as client:
        new = [taken(client, f"/?budget_usd={1000 + number}") for number in range(9)]
        report("the ranking page, a question not asked before (median)", median(new), 350)
        for name, path in PAGES:
            first = taken(client, path)
            again = median(taken(client, path) for _ in range(9))
            report(f"{name}, first time", first)
            report(f"{name}, again (median)", again, 60 if path == "/" else None)
            weigh(client, name, path)
        began = time.perf_counter()
        script = next(line for line in client.get("/break-even").text.split('"') if line.endswith("/vega.js"))
        bundle = client.get(script)
        report("the chart bundle, made at its first request", time.perf_counter() - began)
        print(f"{'its size, compressed':<60}{len(gzip.compress(bundle.content, 5)) / 1000:10,.0f} kB")  # noqa: T201


def taken(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - began


def weigh(client: httpx.Client, name: str, path: str) -> None:
    """The page and what it loads at once, as it travels."""
    page = client.get(path)
    loaded = {part for part in page.text.split('"') if part.startswith("/static/") and "vega" not in part}
    parts = [page.content, *(client.get(address).content for address in loaded)]
    size = sum(len(gzip.compress(part, 5)) for part in parts) / 1000
    print(f"{f'{name}, with style and script, compressed':<60}{size:10,.0f} kB   (wanted: under 100)")  # noqa: T201


def paint(origin: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=ARGUMENTS)  # type: ignore[arg-type]
        for name, path in PAGES[:4]:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{origin}{path}")
            report(f"{name}, Largest Contentful Paint", page.evaluate(LARGEST) / 1000, 1000)
            page.close()
        browser.close()


LARGEST = """() => new Promise(resolve => new PerformanceObserver(list => resolve(list.getEntries().at(-1).startTime))
  .observe({type: "largest-contentful-paint", buffered: true}))"""


if __name__ == "__main__":
    print(f"{OFFERS:,} offers, {os.cpu_count()} processors, {datetime.now(UTC):%Y-%m-%d}")  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-bench-") as temporary:
        asyncio.run(stored(Path(temporary)))
