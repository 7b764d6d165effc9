"""A real browser and what a test notes of a visit: the system's Chromium, Playwright's own, or one fetched now."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page, Playwright

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AS_ROOT = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
ARGUMENTS = (
    *("--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *AS_ROOT,
)


def chromium(playwright: Playwright) -> str:
    """Where a Chromium is, fetched if there is none."""
    for find in (_installed, lambda: _own(playwright), lambda: _fetched(playwright), _from_packages):
        if path := find():
            return path
    pytest.fail("no Chromium: install one, or run `playwright install chromium`")


def _installed() -> str | None:
    return next((path for name in INSTALLED if (path := shutil.which(name))), None)


def _own(playwright: Playwright) -> str | None:
    path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _fetched(playwright: Playwright) -> str | None:
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False, capture_output=True)
    return _own(playwright)


def _from_packages() -> str | None:
    if AS_ROOT and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], check=False, capture_output=True)
        subprocess.run(["apt-get", "install", "-y", "chromium"], check=False, capture_output=True)
    return _installed()


@dataclass
class Visit:
    """A page that is being looked at, and what it did meanwhile."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)  # of the console
    elsewhere: list[str] = field(default_factory=list)  # requests to another origin

    async def go(self, path: str) -> int:
        response = await self.page.goto(f"{self.address}{path}")
        assert response is not None
        return response.status

    async def is_wider_than_its_window(self) -> bool:
        wider: bool = await self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return wider

    def note(self, url: str) -> None:
        if not url.startswith(self.address):
            self.elsewhere.append(url)


Visiting = Callable[..., AbstractAsyncContextManager[Visit]]
