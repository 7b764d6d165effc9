"""Pages as they are sent: languages, currencies, states, links and headers. What a browser makes of them: browser/."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, observation
from serving import Client, client_of, copy_of, fill

from service.database import Database
from service.parameters import PARAMETERS
from service.web.form import BOUNDS, LABELS

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
async def client(database: Database, pristine: str, data_dir: Path) -> AsyncIterator[Client]:
    async with copy_of(database, pristine, "pages") as copied:
        await fill(copied, NOON - timedelta(minutes=23))
        async with client_of(database.url("pages"), data_dir) as client:
            yield client


@pytest.fixture(scope="module")
async def silent(database: Database, pristine: str, data_dir: Path) -> AsyncIterator[Client]:
    """A service whose only live source has not answered for fifty hours."""
    async with copy_of(database, pristine, "silent") as copied:
        offers = [observation("h100.8x", "9.10", gpu_count=8, observed_at=NOON - timedelta(hours=50))]
        await fill(copied, NOON - timedelta(hours=50), offers)
        async with client_of(database.url("silent"), data_dir) as client:
            yield client


async def page(client: Client, path: str = "/", *, status: int = 200, accept_language: str = "en") -> str:
    response = await client.get(path, headers={**HTML, "Accept-Language": accept_language})
    assert response.status_code == status, response.text[:500]
    return unescape(response.text).replace("\u00a0", " ")


def words(html: str) -> str:
    """What of a page is read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


# Languages -----------------------------------------------------------------------------------------------------------


async def test_a_page_speaks_the_browsers_language_and_says_so(client: Client) -> None:
    response = await client.get("/", headers={**HTML, "Accept-Language": "es-ES,es;q=0.9"})

    assert '<html lang="es-ES">' in response.text
    assert response.headers["content-language"] == "es-ES"
    assert "Accept-Language" in response.headers["vary"]
    assert "Entrenar nanochat d32: ¿equipo propio o alquiler?" in response.text


async def test_each_page_links_to_itself_in_both_languages(client: Client) -> None:
    html = await page(client, "/?sort=days&gpu=H100+SXM", accept_language="es")

    assert 'hreflang="en" href="/?sort=days&gpu=H100+SXM&lang=en"' in html
    assert 'hreflang="es" href="/?sort=days&gpu=H100+SXM&lang=es"' in html
    assert 'hreflang="x-default" href="/?sort=days&gpu=H100+SXM"' in html


async def test_two_languages_are_two_answers_to_a_cache(client: Client) -> None:
    tags = {
        (await client.get("/", headers={**HTML, "Accept-Language": spoken})).headers["etag"] for spoken in ("en", "es")
    }

    assert len(tags) == 2


