"""What people do on the ranking page, from a question to a decision or a link: with script, without, by keyboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from browsing import Visit, Visiting
from playwright.async_api import Page, expect
from waiting import PATIENCE_S

ROWS = ".region tbody tr"


async def api(visit: Visit, query: str = "") -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer: dict[str, Any] = (await client.get(f"{visit.address}/api/v1/ranking?{query}")).json()
        return answer


async def shown(page: Page, column: int) -> list[float]:
    """The exact numbers behind the rounded ones of one column: 2 is days, 3 is cost."""
    cells = page.locator(f"{ROWS} td:nth-of-type({column}) data")
    return [float(value) for value in await cells.evaluate_all("cells => cells.map(cell => cell.value)")]


async def assert_numbers_are_the_apis(visit: Visit) -> None:
    _, _, query = visit.page.url.partition("?")
    options = (await api(visit, query))["options"]
    assert await shown(visit.page, 2) == [option["days"]["p50"] for option in options]
    assert await shown(visit.page, 3) == [option["cost_usd"]["p50"] for option in options]


async def answer_of(page: Page) -> str:
    return (await page.locator("section.answer").inner_text()).replace("\u00a0", " ")


async def focused(page: Page) -> str:
    name: str = await page.evaluate("document.activeElement.id || document.activeElement.innerText")
    return name


async def stays_loaded(page: Page) -> None:
    """Remember that this document is here: a full reload forgets."""
    await page.evaluate("window.sameDocument = true")


async def is_same_document(page: Page) -> bool:
    same: bool = await page.evaluate("window.sameDocument === true")
    return same


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again; the policy of our pages forbids what Playwright waits with."""
    for _ in range(int(PATIENCE_S / 0.05)):
        if await holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it never came to hold")


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", [r"Cheapest.*: \$\d", r"[Ss]oonest.*(days|hours)", r"RTX 4070", r"per kWh|electricity price"]),
        ("es", [r"Lo más barato.*: \d.* US\$", r"[Ll]o más rápido.*(días|horas)", r"RTX 4070", r"por kWh|de la luz"]),
    ],
)
async def test_a_decision_without_asking_anything(visiting: Visiting, language: str, sentences: list[str]) -> None:
    async with visiting(locale=language) as visit:
        assert await visit.go("/") == 200

        await expect(visit.page.locator("h1")).to_contain_text("nanochat d32")
        answer = await answer_of(visit.page)
        assert [pattern for pattern in sentences if not re.search(pattern, answer)] == []
        await expect(visit.page.locator("svg.chart.wide")).to_be_visible()
        assert await visit.page.locator(ROWS).count() >= 10
        costs = await shown(visit.page, 3)
        assert costs == sorted(costs)
        await expect(visit.page.locator(".prices-age time")).to_be_visible()
        await assert_numbers_are_the_apis(visit)


@pytest.mark.parametrize(("language", "at_home"), [("en", "RTX 4070 at home (ES)"), ("es", "RTX 4070 en casa (ES)")])
async def test_my_country_and_my_price_by_keyboard(visiting: Visiting, language: str, at_home: str) -> None:
    async with visiting(locale=language) as visit:
        await visit.go("/?rig=RTX 4070&sort=cost")
        await stays_loaded(visit.page)
        before = await answer_of(visit.page)

        await visit.page.locator("#country").select_option("ES")
        await visit.page.wait_for_url("**country=ES**")
        await visit.page.locator("#electricity_usd_per_kwh").focus()
        await visit.page.keyboard.type("0,21")
        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_url("**electricity_usd_per_kwh=0.21**")

        assert visit.page.url == f"{visit.address}/?country=ES&electricity_usd_per_kwh=0.21"
        assert at_home in await answer_of(visit.page)
        rig = (await api(visit, "country=ES&electricity_usd_per_kwh=0.21"))["answer"]["rigs"][0]
        assert rig["cost_usd"]["p50"] == pytest.approx(rig["energy_kwh"] * 0.21)
        await assert_numbers_are_the_apis(visit)
        assert await focused(visit.page) == "electricity_usd_per_kwh"
        await expect(visit.page.locator("#status")).to_contain_text(re.compile(r"\d+ (options|opciones)"))
        assert await is_same_document(visit.page)

        await visit.page.go_back()
        await expect(visit.page.locator("#electricity_usd_per_kwh")).to_have_value("")
        await visit.page.go_back()
        await expect(visit.page.locator("#country")).to_have_value("US")
        assert await answer_of(visit.page) == before
        assert await is_same_document(visit.page)


