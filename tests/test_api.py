"""The API keeps what it promises: values, errors by field, pages of lists, keys, caching, and its own description."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import NOON, collected_run
from litestar import Litestar, get
from serving import KEY, WITH_KEY, Client, client_of, copy_of, description, fill, offers
from sqlalchemy import text
from waiting import PATIENCE_S

from service import store
from service.database import Database
from service.web.problems import exception_handlers

PROMISE = Path(__file__).parent / "openapi.json"


@pytest.fixture(scope="module")
async def shop(database: Database, pristine: str) -> AsyncIterator[Database]:
    """A database of this module alone, with a small market."""
    async with copy_of(database, pristine, "shop") as copied:
        await fill(copied, NOON - timedelta(hours=1))
        yield copied


@pytest.fixture(scope="module")
async def client(database: Database, shop: Database, data_dir: Path) -> AsyncIterator[Client]:
    async with client_of(database.url("shop"), data_dir) as client:
        yield client


def patience() -> asyncio.Timeout:
    return asyncio.timeout(PATIENCE_S)


async def ask(client: Client, path: str, **parameters: Any) -> Any:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


# The ranking ---------------------------------------------------------------------------------------------------------


async def test_the_ranking_accounts_for_everything_it_considered(client: Client) -> None:
    ranking = await ask(client, "/api/v1/ranking", limit=1000)

    excluded = sum(exclusion["count"] for exclusion in ranking["excluded"])
    assert ranking["considered"] == ranking["ranked"] + excluded
    assert len(ranking["options"]) == ranking["ranked"] > 10
    assert [option["rank"] for option in ranking["options"]] == list(range(1, ranking["ranked"] + 1))


async def test_the_ranking_is_the_same_asked_in_the_address_and_in_a_body(client: Client) -> None:
    question = {"workload": "nanochat-d20", "country": "ES", "sort": "days", "min_gpus": 8}

    asked = await ask(client, "/api/v1/ranking", **question)
    posted = await client.post("/api/v1/ranking", json=question)

    assert posted.status_code == 200
    assert posted.json() == asked


async def test_a_workload_and_a_rig_of_ones_own_are_ranked(client: Client) -> None:
    body = {
        "workload": {"name": "mine", "reference": {"gpu": "H100 SXM", "gpu_count": 8, "hours": 33}},
        "rigs": [{"name": "under the desk", "gpu": "RTX 4090", "electricity_usd_per_kwh": 0.3}],
    }

    ranking = (await client.post("/api/v1/ranking", json=body)).json()

    assert ranking["workload"]["name"] == "mine"
    assert [rig["title"] for rig in ranking["answer"]["rigs"]] == ["1x RTX 4090, under the desk"]


async def test_times_are_in_utc_and_say_so(client: Client) -> None:
    ranking = await ask(client, "/api/v1/ranking", provider="cloud")

    assert ranking["as_of"] == "2026-11-24T12:00:00Z"
    assert {option["offer"]["observed_at"] for option in ranking["options"] if option["offer"]} == {
        "2026-11-24T11:00:00Z"
    }


async def test_the_pages_of_a_ranking_join_without_gap_or_repetition(client: Client) -> None:
    whole = await ask(client, "/api/v1/ranking", limit=1000)

    pages, cursor = [], None
    while True:
        page = await ask(client, "/api/v1/ranking", limit=7, **({"cursor": cursor} if cursor else {}))
        pages += page["options"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == whole["options"]


async def test_unknown_names_of_parameters_are_ignored(client: Client) -> None:
    assert await ask(client, "/api/v1/ranking", colour="blue") == await ask(client, "/api/v1/ranking")


# Estimates -----------------------------------------------------------------------------------------------------------


async def test_estimates_come_in_the_order_of_the_machines(client: Client) -> None:
    machines = [{"gpu": "A100 SXM 80GB", "gpu_count": 8}, {"gpu": "RTX 4070"}, {"gpu": "H100 SXM", "gpu_count": 8}]

    answer = await client.post("/api/v1/estimates", json={"workload": "nanochat-d32", "machines": machines})

    assert [(each["gpu"], each["gpu_count"]) for each in answer.json()] == [
        ("A100 SXM 80GB", 8),
        ("RTX 4070", 1),
        ("H100 SXM", 8),
    ]
    assert all(each["hours"]["p10"] <= each["hours"]["p50"] <= each["hours"]["p90"] for each in answer.json())


async def test_an_explained_estimate_gives_work_rates_constants_and_the_runs_that_are_near(client: Client) -> None:
    body = {"workload": "nanochat-d32", "machines": [{"gpu": "RTX 4070"}, {"gpu": "T4"}], "explain": True}
    explained, other = (await client.post("/api/v1/estimates", json=body)).json()
    plain = (await client.post("/api/v1/estimates", json={**body, "explain": False})).json()

    why = explained["explanation"]
    assert [each["explanation"] for each in plain] == [None, None]
    assert {part["name"] for part in why["parts"]} == set(explained["step_parts_s"])
    assert why["constants"][0]["by"] in ("runs", "physics")
    assert why["nearest"][0]["source_url"].startswith("https://")
    assert [rate["unit"] for rate in why["rates"]] == ["TFLOP/s", "TFLOP/s", "GB/s", "GB/s"]
    assert (other["explanation"] is None) == (other["plan"] is None)


async def test_a_machine_that_is_too_small_is_excluded_with_what_it_lacks(client: Client) -> None:
    body = {"workload": "llama-2-7b", "machines": [{"gpu": "T4", "host_memory_gb": 16}]}

    (estimate,) = (await client.post("/api/v1/estimates", json=body)).json()

    assert estimate["hours"] is None
    assert estimate["excluded"]["reason"] == "out_of_memory"
    assert estimate["excluded"]["lacks_gb"] > 0


async def test_a_pinned_plan_that_does_not_fit_keeps_its_hours(client: Client) -> None:
    plan = {"micro_batch": 64, "activation_checkpointing": "none", "offload": []}
    body = {"workload": "nanochat-d32", "machines": [{"gpu": "RTX 4070", "plan": plan}]}

    (estimate,) = (await client.post("/api/v1/estimates", json=body)).json()

    assert estimate["fits"] is False
    assert estimate["lacks_gb"] > 0
    assert estimate["hours"]["p50"] > 0
    assert estimate["tokens_per_s_per_gpu"]["p50"] > 0


async def test_a_machine_that_a_pinned_cut_does_not_divide_is_excluded_with_the_reason(client: Client) -> None:
    plan = {"tensor_parallel": 4, "micro_batch": 1}
    machines = [{"gpu": "H100 SXM", "gpu_count": count, "plan": plan} for count in (6, 8)]

    refused, kept = (
        await client.post("/api/v1/estimates", json={"workload": "nanochat-d32", "machines": machines})
    ).json()

    assert refused["excluded"]["reason"] == "plan_does_not_divide"
    assert "multiple of 4 GPUs" in refused["excluded"]["detail"]
    assert kept["plan"]["tensor_parallel"] == 4
    assert kept["plan"]["context_parallel"] == 1


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"workload": "nanochat-d33"}, "workload"),
        ({"gpu": "RTX 9999"}, "gpu"),
        ({"rig": "0x RTX 4070"}, "rig"),
        ({"country": "Spain"}, "country"),
        ({"provider": "nobody"}, "provider"),
        ({"sort": "price"}, "sort"),
        ({"method": "magic"}, "method"),
        ({"deadline_days": "-1"}, "deadline_days"),
        ({"budget_usd": "nan"}, "budget_usd"),
        ({"electricity_usd_per_kwh": "inf"}, "electricity_usd_per_kwh"),
        ({"usd_per_day": "1e400"}, "usd_per_day"),
        ({"min_gpus": "8", "max_gpus": "4"}, "min_gpus"),
        ({"as_of": "2027-01-01"}, "as_of"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
    ],
)
async def test_a_value_that_cannot_be_meant_is_named(client: Client, query: dict[str, str], field: str) -> None:
    response = await client.get("/api/v1/ranking", params=query)

    problem = response.json()
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "errors"} <= set(problem)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("path", ["/api/v1/ranking", "/api/v1/estimates"])
async def test_a_body_that_cannot_be_read_is_an_error_of_the_body(client: Client, path: str, body: bytes) -> None:
    response = await client.post(path, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["body"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/v1/ranking", {"workload": {"name": "empty"}}, "workload.model"),
        ("/api/v1/ranking", {"workload": {"model": {"layers": "many"}}}, "workload.model.layers"),
        ("/api/v1/ranking", {"rigs": [{"gpu": "RTX 4070", "host_watts": -1}]}, "rigs[0].host_watts"),
        ("/api/v1/estimates", {"workload": "nanochat-d32"}, "machines"),
        ("/api/v1/estimates", {"workload": "nanochat-d32", "machines": []}, "machines"),
        (
            "/api/v1/estimates",
            {"workload": "nanochat-d32", "machines": [{"gpu": "T4"}] * 21, "explain": True},
            "explain",
        ),
        ("/api/v1/estimates", {"workload": "nanochat-d32", "machines": [{"gpu": "?"}]}, "machines[0].gpu"),
    ],
)
async def test_a_field_of_a_body_is_named_by_its_path(client: Client, path: str, body: Any, field: str) -> None:
    response = await client.post(path, json=body)

    assert response.status_code == 400
    assert field in [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/gpus/RTX%209999", 404),
        ("GET", "/api/v1/workloads/nothing", 404),
        ("GET", "/api/v1/runs/4711", 404),
        ("GET", "/api/v1/runs/99999999999999999999999999", 404),
        ("GET", "/api/v1/runs/many", 404),
        ("DELETE", "/api/v1/ranking", 405),
        ("POST", "/health/live", 405),
    ],
)
async def test_what_is_not_there_is_a_problem_too(client: Client, method: str, path: str, status: int) -> None:
    response = await client.request(method, path)

    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/ranking", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/estimates", "OPTIONS, POST"),
        ("/api/v1/gpus/H100%20SXM", "GET, HEAD, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/schema/openapi.json", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/prices", "GET, HEAD, OPTIONS"),
        ("/gpus/H100%20SXM", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_refused_comes_with_those_that_are_answered(
    client: Client, path: str, allowed: str, accept: str
) -> None:
    refused = await client.request("PATCH", path, headers={"Accept": accept})

    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


async def test_a_failure_of_ours_gives_a_reference_and_nothing_else() -> None:
    @get("/api/broken")
    async def broken() -> None:
        raise RuntimeError("the password is 1234")

    async with Client(Litestar([broken], exception_handlers=exception_handlers())) as client:
        response = await client.get("/api/broken")

    assert response.status_code == 500
    assert response.json()["reference"] in response.json()["detail"]
    assert "1234" not in response.text
    assert "Traceback" not in response.text


# The key -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}])
@pytest.mark.parametrize(
    "path", ["/api/v1/workloads", "/api/v1/providers/bundled/collect", "/api/v1/providers/x/collect"]
)
async def test_writing_without_the_key_is_refused_before_anything_else(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    response = await client.post(path, content=b"{", headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_a_workload_is_added_ranked_by_its_slug_and_never_replaced(client: Client) -> None:
    body = {"slug": "mine-1", "name": "Mine", "reference": {"gpu": "H100 SXM", "gpu_count": 8, "hours": 10}}

    added = await client.post("/api/v1/workloads", json=body, headers=WITH_KEY)
    again = await client.post("/api/v1/workloads", json=body, headers=WITH_KEY)

    assert (added.status_code, again.status_code) == (201, 409)
    assert (await ask(client, added.headers["location"]))["name"] == "Mine"
    assert (await ask(client, "/api/v1/ranking", workload="mine-1"))["workload"]["slug"] == "mine-1"
    assert "mine-1" in [each["slug"] for each in (await ask(client, "/api/v1/workloads"))["items"]]


@pytest.mark.parametrize("slug", ["", "Mine", "a/b", "-x", 7, "x" * 81])
async def test_a_slug_that_cannot_stand_in_an_address_is_refused(client: Client, slug: object) -> None:
    body = {"slug": slug, "name": "Mine", "reference": {"gpu": "H100 SXM", "gpu_count": 8, "hours": 10}}

    response = await client.post("/api/v1/workloads", json=body, headers=WITH_KEY)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["slug"]


async def test_a_preset_cannot_be_added_again(client: Client) -> None:
    body = {"slug": "nanochat-d32", "reference": {"gpu": "H100 SXM", "gpu_count": 8, "hours": 10}}

    assert (await client.post("/api/v1/workloads", json=body, headers=WITH_KEY)).status_code == 409


# The catalogue -------------------------------------------------------------------------------------------------------


async def test_every_gpu_has_a_data_sheet_with_sources_and_what_it_rents_for(client: Client) -> None:
    gpus = {gpu["name"]: gpu for gpu in (await ask(client, "/api/v1/gpus"))["items"]}

    assert len(gpus) >= 100
    assert all(gpu["sources"] for gpu in gpus.values())
    assert gpus["H100 SXM"]["cheapest_usd_per_gpu_hour"] > 0
    assert gpus["H100 SXM"]["cheapest_offer"]["gpu"] == "H100 SXM"


async def test_a_gpu_is_found_by_any_of_its_spellings(client: Client) -> None:
    assert await ask(client, "/api/v1/gpus/rtx4070") == await ask(client, "/api/v1/gpus/RTX 4070")


async def test_electricity_has_a_year_and_a_source_for_every_country(client: Client) -> None:
    countries = (await ask(client, "/api/v1/electricity"))["items"]

    assert len(countries) >= 40
    assert all(2020 <= each["year"] <= 2026 and each["source"] and each["usd_per_kwh"] > 0 for each in countries)


# Offers --------------------------------------------------------------------------------------------------------------


async def test_offers_say_what_was_published_and_what_it_is_in_dollars(client: Client) -> None:
    (offer,) = (await ask(client, "/api/v1/offers", provider="cloud", gpu="H200 SXM"))["items"]

    assert (offer["price_per_hour"], offer["currency"]) == (24.0, "EUR")
    assert offer["usd_per_hour"] != 24.0
    assert offer["source"] == "live"


async def test_offers_leave_out_only_what_they_are_told_to(client: Client) -> None:
    everything = (await ask(client, "/api/v1/offers"))["items"]
    reserved = (await ask(client, "/api/v1/offers", provider="cloud", pricing="reserved"))["items"]

    assert len(everything) == (await ask(client, "/api/v1/ranking"))["market"]["offers"]
    assert [offer["instance_type"] for offer in reserved] == ["r.8x"]


async def test_the_pages_of_offers_join_to_the_whole(client: Client) -> None:
    whole = (await ask(client, "/api/v1/offers"))["items"]

    pages, cursor = [], None
    while True:
        page = await ask(client, "/api/v1/offers", limit=100, **({"cursor": cursor} if cursor else {}))
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == whole


async def test_offers_as_csv_are_the_same_rows(client: Client) -> None:
    response = await client.get("/api/v1/offers?provider=cloud", headers={"Accept": "text/csv"})

    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    asked = (await ask(client, "/api/v1/offers", provider="cloud"))["items"]
    assert response.headers["content-type"].startswith("text/csv")
    assert [row["instance_type"] for row in rows] == [offer["instance_type"] for offer in asked]
    assert rows[0]["observed_at"] == "2026-11-24T11:00:00Z"


async def test_offers_as_parquet_are_the_same_rows(client: Client) -> None:
    from pyarrow import parquet

    response = await client.get("/api/v1/offers", headers={"Accept": "application/vnd.apache.parquet"})

    table = parquet.read_table(io.BytesIO(response.content))
    asked = (await ask(client, "/api/v1/offers"))["items"]
    assert table.column("usd_per_hour").to_pylist() == [offer["usd_per_hour"] for offer in asked]
    assert str(table.schema.field("observed_at").type) == "timestamp[us, tz=UTC]"


async def test_a_form_that_cannot_be_given_is_refused_with_those_that_can(client: Client) -> None:
    response = await client.get("/api/v1/offers", headers={"Accept": "image/png"})

    assert response.status_code == 406
    assert "text/csv" in response.json()["detail"]


# Where prices come from ----------------------------------------------------------------------------------------------


async def test_every_provider_says_how_it_does_and_what_it_needs(client: Client) -> None:
    providers = {each["slug"]: each for each in (await ask(client, "/api/v1/providers"))["items"]}

    assert providers["bundled"]["state"] == "ok"
    assert providers["bundled"]["offers"] >= 250
    assert (providers["lambda"]["state"], providers["lambda"]["needs"]) == ("off", "LAMBDA_API_KEY")
    assert (providers["oracle"]["state"], providers["oracle"]["last_run"]) == ("stale", None)


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ({"at": NOON - timedelta(hours=1)}, "ok"),
        ({"at": NOON - timedelta(days=3)}, "stale"),
        ({"at": NOON, "error_kind": "provider_unavailable", "error": "no answer"}, "failing"),
        ({"at": NOON, "error_kind": "credentials_refused", "error": "refused"}, "off"),
        ({"at": NOON, "set_aside": "fewer than half"}, "failing"),
    ],
)
async def test_a_provider_is_ok_stale_failing_or_off_by_its_last_run(
    fresh_database: Database, fresh_database_url: str, data_dir: Path, run: dict[str, Any], state: str
) -> None:
    async with fresh_database.sessions.begin() as session:
        await store.save_run(session, collected_run(collector="oracle", **run))

    async with client_of(fresh_database_url, data_dir) as client:
        providers = {each["slug"]: each for each in (await ask(client, "/api/v1/providers"))["items"]}

    assert providers["oracle"]["state"] == state


async def test_a_collection_is_started_and_its_link_tells_how_it_went(client: Client) -> None:
    started = await client.post("/api/v1/providers/bundled/collect", headers=WITH_KEY)

    link = started.headers["location"]
    async with patience():
        while (run := await ask(client, link))["state"] == "running":
            pass
    assert started.status_code == 202
    assert started.json()["url"] == link
    assert (run["provider"], run["state"]) == ("bundled", "ok")


async def test_a_run_that_is_under_way_says_so(client: Client, shop: Database) -> None:
    async with shop.sessions.begin() as session:
        run_id = await store.reserve_run(session)

        under_way = await ask(client, f"/api/v1/runs/{run_id}")

    assert under_way["state"] == "running"
    assert (await client.get(f"/api/v1/runs/{run_id}")).status_code == 404


async def test_nobody_collects_twice_at_once(client: Client, shop: Database) -> None:
    async with shop.sessions.begin() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(29295, hashtext('bundled'))"))

        response = await client.post("/api/v1/providers/bundled/collect", headers=WITH_KEY)

    assert response.status_code == 409


async def test_a_collection_from_nobody_is_not_found(client: Client) -> None:
    response = await client.post("/api/v1/providers/lamda/collect", headers=WITH_KEY)

    assert response.status_code == 404
    assert "lambda" in response.json()["detail"]


async def test_what_was_set_aside_is_listed_with_its_reason(client: Client) -> None:
    (rejection,) = (await ask(client, "/api/v1/rejections", reason="unknown_gpu"))["items"]

    assert rejection["detail"] == "nobody knows 'Z9000'"
    assert rejection["offer"]["gpu"] == "Z9000"


async def test_the_pages_of_runs_join_newest_first(client: Client) -> None:
    whole = (await ask(client, "/api/v1/runs"))["items"]

    first = await ask(client, "/api/v1/runs", limit=1)
    second = await ask(client, "/api/v1/runs", limit=1, cursor=first["next_cursor"])

    assert first["items"] + second["items"] == whole[:2]
    assert whole[0]["id"] > whole[1]["id"]


@pytest.mark.parametrize("query", ["provider=nobody", "cursor=nonsense", "limit=0"])
async def test_lists_of_runs_refuse_what_cannot_be_meant(client: Client, query: str) -> None:
    response = await client.get(f"/api/v1/runs?{query}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("run", ["0", "-1", "first", "١", "9" * 19, "9" * 5000], ids=lambda run: run[:20])
async def test_no_run_has_such_an_id(client: Client, run: str) -> None:
    response = await client.get("/api/v1/rejections", params={"run": run})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "run"


# Caching and health --------------------------------------------------------------------------------------------------


async def test_an_answer_is_not_sent_again_until_prices_change(
    fresh_database: Database, fresh_database_url: str, data_dir: Path
) -> None:
    async with client_of(fresh_database_url, data_dir) as client:
        tag = (await client.get("/api/v1/ranking")).headers["etag"]
        held = {"If-None-Match": tag}
        same = await client.get("/api/v1/ranking", headers=held)
        other_question = await client.get("/api/v1/ranking?sort=days", headers=held)
        await fill(fresh_database, NOON)
        await client.app.state.services.markets.refresh()
        other_prices = await client.get("/api/v1/ranking", headers=held)

    assert (same.status_code, same.content) == (304, b"")
    assert other_question.status_code == other_prices.status_code == 200
    assert other_prices.headers["etag"] != tag


@pytest.mark.parametrize("path", ["/api/v1/ranking", "/api/v1/offers", "/api/v1/gpus", "/api/v1/gpus/T4", "/"])
async def test_whatever_depends_on_prices_can_be_cached(client: Client, path: str) -> None:
    tag = (await client.get(path)).headers["etag"]

    assert (await client.get(path, headers={"If-None-Match": f'"other", {tag}'})).status_code == 304


async def test_an_error_is_never_cached(client: Client) -> None:
    response = await client.get("/api/v1/ranking?country=Spain")

    assert "etag" not in response.headers
    assert response.headers["cache-control"] == "no-store"


async def test_prices_written_by_another_process_are_ranked(
    fresh_database: Database, fresh_database_url: str, data_dir: Path
) -> None:
    async with client_of(fresh_database_url, data_dir) as client:
        before = (await ask(client, "/api/v1/ranking"))["market"]["offers"]
        await fill(fresh_database, NOON)
        async with patience():
            while (after := (await ask(client, "/api/v1/ranking"))["market"]["offers"]) == before:
                pass

    assert after == before + len(offers(NOON))


async def test_a_ranking_needs_no_database_and_what_needs_one_says_so(
    database: Database, fresh_database_url: str, data_dir: Path
) -> None:
    async with client_of(fresh_database_url, data_dir) as client:
        name = fresh_database_url.partition("?")[0].rpartition("/")[2]
        async with database.engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            await outside.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )
        ranking = await client.get("/api/v1/ranking")
        providers = await client.get("/api/v1/providers")
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")

    assert (ranking.status_code, live.status_code) == (200, 200)
    assert (providers.status_code, ready.status_code) == (503, 503)
    assert providers.headers["content-type"].startswith("application/problem+json")


async def test_readiness_tells_the_age_of_prices(client: Client) -> None:
    ready = await ask(client, "/health/ready")

    assert ready["newest_price_age_s"] == 3600.0
    assert ready["market"]["offers"] > 250


async def test_requests_are_counted_for_prometheus(client: Client) -> None:
    metrics = await client.get("/metrics")

    assert metrics.headers["content-type"].startswith("text/plain")
    assert "rig_or_rent_requests_total" in metrics.text


@pytest.mark.parametrize("path", ["/", "/api/v1/ranking", "/health/ready", "/nothing"])
async def test_head_is_answered_as_get_without_content(client: Client, path: str) -> None:
    got, head = await client.get(path), await client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers.get("content-type") == got.headers.get("content-type")


@pytest.mark.parametrize("path", ["/", "/api", "/option?option=none", "/api/v1/ranking", "/nothing", "/metrics"])
async def test_every_answer_tells_the_browser_what_it_may_not_do(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


# The description -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="description")
def _description() -> dict[str, Any]:
    return description()


def test_the_api_is_as_it_was_promised(description: dict[str, Any]) -> None:
    if os.environ.get("WRITE_OPENAPI"):
        PROMISE.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    promised = json.loads(PROMISE.read_text(encoding="utf-8"))

    assert description == promised, (
        "The API differs from tests/openapi.json. A field that was added is a decision: write the file anew with"
        " WRITE_OPENAPI=1 in the environment, and say in the commit why. A field that is gone breaks"
        " somebody's program."
    )


def test_every_call_and_every_parameter_is_explained(description: dict[str, Any]) -> None:
    calls = [call for path in description["paths"].values() for call in path.values()]

    assert all(call["summary"] and call["tags"] for call in calls)
    assert all(parameter["description"] for call in calls for parameter in call.get("parameters", ()))


def test_the_description_and_the_pages_load_nothing_from_elsewhere(description: dict[str, Any]) -> None:
    assert "cdn" not in json.dumps(description)


async def test_every_example_of_a_body_is_answered(client: Client, description: dict[str, Any]) -> None:
    for path, call in description["paths"].items():
        if "requestBody" in call.get("post", {}):
            example = call["post"]["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
            response = await client.post(path, json=example, headers=WITH_KEY)
            assert response.status_code < 300, (path, response.text)
