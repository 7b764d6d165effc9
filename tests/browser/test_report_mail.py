"""A report by mail as mail programs show it: on phones and desks, light and dark, and where they invert colours."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOON, observation
from playwright.async_api import Browser, Page
from reporting import Clock, h100s, spot_h100s, world

from service.database import Database
from service.reports.files import standalone
from service.reports.subscription import Subscription

WIDTHS = (320, 360, 700)


@pytest.fixture
async def mail(fresh_database: Database, tmp_path: Path) -> Path:
    """The page of a report in Spanish with everything in it, as a file."""
    async with world(fresh_database, tmp_path, Clock(NOON - timedelta(days=7))) as here:
        await here.see(spot_h100s("12.00"), h100s("20.00"), *priced("2.00"))
        here.clock.now = NOON
        await here.see(
            spot_h100s("9.00"), h100s("20.00", provider="a provider with quite a long name"), *priced("1.80")
        )
        ranking = {"workload": "nanochat-d32", "rig": ["RTX 4070"], "country": "ES"}
        subscription = Subscription(name="d32 <b>los lunes</b>", ranking=ranking, schedule=None, language="es")
        async with here.database.sessions() as session:
            before = await here.desk.maker.shown_a_week_ago(session, subscription, NOON)
            made = await here.desk.maker.made(session, subscription, "id", "schedule", NOON, slot="x", before=before)
    assert made.chart is not None
    path = tmp_path / "mail.html"
    path.write_text(standalone(made.html, made.chart), encoding="utf-8")
    return path


def priced(usd: str) -> list:  # type: ignore[type-arg]
    """Three offers of two GPUs, so that each has a median."""
    return [
        observation(f"{gpu}.{number}", usd, gpu=gpu, provider=f"cloud{number}")
        for gpu in ("A100 SXM 80GB", "RTX 4090")
        for number in range(3)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_cut_off_and_everything_can_be_read(browser: Browser, mail: Path, scheme: str) -> None:
    page = await browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.goto(mail.as_uri())

        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        drawn = await page.locator("img").evaluate("image => image.complete && image.naturalWidth")
        assert 1000 < drawn < 1200  # twice what is shown
        assert await worst_contrast(page) >= 4.5
    shot = await page.screenshot(full_page=True, path=mail.with_suffix(f".{scheme}.png"))
    await page.close()

    assert len(shot) > 20_000


async def test_it_can_be_read_without_its_style_sheet_and_pictures(browser: Browser, mail: Path) -> None:
    mail.write_text(mail.read_text().replace("<style", "<ignored hidden").replace("</style>", "</ignored>"))
    page = await browser.new_page()
    await page.route("data:*", lambda route: route.abort())

    await page.goto(mail.as_uri())

    assert await worst_contrast(page) >= 4.5
    await page.close()


async def worst_contrast(page: Page) -> float:
    """Of every text against the ground that it is on (WCAG 2)."""
    worst: float = await page.evaluate(CONTRAST)
    return worst


CONTRAST = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number)
  const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor)
      if (colour.length < 4 || colour[3] === 1) return colour
    }
    return [255, 255, 255]
  }
  let worst = 21
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest('ignored')) continue
    const pair = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a)
    worst = Math.min(worst, (pair[0] + 0.05) / (pair[1] + 0.05))
  }
  return worst
}"""