async def test_without_script_everything_is_there(visiting: Visiting) -> None:
    async with visiting(java_script_enabled=False) as visit, visiting() as scripted:
        await visit.go("/?workload=nanochat-d20")
        await expect(visit.page.locator("svg.chart.wide")).to_be_visible()
        await visit.page.locator("#deadline_days").fill("30")
        await visit.page.get_by_role("button", name="Show ranking").click()
        await visit.page.wait_for_url("**/?workload=nanochat-d20&deadline_days=30")
        await scripted.go("/?workload=nanochat-d20&deadline_days=30")

        rows = await visit.page.locator(ROWS).all_inner_texts()
        assert rows == await scripted.page.locator(ROWS).all_inner_texts()
        await visit.page.locator("#by-days").click()
        await visit.page.wait_for_url("**sort=days**")
        assert await visit.page.locator("[aria-sort]").count() == 1
        await expect(visit.page.locator("th[aria-sort=ascending] #by-days")).to_be_visible()
        await visit.page.locator(ROWS).first.get_by_role("link").click()
        await visit.page.wait_for_url("**/option?**")
        assert await visit.page.locator("main svg").count() >= 2


async def test_a_link_that_is_sent_shows_the_same_in_the_readers_language(visiting: Visiting) -> None:
    async with visiting(permissions=["clipboard-read", "clipboard-write"]) as visit, visiting(locale="es") as friend:
        await visit.go("/?sort=days&pricing=on_demand&gpu=H100 SXM")
        await visit.page.get_by_role("button", name="Copy link").click()
        await expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
        link = await visit.page.evaluate("navigator.clipboard.readText()")

        await friend.page.goto(link)

        ids = "rows => rows.map(row => row.id)"
        rows = await visit.page.locator(ROWS).evaluate_all(ids)
        assert await friend.page.locator(ROWS).evaluate_all(ids) == rows
        assert "ás rápido" in await answer_of(friend.page)
        assert re.search(r"\d,\d+ (días|horas)|\d (días|horas)", await answer_of(friend.page))
        await expect(friend.page.locator("html")).to_have_attribute("lang", "es")
        chip = friend.page.get_by_role("link", name="Quitar filtro: GPU: H100 SXM")
        await chip.click()
        await friend.page.wait_for_url(re.compile(r"^(?!.*gpu=)"))
        assert await focused(friend.page) == "table-heading"


@pytest.mark.parametrize(
    ("language", "title", "message"),
    [
        ("en", "Error: check 3 fields", "Country must be two letters, such as ES, not 'Spain'"),
        ("es", "Error: revisa 3 campos", "País debe ser de dos letras, como ES, no 'Spain'"),
    ],
)
async def test_bad_input_is_named_beside_its_fields_and_kept(
    visiting: Visiting, language: str, title: str, message: str
) -> None:
    async with visiting(locale=language) as visit:
        assert await visit.go("/?country=Spain&min_gpus=0&deadline_days=abc") == 400

        assert (await visit.page.title()).startswith(title)
        assert await focused(visit.page) == "problem"
        links = visit.page.get_by_role("alert").get_by_role("link")
        assert await links.count() == 3
        for link in await links.all():
            field = (await link.get_attribute("href") or "").removeprefix("#")
            await expect(visit.page.locator(f"#{field}-error")).to_have_text(await link.inner_text())
        assert await links.first.inner_text() == message
        await links.first.click()
        assert await focused(visit.page) == "country"
        await expect(visit.page.locator("#deadline_days")).to_have_value("abc")
        await expect(visit.page.locator("#deadline_days")).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize(("language", "drop"), [("en", "Drop the budget"), ("es", "Quitar el presupuesto")])
async def test_where_limits_leave_nothing_the_closest_is_named_and_a_limit_can_be_dropped(
    visiting: Visiting, language: str, drop: str
) -> None:
    async with visiting(locale=language) as visit:
        await visit.go("/?budget_usd=1&deadline_days=1")
        assert re.search(
            r"Nothing finishes within 1 day and for|Nada termina en 1 día con", await answer_of(visit.page)
        )
        assert re.search(r"Closest: |Lo más cercano: ", await answer_of(visit.page))
        await stays_loaded(visit.page)

        await visit.page.get_by_role("link", name=drop).click()
        await visit.page.wait_for_url(re.compile(r"/\?deadline_days=1$"))

        assert await visit.page.locator(ROWS).count() > 0
        await expect(visit.page.locator("#budget_usd")).to_have_value("")
        await assert_numbers_are_the_apis(visit)
        assert await is_same_document(visit.page)


async def test_on_a_phone_in_the_dark_by_keyboard(visiting: Visiting) -> None:
    async with visiting(width=360, height=740, color_scheme="dark") as visit:
        await visit.go("/")
        assert not await visit.is_wider_than_its_window()
        await visit.page.keyboard.press("Tab")
        assert await focused(visit.page) == "Skip to the ranking"
        country = visit.page.locator("#country")
        await expect(country).to_be_hidden()
        await visit.page.locator("#filters").focus()
        await visit.page.keyboard.press("Enter")
        await expect(country).to_be_visible()
        assert not await visit.is_wider_than_its_window()

        first = visit.page.locator(f"{ROWS} th").first
        region = visit.page.locator(".region")
        await region.focus()
        before = await first.bounding_box()
        await visit.page.keyboard.press("ArrowRight")
        await visit.page.keyboard.press("ArrowRight")
        await until(lambda: region.evaluate("region => region.scrollLeft > 20"))
        after = await first.bounding_box()
        assert before is not None
        assert after is not None
        assert after["x"] <= before["x"]
        assert after["x"] >= 0  # it sticks


