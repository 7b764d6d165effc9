"""The ranking page in a real browser: the same numbers as the API's, for everybody, with nothing but HTML and CSS."""

from __future__ import annotations

import re
from importlib.resources import files

import httpx
import pytest
from browsing import Visiting
from playwright.async_api import Page, expect
from serving import HOSTILE, LONG_REGION

AXE = files("axe_playwright_python").joinpath("axe.min.js")


async def api(address: str, query: str = "") -> dict[str, object]:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{address}/api/v1/ranking?{query}")
        answer: dict[str, object] = response.json()
        return answer


async def shown(page: Page, column: int) -> list[float]:
    """The exact numbers behind the rounded ones of one column."""
    cells = page.locator(f".region tbody tr td:nth-of-type({column}) data")
    return [float(value) for value in await cells.evaluate_all("cells => cells.map(cell => cell.value)")]


async def test_the_page_answers_before_anything_is_asked(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.go("/") == 200

        await expect(visit.page.locator("h1")).to_have_text("Train nanochat d32: rig or rent?")
        answer = await visit.page.locator("section.answer").inner_text()
        assert re.search(r"Cheapest.*: \$\d", answer)
        assert re.search(r"[Ss]oonest.*(days|hours)", answer)
        assert "RTX 4070" in answer
        assert await visit.page.locator(".region tbody tr").count() >= 10


async def test_the_numbers_are_the_apis(visiting: Visiting) -> None:
    async with visiting() as visit:
        for query in ("", "sort=days&country=ES", "per=gpu&usd_per_day=20&sort=score"):
            await visit.go(f"/?{query}")
            options = (await api(visit.address, query))["options"]

            assert await shown(visit.page, 2) == [option["days"]["p50"] for option in options]  # type: ignore[attr-defined]
            assert await shown(visit.page, 3) == [option["cost_usd"]["p50"] for option in options]  # type: ignore[attr-defined]


async def test_what_was_considered_is_ranked_or_excluded(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/?deadline_days=2")

        words = await visit.page.locator(".counts").inner_text()
        considered, ranked, excluded = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+", words)[:3])
        assert considered == ranked + excluded
        assert excluded > 0
        await visit.page.get_by_text(re.compile(r"^\d+ excluded:")).click()
        await expect(visit.page.get_by_role("heading", name=re.compile("Past the deadline"))).to_be_visible()


async def test_every_price_says_where_it_was_read_and_when(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/?rig=none")

        rows = visit.page.locator(".region tbody tr")
        for row in await rows.all():
            await expect(row.locator("td.price time")).to_have_count(1)
            assert re.search(r"live|catalogue|bundled", await row.locator("td.price").inner_text())


async def test_every_control_is_reached_by_tab_and_shows_that_it_is(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        focused = [await _next_in_focus(visit.page) for _ in range(42)]

        names = [name for name, _ in focused]
        assert names[0] == "Skip to the ranking"
        assert {"workload", "rig", "country", "electricity_usd_per_kwh", "deadline_days", "sort"} <= set(names)
        assert "none" not in {outline for _, outline in focused}


async def test_the_skip_link_leads_past_the_form(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        await visit.page.keyboard.press("Tab")
        await visit.page.keyboard.press("Enter")

        name, _ = await _next_in_focus(visit.page)

        assert name == "Why?"


async def _next_in_focus(page: Page) -> tuple[str, str]:
    """What the next Tab leads to, and how its outline is drawn."""
    await page.keyboard.press("Tab")
    name, outline = await page.evaluate(
        """() => {
            const element = document.activeElement;
            const own = element.matches(":focus");  // not so on the calendar button inside a date field
            return [element.id || element.innerText, own ? getComputedStyle(element).outlineStyle : "its own"];
        }"""
    )
    return str(name), str(outline)


async def test_names_that_mean_nothing_are_ignored_and_listed(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.go("/?colour=blue&<b>=1") == 200

        await expect(visit.page.get_by_text("Not known here, and ignored: <b>, colour.")).to_be_visible()


async def test_names_that_were_meant_to_do_harm_are_only_words(visiting: Visiting) -> None:
    async with visiting() as visit:
        dialogs: list[str] = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await visit.go("/?gpu=RTX 4090&per=offer")

        table = await visit.page.locator(".region tbody").inner_text()
        assert HOSTILE in table
        assert LONG_REGION in table
        assert '"Bob" & <b>sons</b>' in table
        assert await visit.page.locator(".region b, main script").count() == 0
        assert dialogs == []


@pytest.mark.parametrize("width", [320, 1280])
async def test_the_header_and_the_names_stay_in_sight_when_the_table_is_scrolled(
    visiting: Visiting, width: int
) -> None:
    async with visiting(width=width, height=600) as visit:
        await visit.go("/")
        region = visit.page.get_by_role("region", name=re.compile("^Options"))
        header, name = region.locator("thead th:nth-child(2)"), region.locator("tbody th").first
        await region.evaluate("region => region.scrollTo(0, 1000)")
        top = (await region.bounding_box() or {})["y"]
        assert (await header.bounding_box() or {})["y"] == pytest.approx(top, abs=1)

        await region.evaluate("region => region.scrollTo(200, 1000)")
        left = (await region.bounding_box() or {})["x"]
        assert (await header.bounding_box() or {})["x"] == pytest.approx(left, abs=1)
        assert (await name.bounding_box() or {})["x"] == pytest.approx(left, abs=1)


@pytest.mark.parametrize("path", ["/", "/?gpu=RTX 4090&per=offer", "/?country=Spain&layers=x&micro_batch=0", "/api"])
@pytest.mark.parametrize("language", ["en", "es"])
async def test_no_page_scrolls_sideways(visiting: Visiting, path: str, language: str) -> None:
    async with visiting(locale=language) as visit:
        await visit.go(path)

        for width in (320, 360, 1280, 3840):
            await visit.page.set_viewport_size({"width": width, "height": 740})
            assert not await visit.is_wider_than_its_window(), width


@pytest.mark.parametrize(
    "path",
    [
        "/?limit=10",
        "/?lang=es&gpu=H100 SXM&usd_per_day=5&micro_batch=4",
        "/?country=Spain&min_gpus=0",
        "/?budget_usd=1",
        "/?as_of=2020-01-01",
        "/api",
    ],
)
@pytest.mark.parametrize("width", [360, 1280])
async def test_nobody_is_shut_out(visiting: Visiting, path: str, width: int) -> None:
    async with visiting(width=width) as visit:
        await visit.go(path)
        await visit.page.evaluate(AXE.read_text(encoding="utf-8"))

        assert await violations(visit.page, "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}") == []
        await visit.page.emulate_media(color_scheme="dark")
        assert await violations(visit.page, "{runOnly: ['color-contrast']}") == []


async def violations(page: Page, options: str) -> list[tuple[str, str]]:
    found = await page.evaluate(f"axe.run({options})")
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]


async def test_on_a_phone_the_form_is_folded_and_opens_by_enter(visiting: Visiting) -> None:
    async with visiting(width=360, height=740) as visit:
        await visit.go("/")
        country = visit.page.get_by_label("Country", exact=True)
        await expect(country).to_be_hidden()

        await visit.page.locator(".filters > summary").focus()
        await visit.page.keyboard.press("Enter")

        await expect(country).to_be_visible()
