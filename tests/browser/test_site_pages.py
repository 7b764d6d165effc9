"""The pages beside the ranking in a real browser: what they say, for whom, and that it is what the API says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from browsing import Visiting
from past import SILENT_FOR, fill_with_past
from playwright.async_api import Page, expect
from reporting import MailServer, mail_server
from serving import HOSTILE, KEY, LONG_REGION, copy_of, now, served
from waiting import until

from service.database import Database
from service.presentation.numbers import usd_rate

AXE = files("axe_playwright_python").joinpath("axe.min.js")
PAGES = (
    "/break-even",
    "/prices",
    "/prices?gpu=H100 SXM&range=90d",
    "/sources",
    "/sources?source=runpod",
    "/gpus/RTX 4090",
    "/workloads/nanochat-d32",
    "/reports",
)


@pytest.fixture(scope="session")
async def post(data_dir: Path) -> AsyncIterator[MailServer]:
    async with mail_server(data_dir) as server:
        yield server


@pytest.fixture(scope="session")
async def site(database: Database, pristine: str, data_dir: Path, post: MailServer) -> AsyncIterator[str]:
    """Where `serve` answers with a market that has a past, and a way out for mail."""
    settings = {"RIG_OR_RENT_SMTP_URL": post.address, "SSL_CERT_FILE": str(data_dir / "mail.pem")}
    async with copy_of(database, pristine, "with_past") as copied:
        await fill_with_past(copied, now())
        async with served(database.url("with_past"), data_dir, settings=settings) as address:
            yield address


@pytest.fixture
def address(site: str) -> str:
    """Where visits go: to the market with a past, in place of the ranking page's."""
    return site


async def asked(address: str, path: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{address}{path}")).json()


async def cloud_option(address: str, **wanted: str) -> dict[str, Any]:
    """A cloud option whose offer has these values."""
    ranking = await asked(address, "/api/v1/ranking?per=offer&limit=200")
    fitting = (
        option
        for option in ranking["options"]
        if option["offer"] and all(option["offer"][name] == value for name, value in wanted.items())
    )
    found: dict[str, Any] = next(fitting)
    return found


async def rig(address: str, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (await asked(address, f"/api/v1/ranking?limit=1&{query}"))["answer"]["rigs"][0]
    return found


# For everybody -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_nobody_is_shut_out(visiting: Visiting, path: str, color_scheme: str) -> None:
    language, width = {"light": ("en", 320), "dark": ("es", 1280)}[color_scheme]
    async with visiting(width=width, height=740, color_scheme=color_scheme, locale=language) as visit:
        await visit.go(path)

        assert await visit.page.locator("html").get_attribute("lang") == language
        assert not await visit.is_wider_than_its_window()
        assert await violations(visit.page) == []


async def violations(page: Page) -> list[tuple[str, str]]:
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})")
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]


async def test_an_option_shuts_nobody_out_either(visiting: Visiting, site: str) -> None:
    own, rented = await rig(site), await cloud_option(site, provider=HOSTILE)
    looks = ((own["id"], "light", 1280), (rented["id"], "dark", 320), ("0123456789ab", "light", 320))
    for option_id, color_scheme, width in looks:
        async with visiting(width=width, color_scheme=color_scheme) as visit:
            await visit.go(f"/option?option={option_id}")
            for behind in await visit.page.locator("details.behind > summary").all():
                await behind.click()

            assert not await visit.is_wider_than_its_window()
            assert await violations(visit.page) == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_says_the_same_without_script(visiting: Visiting, path: str) -> None:
    async with visiting() as with_script, visiting(java_script_enabled=False) as without:
        await with_script.go(path)
        await without.go(path)

        assert await without.page.locator("main").inner_text() == await with_script.page.locator("main").inner_text()


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/reports"])
async def test_spanish_leaves_no_english_behind(visiting: Visiting, path: str) -> None:
    async with visiting(locale="es") as visit:
        await visit.go(path)

        words = await visit.page.evaluate(
            """() => {
                const main = document.querySelector("main").cloneNode(true);
                const others = "[translate=no], [lang=en], code, a[rel], select, script";
                main.querySelectorAll(others).forEach(each => each.remove());
                return main.textContent;
            }"""
        )
        assert re.findall(r"\b(the|of|and|with|your|from|price|hour|seen|never|offers)\b", words) == []


