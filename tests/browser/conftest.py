"""The service with a small market, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import ARGUMENTS, Visit, Visiting, chromium
from playwright.async_api import Browser, async_playwright, expect
from serving import copy_of, fill, now, served
from waiting import PATIENCE_S

from service.database import Database

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
async def address(database: Database, pristine: str, data_dir: Path) -> AsyncIterator[str]:
    """Where `serve` answers, as a process of its own."""
    async with copy_of(database, pristine, "browsed") as copied:
        await fill(copied, now())
        async with served(database.url("browsed"), data_dir) as address:
            yield address


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(playwright), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def visiting(browser: Browser, address: str) -> Visiting:
    """Visits with any of the browser's settings; nothing may be complained of, and nobody else asked."""

    @asynccontextmanager
    async def visiting(*, width: int = 1280, height: int = 900, **settings: Any) -> AsyncIterator[Visit]:
        context = await browser.new_context(viewport={"width": width, "height": height}, **settings)
        visit = Visit(await context.new_page(), address)
        visit.page.on("console", lambda message: visit.complaints.append(message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("request", lambda request: visit.note(request.url))
        yield visit
        await context.close()
        assert visit.elsewhere == []
        assert [words for words in visit.complaints if "status of 4" not in words] == []

    return visiting