async def test_a_column_is_sorted_without_losing_ones_place(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        await stays_loaded(visit.page)
        heading = visit.page.locator("#by-days")
        await heading.focus()
        place = await visit.page.evaluate("window.scrollY")

        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_url("**sort=days**")
        await expect(visit.page.locator("th[aria-sort=ascending] #by-days")).to_be_visible()

        days = await shown(visit.page, 2)
        assert days == sorted(days)
        assert await focused(visit.page) == "by-days"
        assert await visit.page.evaluate("window.scrollY") == place
        await expect(visit.page.locator("#sort")).to_have_value("days")
        assert await is_same_document(visit.page)


async def test_a_message_stands_beside_the_field_as_soon_as_it_is_left(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        field, message = visit.page.locator("#deadline_days"), visit.page.locator("#deadline_days-error")

        await field.fill("-3")
        await field.blur()
        await expect(message).to_have_text("Done within must be a number above 0, up to 36,500")
        await expect(field).to_have_attribute("aria-invalid", "true")
        assert visit.page.url == f"{visit.address}/"

        await field.fill("3")
        await expect(message).to_have_text("")
        await field.blur()
        await visit.page.wait_for_url("**deadline_days=3")


async def test_a_model_of_ones_own_is_described_in_the_form(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")

        await visit.page.locator("#workload").select_option("own")
        shapes = {
            "layers": "12",
            "width": "768",
            "heads": "12",
            "vocabulary": "50304",
            "seq_len": "1024",
            "tokens": "1e10",
        }
        for name, value in shapes.items():
            await visit.page.locator(f"#{name}").fill(value)
        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_url("**workload=own**")

        await expect(visit.page.locator("h1")).to_have_text("Train your workload: rig or rent?")
        await assert_numbers_are_the_apis(visit)


async def test_a_plan_is_fixed_and_set_free_again(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        checkpointing = visit.page.get_by_label("Activation checkpointing", exact=True)

        await visit.page.locator(".choices.plan > summary").click()
        await checkpointing.select_option("full")
        await visit.page.wait_for_url("**/?activation_checkpointing=full")
        await expect(visit.page.locator(".region tbody tr").first).to_contain_text("full checkpointing")
        await assert_numbers_are_the_apis(visit)

        await checkpointing.select_option("not fixed")
        await visit.page.wait_for_url(f"{visit.address}/")


async def test_a_point_of_the_chart_tells_and_leads_to_its_row(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")
        point = visit.page.locator("svg.chart.wide g[data-o]").last
        option = await point.get_attribute("data-o")
        shape = point.locator(".point")

        await shape.hover()
        await expect(visit.page.locator(".tip")).to_contain_text("RTX 4070")
        await expect(visit.page.locator(f"#o-{option}")).to_have_class(re.compile("marked"))
        await visit.page.keyboard.press("Escape")
        await expect(visit.page.locator(".tip")).to_have_count(0)

        await shape.click()
        await expect(visit.page.locator(f"#o-{option} th a")).to_be_focused()
        await expect(visit.page.locator(f"#o-{option}")).to_be_in_viewport()


async def test_the_axes_are_drawn_as_asked(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")

        await visit.page.locator(".axes span").last.get_by_role("link", name="linear").click()
        await visit.page.wait_for_url("**y=linear**")

        ticks = await visit.page.locator("svg.chart.wide .tick-label").all_text_contents()
        assert ticks[0] == "$0"


async def test_a_stale_answer_never_overtakes_a_newer_one(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/")

        async def late(route: Any) -> None:
            await visit.page.wait_for_timeout(700)
            await route.continue_()

        await visit.page.route("**country=FR**", late)
        await visit.page.locator("#country").select_option("FR")
        await visit.page.locator("#country").select_option("ES")
        await visit.page.wait_for_url("**country=ES**")
        await visit.page.wait_for_timeout(1000)

        assert "RTX 4070 at home (ES)" in await answer_of(visit.page)
        assert visit.page.url.endswith("country=ES")
        await visit.page.unroute_all(behavior="ignoreErrors")


async def test_it_prints_without_what_only_a_screen_needs(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/?country=ES")

        await visit.page.emulate_media(media="print")

        for gone in ("nav", "search", ".languages", "#copy"):
            await expect(visit.page.locator(gone).first).to_be_hidden()
        await expect(visit.page.locator(".printed")).to_contain_text("/?country=ES")
        await expect(visit.page.locator("svg.chart.wide")).to_be_visible()


async def test_nothing_moves_while_the_page_comes_in(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.page.add_init_script(
            """window.moved = 0; new PerformanceObserver(list => {
                for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value;
            }).observe({type: "layout-shift", buffered: true});"""
        )
        await visit.go("/")
        await visit.page.wait_for_load_state("networkidle")

        assert await visit.page.evaluate("window.moved") == 0