async def test_charts_answer_to_the_pointer_without_moving_the_page(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/break-even")
        plot = visit.page.locator(".plot").first
        height = (await plot.bounding_box() or {})["height"]

        await plot.hover()
        await expect(plot.locator(".vega svg")).to_be_visible()

        assert (await plot.bounding_box() or {})["height"] == pytest.approx(height, abs=2)
        assert await plot.locator("svg.drawn").count() == 0
        await (
            visit.page.locator(".vega path[aria-roledescription=point], .vega .mark-symbol path")
            .nth(5)
            .hover(force=True)
        )
        await expect(visit.page.locator("#vg-tooltip-element")).to_contain_text("RTX 4070")
        await visit.page.keyboard.press("Escape")
        await expect(visit.page.locator("#vg-tooltip-element")).to_be_hidden()


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_where_programs_find_the_same(visiting: Visiting, path: str, site: str) -> None:
    async with visiting() as visit:
        await visit.go(path)
        links = visit.page.locator("link[rel=alternate][type='application/json']")

        twin = await links.first.get_attribute("href")

        assert await asked(site, twin or "")


async def test_the_question_goes_along_from_page_to_page(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/break-even?country=ES&rig=RTX 4090&lang=es&currency=EUR")

        await visit.page.get_by_role("link", name="Precios", exact=True).click()
        await visit.page.wait_for_url("**/prices**")

        for part in ("country=ES", "rig=RTX+4090", "lang=es", "currency=EUR"):
            assert part in visit.page.url
        assert "€" in await visit.page.locator("main").inner_text()


# One option ----------------------------------------------------------------------------------------------------------


async def test_what_does_not_fit_says_by_how_much(visiting: Visiting, site: str) -> None:
    query = "workload=own&layers=126&width=16384&heads=128&vocabulary=128000&seq_len=8192&tokens=2e10"
    excluded = (await asked(site, f"/api/v1/ranking?{query}"))["excluded"]
    example = next(each for left in excluded for each in left["examples"] if each["kind"] == "local")
    async with visiting() as visit:
        await visit.go(f"/?{query}")
        assert f"{example['lacks_gb']:.1f} GB" in await visit.page.locator("section.answer").inner_text()

        await visit.go(f"/option?{query}&option={example['id']}")

        assert f"{example['lacks_gb']:.1f} GB" in await visit.page.locator(".answer").inner_text()
        memory = visit.page.locator("figure", has=visit.page.get_by_text("Where the memory goes"))
        assert f"{example['lacks_gb']:.1f} more" in await memory.inner_text()
        assert await memory.locator("svg [fill='url(#hatch-bad)']").count() > 0


async def test_the_parts_of_an_option_sum_to_what_the_api_says(visiting: Visiting, site: str) -> None:
    option = await rig(site, "explain=true")
    async with visiting(java_script_enabled=False) as visit:
        await visit.go(f"/option?option={option['id']}")

        for heading in ("Where the money goes", "Where a step's time goes", "Where the memory goes"):
            figure = visit.page.locator("figure", has=visit.page.get_by_text(heading))
            await figure.locator("summary").click()
            await expect(figure.locator("table tfoot")).to_be_visible()
            assert await figure.locator("svg.drawn").count() == 1
        memory = visit.page.locator("figure", has=visit.page.get_by_text("Where the memory goes"))
        assert f"{option['plan']['memory_gb']['needed']:.1f}" in await memory.locator("tfoot").inner_text()
        settings = await visit.page.locator("#settings").inner_text()
        assert f"micro_batch: {option['plan']['micro_batch']}" in settings
        assert f"optimizer: {option['plan']['optimizer']}" in settings


async def test_the_numbers_behind_an_option_are_those_that_the_api_explains(visiting: Visiting, site: str) -> None:
    option = await rig(site, "explain=true")
    question = {"workload": "nanochat-d32", "machines": [{"gpu": "RTX 4070"}], "explain": True}
    async with httpx.AsyncClient(trust_env=False) as client:
        explained = (await client.post(f"{site}/api/v1/estimates", json=question)).json()[0]["explanation"]
    async with visiting(java_script_enabled=False) as visit:
        await visit.go(f"/option?option={option['id']}")
        await visit.page.get_by_text("The numbers behind it").click()

        parts, rates, constants = (visit.page.locator(".behind table").nth(place) for place in range(3))
        longest = max(explained["parts"], key=lambda part: part["ms"])
        first = await parts.locator("tbody tr").first.inner_text()
        assert f"{longest['ms']:,.0f}" in first
        assert f"{longest['flops'] / 1e12:,.0f}" in first
        assert f"{sum(option['step_parts_s'].values()) * 1e3:,.0f}" in await parts.locator("tfoot").inner_text()
        assert await rates.locator("tbody tr").count() == len(explained["rates"])
        named = await constants.locator("tbody th").all_inner_texts()
        assert named == [each["name"] for each in explained["constants"]]
        runs = await visit.page.get_by_role("region", name="Runs that back").inner_text()
        for near in explained["nearest"]:
            assert f"{near['tokens_per_s_per_gpu']:,.0f}" in runs
            assert f"{near['modelled_tokens_per_s_per_gpu']:,.0f}" in runs


async def test_an_option_says_why_it_takes_so_long_and_what_each_setting_does(visiting: Visiting, site: str) -> None:
    option = await rig(site, "explain=true")
    workload = (await asked(site, "/api/v1/ranking?limit=1"))["workload"]
    async with visiting() as visit:
        await visit.go(f"/option?option={option['id']}")

        steps = workload["tokens"] / workload["tokens_per_step"]
        why = await visit.page.locator(".why-so").inner_text()
        assert f"{steps:,.0f} steps" in why
        assert f"{sum(option['step_parts_s'].values()):.1f} s a step: {option['days']['p50']:.0f} days" in why
        times = workload["tokens_per_step"] / (option["plan"]["micro_batch"] * workload["model"]["seq_len"])
        assert f"accumulated {times:,.0f} times" in await visit.page.locator(".typed").inner_text()
        assert "RTX 4070" in await visit.page.locator(".answer .note").inner_text()


async def test_an_old_price_is_marked_and_its_source_tells_why(visiting: Visiting, site: str) -> None:
    option = await cloud_option(site, collector="vast")
    async with visiting() as visit:
        await visit.go(f"/option?option={option['id']}")

        facts = await visit.page.locator(".facts").inner_text()
        assert f"${option['offer']['usd_per_hour']:.2f} an hour" in facts
        assert "⚠ old" in facts
        assert f"{SILENT_FOR // timedelta(hours=1)} h ago" in facts
        await visit.page.get_by_role("status").get_by_role("link", name="Sources").click()
        await visit.page.wait_for_url("**/sources?source=vast")
        assert "Vast.ai has not answered since" in await visit.page.get_by_role("status").inner_text()
        assert "no answer within 10 s" in await visit.page.locator("main").inner_text()


async def test_an_offer_that_is_gone_says_when_it_was_last_seen(visiting: Visiting, site: str) -> None:
    then = now() - timedelta(days=57)
    offers = (await asked(site, f"/api/v1/offers?as_of={then:%Y-%m-%d}"))["items"]
    gone = next(offer for offer in offers if offer["instance_type"] == "gone.1x")
    async with visiting() as visit:
        assert await visit.go(f"/option?option={gone['id']}&sort=days") == 404

        assert "last seen on" in await visit.page.locator("main").inner_text()
        assert "at $1.99 an hour" in await visit.page.locator("main").inner_text()
        link = visit.page.get_by_role("link", name="Show today's ranking")
        await expect(link).to_have_attribute("href", "/?sort=days")


async def test_the_price_history_of_an_offer_is_the_apis(visiting: Visiting, site: str) -> None:
    option = await cloud_option(site, collector="runpod", provider="runpod")
    prices = (await asked(site, f"/api/v1/prices?id={option['id']}"))["items"]
    async with visiting() as visit:
        await visit.go(f"/option?option={option['id']}")
        figure = visit.page.locator("figure", has=visit.page.get_by_text("The price of this offer"))
        await figure.locator("summary").click()

        shown = [float(text) for text in await figure.locator("tbody td:last-child").all_inner_texts()]

        assert shown == [pytest.approx(price["usd_per_hour"], abs=0.005) for price in prices]
        assert len(shown) > 3


# Break-even ----------------------------------------------------------------------------------------------------------


async def test_the_crossings_are_the_apis(visiting: Visiting, site: str) -> None:
    query = "rig=RTX 4090&purchase_usd=1600&resale_usd=400"
    even = (await asked(site, f"/api/v1/ranking?{query}"))["break_even"]
    async with visiting() as visit:
        await visit.go(f"/break-even?{query}")

        words = await visit.page.locator(".answer").inner_text()
        assert f"${even['electricity_usd_per_kwh']:.2f} per kWh" in words
        assert f"{usd_rate(even['cloud_usd_per_gpu_hour'])} for a GPU and hour" in words
        assert await visit.page.locator("figure svg.drawn").count() == 3
        await visit.page.locator("figure summary").first.click()
        assert await visit.page.locator("figure").first.locator("tbody tr").count() == 11


async def test_without_a_machine_of_ones_own_there_is_nothing_to_compare(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.go("/break-even?rig=none") == 200

        assert "Add a card you own" in await visit.page.locator(".answer").inner_text()


# Prices --------------------------------------------------------------------------------------------------------------


async def test_the_days_of_a_gpu_are_the_apis(visiting: Visiting, site: str) -> None:
    days = (await asked(site, "/api/v1/prices?gpu=H100 SXM"))["items"]
    async with visiting() as visit:
        await visit.go("/prices?gpu=H100 SXM")
        await visit.page.locator("figure summary").click()

        shown = await visit.page.locator("figure tbody td:nth-of-type(2)").all_inner_texts()

        assert [float(text) for text in shown] == [pytest.approx(day["median"], abs=0.005) for day in days]


async def test_days_on_which_a_source_could_not_be_read_are_hatched(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/prices?gpu=H100 SXM&gpu=L40S")

        h100, l40s = (visit.page.locator("figure").nth(place) for place in (0, 1))
        assert "not read: Vast.ai on 1 day" in await h100.inner_text()
        assert await h100.locator("svg [fill='url(#hatch-day)']").count() == 1
        await h100.locator("summary").click()
        assert await h100.locator("tbody td:last-child").get_by_text("Vast.ai").count() == 1
        assert "not read" not in await l40s.inner_text()
        assert await l40s.locator("svg [fill='url(#hatch-day)']").count() == 0


async def test_prices_are_narrowed_by_a_form_and_exported_by_links(visiting: Visiting, site: str) -> None:
    async with visiting(java_script_enabled=False) as visit:
        await visit.go("/prices")
        await visit.page.get_by_label("GPU", exact=True).select_option("RTX 4090")
        await visit.page.get_by_label("Purchase").select_option("on_demand")
        await visit.page.get_by_role("button", name="Show prices").click()
        await visit.page.wait_for_url("**gpu=RTX+4090**")

        offers = (await asked(site, "/api/v1/offers?gpu=RTX 4090&pricing=on_demand"))["items"]
        rows = visit.page.get_by_role("region", name=re.compile("^Offers")).locator("tbody tr")
        assert await rows.count() == len(offers)
        table = await visit.page.get_by_role("region", name=re.compile("^Offers")).inner_text()
        assert HOSTILE in table
        assert LONG_REGION in table
        for form, kind in (("CSV", "text/csv"), ("Parquet", "application/vnd.apache.parquet")):
            href = await visit.page.locator(".exports").get_by_role("link", name=form).get_attribute("href")
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"{site}{href}")
            assert answer.headers["content-type"].startswith(kind)


async def test_prices_whose_licence_asks_for_it_name_their_source(visiting: Visiting, site: str) -> None:
    offers = (await asked(site, "/api/v1/offers?provider=massedcompute"))["items"]
    owed = next(offer for offer in offers if offer["attribution"])
    async with visiting() as visit:
        for path in ("/prices?provider=massedcompute", "/?provider=massedcompute", f"/option?option={owed['id']}"):
            await visit.go(path)

            assert "licensed under CC BY 4.0" in await visit.page.locator("main").inner_text()
            source, licence = "https://gpurentalprices.com", "https://creativecommons.org/licenses/by/4.0/"
            assert await visit.page.locator(f"main a[href='{source}']").count() == 1
            assert await visit.page.locator(f"main a[href='{licence}']").count() == 1


async def test_what_moved_most_stands_first(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.go("/prices")

        region = visit.page.get_by_role("region", name="What moved most this week")
        texts = await region.locator("tbody td:nth-of-type(4)").all_inner_texts()
        moves = [abs(float(text.strip(" ▲▼%+").replace("−", "-").replace("%", ""))) for text in texts]
        assert moves
        assert moves == sorted(moves, reverse=True)


async def test_an_impossible_range_is_refused(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.go("/prices?range=century") == 400

        assert "must be one of" in await visit.page.locator("main").inner_text()


# Sources -------------------------------------------------------------------------------------------------------------


async def test_sources_say_how_they_do_as_the_api_does(visiting: Visiting, site: str) -> None:
    sources = (await asked(site, "/api/v1/providers"))["items"]
    async with visiting() as visit:
        await visit.go("/sources")

        table = visit.page.get_by_role("region").first
        assert await table.locator("tbody tr").count() == len(sources)
        for source in sources:
            if source["needs"]:
                assert source["needs"] in await table.inner_text()
        assert "payload_changed" not in await table.inner_text()
        assert "a page of HTML came" in await table.inner_text()
        assert "GPU not known 2" in await table.inner_text()


async def test_what_was_set_aside_is_shown_as_it_was_read(visiting: Visiting) -> None:
    async with visiting() as visit:
        dialogs: list[str] = []
        visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await visit.go("/sources?source=runpod")

        rejected = await visit.page.get_by_role("region", name="What the newest run set aside").inner_text()
        assert "nobody knows 'Z9000'" in rejected
        assert "<img src=x onerror=alert(1)>" in rejected
        assert await visit.page.locator("main img").count() == 0
        assert dialogs == []


# Reports -------------------------------------------------------------------------------------------------------------


async def test_a_report_is_subscribed_to_sent_read_and_unsubscribed(
    visiting: Visiting, site: str, post: MailServer
) -> None:
    async with visiting(java_script_enabled=False) as visit:
        page = visit.page
        await visit.go("/reports?country=ES&workload=nanochat-d20")
        await page.get_by_label("Key").fill("a wrong key")
        await page.get_by_role("button", name="Open the subscriptions").click()
        assert "This is not the key" in await page.get_by_role("alert").inner_text()

        await page.get_by_label("Key").fill(KEY)
        await page.get_by_role("button", name="Open the subscriptions").click()
        await page.get_by_label("Name").fill("d20 los lunes")
        await page.get_by_label("Time zone").fill("Europe/Madrid")
        await page.get_by_role("combobox", name="Language").select_option("es")
        await page.get_by_label("Address").fill("nobody")
        await page.get_by_role("button", name="Subscribe").click()
        assert "Address must be one address" in await page.get_by_role("alert").inner_text()
        await expect(page.get_by_label("Name")).to_have_value("d20 los lunes")

        await page.get_by_label("Address").fill("ana@example.org")
        await page.get_by_role("button", name="Subscribe").click()
        assert "d20 los lunes" in await page.get_by_role("status").inner_text()
        row = page.get_by_role("region", name=re.compile("subscription")).locator("tbody tr")
        assert "Europe/Madrid" in await row.inner_text()
        assert "ana@example.org" in await row.inner_text()

        await page.get_by_role("button", name=re.compile("Send now")).click()
        await page.get_by_role("link", name="See it as sent").click()
        await page.wait_for_url("**/reports/*")
        as_sent = await page.locator("body").inner_text()

        await until(lambda: bool(post.mail))
        mail = post.mail[-1]
        assert mail["To"] == "ana@example.org"
        assert mail["Content-Language"] == "es"
        assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html"}
        html = mail.get_body(("html",))
        assert html is not None
        link = re.search(r'href="([^"]*/reports/[0-9a-f]+)"', html.get_content())
        assert link is not None
        assert urlsplit(link[1]).path == urlsplit(page.url).path
        amount = re.search(r"([\d.,]+)(?:\xa0|&nbsp;)US\$", html.get_content())
        assert amount is not None
        assert f"{amount[1]}\xa0US$" in as_sent

        pause = re.search(r'href="([^"]*/pause/[^"]+)"', html.get_content())
        assert pause is not None
        async with visiting(width=320, color_scheme="dark") as phone:
            await phone.go(urlsplit(pause[1]).path)
            for button in ("Pause", "Go on"):
                assert await violations(phone.page) == []
                assert not await phone.is_wider_than_its_window()
                await phone.page.get_by_role("button", name=re.compile(button)).click()
            await expect(phone.page.get_by_role("heading", name=re.compile("^Pause"))).to_be_visible()

        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        unsubscribe = re.search(r"<(http[^>]*)>", str(mail["List-Unsubscribe"]))
        assert unsubscribe is not None
        async with httpx.AsyncClient(trust_env=False) as client:
            way_out = f"{site}{urlsplit(unsubscribe[1]).path}"
            answers = [await client.post(way_out, data={"List-Unsubscribe": "One-Click"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_chat_is_subscribed_with_the_token_of_its_bot(visiting: Visiting, site: str) -> None:
    async with visiting(java_script_enabled=False) as visit:
        page = visit.page
        await visit.go("/reports")
        await page.get_by_label("Key").fill(KEY)
        await page.get_by_role("button", name="Open the subscriptions").click()
        await expect(page.get_by_label("Token of the bot")).to_be_hidden()
        await expect(page.get_by_text("Such as you@example.org")).to_be_visible()

        await page.get_by_label("Name").fill("d32 in the chat")
        await page.get_by_label("Send to").select_option("telegram")
        await expect(page.get_by_text("The chat's number")).to_be_visible()
        await page.get_by_label("Address").fill("@prices")
        await page.get_by_role("button", name="Subscribe").click()
        assert "Token of the bot must be the bot's token" in await page.get_by_role("alert").inner_text()

        await page.get_by_label("Token of the bot").fill(f"123456:{'A' * 35}")
        await page.get_by_role("button", name="Subscribe").click()

        row = page.get_by_role("row", name=re.compile("d32 in the chat"))
        assert "Telegram: @prices" in await row.inner_text()
        assert "AAAA" not in await page.locator("main").inner_text()


async def test_the_key_stands_in_no_address_and_in_no_cache(site: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        opened = await client.post(f"{site}/reports", data={"key": KEY, "action": "open"})
        refused = await client.post(f"{site}/reports", data={"key": "wrong", "action": "open"})

    assert opened.status_code == 200
    assert opened.headers["cache-control"] == "no-store"
    assert "set-cookie" not in opened.headers
    assert KEY not in str(opened.url)
    assert refused.status_code == 401
    assert "subscriptions-heading" not in refused.text