async def test_a_page_that_did_not_change_is_not_sent_again(client: Client) -> None:
    tag = (await client.get("/", headers=HTML)).headers["etag"]

    assert (await client.get("/", headers={**HTML, "If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?deadline_days=2&usd_per_day=20&pricing=reserved",
        "/?workload=llama-2-7b",
        "/?method=ratio",
        "/?as_of=2020-01-01",
    ],
)
async def test_nothing_english_is_left_on_a_spanish_page(client: Client, path: str) -> None:
    html = await page(client, path, accept_language="es")

    main = words(html[html.index("<main") : html.index("</footer>")])
    english = (
        r"\b(?:the|and|with|is|are|your|cost|days|hours|machines|offers?|price[sd]?|seen|min ago|lacks|above|none)\b"
    )
    assert re.findall(rf".{{30}}{english}.{{30}}", main) == []


async def test_a_language_that_is_not_spoken_is_a_field_at_fault(client: Client) -> None:
    html = await page(client, "/?lang=fr&currency=XXX", status=400)

    assert "Language must be one of en, es, not 'fr'" in words(html)
    assert "Amounts in 'XXX' is not known" in words(html)


async def test_what_is_too_close_to_call_is_marked_in_the_table_as_the_answer_names_it(client: Client) -> None:
    tied = await page(client, "/?rig=none")
    called = await page(client, "/")
    by_days = await page(client, "/?rig=none&sort=days")

    named = re.search(r"Too close to call: (.+?) may each be cheapest", words(tied))
    assert named is not None
    marked = re.findall(r'<span class="vh"> too close to call</span>.*?<th scope="row">(.*?)</th>', tied, re.DOTALL)
    assert len(marked) == len(re.findall(r"\(\d+%\)", named[1])) > 1
    for html in (called, by_days):
        assert '<span class="vh"> too close to call</span>' not in html


# Money ---------------------------------------------------------------------------------------------------------------


async def test_amounts_are_shown_in_another_currency_and_the_rate_is_said_once(client: Client) -> None:
    dollars, euros = await page(client), await page(client, "/?currency=EUR")

    assert "Cost, €" in euros
    assert "$" not in words(euros[euros.index('class="results"') : euros.index("</main>")])
    assert len(re.findall(r"Shown at 1 USD = 0\.\d{4} EUR, \d+ \w+ 2026\.", words(euros))) == 1
    assert re.findall(r'<data value="([\d.e-]+)"', euros) == re.findall(r'<data value="([\d.e-]+)"', dollars)


async def test_every_link_keeps_the_language_and_the_currency(client: Client) -> None:
    html = await page(client, "/?country=ES&currency=EUR&lang=es")

    inner = re.findall(r'href="(/(?:option|break-even|prices|sources|reports)?\?[^"]*)"', html)
    assert len(inner) > 20
    kept = ("country=ES", "currency=EUR", "lang=")
    dropping = [link for link in inner if not all(part in link for part in kept)]
    assert set(dropping) == {
        "/?country=ES&currency=EUR",  # of no language: the reader's own
        "/?lang=es&currency=EUR",  # the chip that removes the country, and the reset
    }
    assert 'href="/api/v1/ranking?country=ES"' in html


# Your own model and rig ----------------------------------------------------------------------------------------------

OWN = "workload=own&layers=12&width=768&heads=12&vocabulary=50304&seq_len=1024&tokens=1e10"


async def test_a_model_of_ones_own_is_ranked_by_its_address_and_as_in_a_body(client: Client) -> None:
    shapes = {"layers": 12, "width": 768, "heads": 12, "vocabulary": 50304, "seq_len": 1024}

    asked = (await client.get(f"/api/v1/ranking?{OWN}")).json()
    posted = (await client.post("/api/v1/ranking", json={"workload": {"model": shapes, "tokens": 1e10}})).json()

    assert asked["options"] == posted["options"]
    assert "Train your workload: rig or rent?" in await page(client, f"/?{OWN}")


async def test_a_plan_is_fixed_in_the_form_and_kept_in_every_link(client: Client) -> None:
    question = "micro_batch=4&offload=none&compiled=false"

    asked = (await client.get(f"/api/v1/ranking?{question}")).json()
    html = await page(client, f"/?{question}")

    assert {option["plan"]["micro_batch"] for option in asked["options"]} == {4}
    assert re.search(r'<details class="choices plan" open>', html)
    assert re.search(r'name="micro_batch" type="text" value="4"', html)
    assert re.search(r'name="offload" value="none" id="offload" checked', html)
    assert '<option value="false" selected>no</option>' in html
    assert "Micro-batch: 4" in words(html)
    assert "micro-batch 4, not compiled" in words(html)
    assert all(question in link for link in re.findall(r'href="(/option\?[^"]+)"', html))


async def test_what_cannot_be_kept_of_a_plan_is_said_in_the_readers_language(client: Client) -> None:
    idle = await page(client, "/?micro_batch=4&method=ratio", accept_language="es")
    refused = await page(client, "/?tensor_parallel=3", status=400, accept_language="es")
    too_large = await page(client, "/?micro_batch=512&offload=none&provider=cloud", accept_language="es")

    assert "el plan no tiene efecto: el método ratio escala una ejecución medida" in words(idle)
    assert "GPU por matriz 3 no divide 16 cabezas" in words(refused)
    assert "no puede entrenarlo con el plan que has fijado: faltan" in words(too_large)


async def test_what_is_missing_of_a_model_is_said_beside_its_fields(client: Client) -> None:
    html = await page(client, "/?workload=own&layers=12", status=400)

    assert {"width", "heads", "vocabulary", "seq_len", "tokens"} <= set(re.findall(r'href="#(\w+)"', html))
    assert "Width must be given; it cannot follow from the rest" in words(html)


async def test_a_rig_has_its_own_watts_speed_and_price(client: Client) -> None:
    async def rig(query: str) -> Any:
        return (await client.get(f"/api/v1/ranking?{query}")).json()["answer"]["rigs"][0]

    usual, frugal = await rig(""), await rig("host_watts=30&gpu_watts=150")
    fast, bought = await rig("measured_tokens_per_s=100000"), await rig("purchase_usd=600&lifetime_months=24")

    assert frugal["rig"]["watts"] == 180 < usual["rig"]["watts"]
    assert fast["evidence"]["tier"] == "measured"
    assert bought["cost_breakdown_usd"]["hardware"] > 0


async def test_a_form_without_script_is_sent_on_to_its_shortest_address(client: Client) -> None:
    filled = "workload=nanochat-d32&rig=RTX+4070&country=ES&electricity_usd_per_kwh=0,21&pricing=on_demand&pricing=spot"

    empty = "rig=&layers=&micro_batch=&compiled=&optimizer=&budget_usd="

    response = await client.get(f"/?{filled}&{empty}&currency=USD", headers=HTML)

    assert response.status_code == 303
    assert response.headers["location"] == "/?country=ES&electricity_usd_per_kwh=0.21"


def test_every_parameter_has_a_label() -> None:
    assert {parameter.name for parameter in PARAMETERS} - set(LABELS) == {"explain"}


@pytest.mark.parametrize("name", sorted(BOUNDS))
async def test_the_page_refuses_at_once_what_the_service_refuses(client: Client, name: str) -> None:
    bounds = BOUNDS[name]

    async def is_refused(value: float) -> bool:
        written = str(int(value)) if value == int(value) else str(value)
        answer = await client.get("/api/v1/ranking", params={"workload": "own", "purchase_usd": 1e7, name: written})
        return any(error["field"] == name for error in answer.json().get("errors", ()))

    assert not await is_refused(bounds.least + bounds.above)
    assert await is_refused(bounds.least if bounds.above else bounds.least - 1)
    assert await is_refused(bounds.most * 2)
    assert not bounds.whole or await is_refused(1.5)


# States --------------------------------------------------------------------------------------------------------------


async def test_an_empty_store_ranks_what_one_owns(client: Client) -> None:
    html = await page(client, "/?as_of=2020-01-01")

    assert "No prices yet: the first collection takes a few minutes." in html
    assert "RTX 4070" in html[html.index("<tbody") :]


async def test_a_source_that_fell_silent_is_named_with_its_age(silent: Client) -> None:
    html = await page(silent)

    assert "has not answered since 22 Nov 2026, 10:00 UTC (2 days). Its 1 price is marked old." in words(html)
    assert "⚠ old" in html
    assert "no responde desde el 22 nov 2026, 10:00 UTC (2 días)" in words(await page(silent, accept_language="es"))


async def test_an_answer_that_rests_on_an_old_price_says_so_and_names_a_fresh_one(silent: Client) -> None:
    html = await page(silent, "/?rig=RTX+4070&electricity_usd_per_kwh=9&provider=cloud")

    assert "The price behind this answer is 2 days old (seen 22 Nov 2026, 10:00 UTC)." in words(html)
    assert "Fresh prices only: " in html


async def test_where_filters_leave_no_cloud_the_one_that_keeps_most_away_can_be_dropped(client: Client) -> None:
    html = await page(client, "/?gpu=B300&provider=cloud")

    assert "No cloud offer passes your filters; this compares your machines only." in html
    assert re.search(r'<a href="/\?gpu=B300">Drop this filter: Provider \(\d+ options\)</a>', html)


async def test_what_nothing_can_train_is_said_with_what_is_lacking_least(client: Client) -> None:
    shapes = "workload=own&layers=200&width=40000&heads=100&vocabulary=50304&seq_len=2048&tokens=1e12"

    html = words(await page(client, f"/?{shapes}&tokens_per_step=2048"))

    assert "No machine here" in html
    assert "cannot train this: it lacks" in html


async def test_bad_input_is_marked_in_the_readers_language(client: Client) -> None:
    html = await page(client, "/?country=Spain&min_gpus=0&deadline_days=abc", status=400, accept_language="es")

    assert "<title>Error: revisa 3 campos" in html
    assert html.count("País debe ser de dos letras, como ES, no 'Spain'") == 2  # in the summary and at the field


async def test_nothing_is_at_an_address_that_nobody_knows(client: Client) -> None:
    html = await page(client, "/nowhere", status=404, accept_language="es")

    assert "No hay nada en /nowhere." in html
    assert "Ver la clasificación de hoy" in html


async def test_a_failure_of_ours_has_a_reference_and_keeps_the_link(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("service.web.dashboard.charts", fail)

    html = await page(client, "/?sort=days", status=500)

    assert re.search(r"Something broke on our side\. Reference [0-9A-F]{4}-[0-9A-F]{4}\.", html)
    assert '<a href="/?sort=days">try again</a>' in html
    assert "ZeroDivisionError" not in html


# For programs --------------------------------------------------------------------------------------------------------


async def test_a_page_names_its_twins(client: Client) -> None:
    response = await client.get("/?sort=days", headers=HTML)

    assert 'rel="alternate" type="application/json" href="/api/v1/ranking?sort=days"' in unescape(response.text)
    assert '</api/v1/ranking?sort=days&format=csv>; rel="alternate"; type="text/csv"' in response.headers["link"]


async def test_the_table_of_the_page_is_had_as_csv(client: Client) -> None:
    options = (await client.get("/api/v1/ranking?sort=days")).json()["options"]

    response = await client.get("/api/v1/ranking?sort=days&format=csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))

    assert response.headers["content-type"].startswith("text/csv")
    assert [(row["id"], float(row["cost_usd_p50"])) for row in rows] == [
        (option["id"], option["cost_usd"]["p50"]) for option in options
    ]


async def test_a_format_that_nobody_knows_is_refused(client: Client) -> None:
    response = await client.get("/api/v1/ranking?format=xls")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "format"


async def test_pages_may_run_our_script_and_no_other(client: Client) -> None:
    response = await client.get("/", headers=HTML)

    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in response.headers
    assert re.findall(r"<script(?![^>]* src=)", response.text) == []
    assert " style=" not in response.text


async def test_an_option_has_every_line_of_its_bill_with_its_source(client: Client) -> None:
    asked = "provider=azure&egress_gb=500&lang=es"
    answer = (await client.get(f"/api/v1/ranking?{asked}&rig=none&explain=true")).json()
    first = answer["options"][0]
    egress = next(line for line in first["bill"] if line["item"] == "egress")

    html = await page(client, f"/option?option={first['id']}&{asked}")

    assert (egress["quantity"], egress["usd"]) == (400, pytest.approx(400 * 0.087))  # 100 GB of a month are free
    assert sum(line["usd"] for line in first["bill"]) == pytest.approx(first["cost_usd"]["p50"])
    assert all(line["source"] for line in first["bill"])
    assert "salen 500,0 GB, 100,0 gratis" in words(html)
    assert "GB-mes" in words(html)
    assert 'href="https://cloudtoolstack.com/blog/cloud-egress-cost-optimization"' in html


async def test_at_the_rent_of_the_crossing_the_chart_has_both_at_the_same_cost(client: Client) -> None:
    even = (await client.get("/api/v1/ranking?egress_gb=3000")).json()["break_even"]

    html = await page(client, "/break-even?egress_gb=3000")

    assert f"below ${even['cloud_usd_per_gpu_hour']:.2f} for a GPU and hour" in words(html)
