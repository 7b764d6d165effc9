"""Prices of the past: from a file, as rankings of a day, and over time as JSON, CSV and Parquet."""

from __future__ import annotations

import csv
import io
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from builders import NOON, collected_run, observation
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import AsyncTestClient
from serving import client_of, copy_of
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from providers.gpurentalprices import ATTRIBUTION
from service import catalogue, store
from service.collect import Imported, NoHistory, import_history
from service.collect.history import History, believed, read_history, spans_of
from service.database import Database
from service.market import Market, load_market

Client = AsyncTestClient[Litestar]
Sessions = async_sessionmaker[AsyncSession]

HEADER = "date,provider,gpu,vram_gb,usd_hr,kind,min_gpus,fetched_date"
DAY = timedelta(days=1)
TODAY = NOON.date()


def table(*rows: str) -> str:
    return "\n".join([HEADER, *rows])


def at_noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


async def imported(sessions: Sessions, *rows: str) -> Imported:
    return await import_history(table(*rows), sessions=sessions, catalogue=catalogue.load(), now=NOON)


async def market_at(sessions: Sessions, day: str) -> Market:
    async with sessions() as session:
        return await load_market(await session.connection(), catalogue.load(), at_noon(day))


async def dollars_at(sessions: Sessions, day: str) -> dict[str, float]:
    return {offer.provider: offer.usd_per_hour for offer in (await market_at(sessions, day)).offers.rows}


JULY = (
    "2026-07-05,cloud,h100-sxm,80,2.00,on-demand,,",
    "2026-07-06,cloud,h100-sxm,80,2.00,on-demand,,",
    "2026-07-07,cloud,h100-sxm,80,2.50,on-demand,,",
    "2026-07-07,other,h100-sxm,80,3.00,on-demand,,",
    "2026-07-08,other,h100-sxm,80,3.00,on-demand,,",
)


# Reading a file ------------------------------------------------------------------------------------------------------


def test_a_row_is_an_offer_of_its_day() -> None:
    history = read_history(table("2026-07-05,datacrunch,a100-sxm-80,80,1.29,spot,8,2026-07-04"), TODAY)

    (past,) = history.offers
    assert past.day == date(2026, 7, 5)
    assert (past.offer.provider, past.offer.gpu_count, past.offer.price_per_hour) == ("verda", 8, Decimal("10.32"))
    assert (past.offer.pricing, past.offer.observed_at) == ("spot", datetime.fromisoformat("2026-07-04T00:00:00+00:00"))


def test_what_rents_no_machine_is_left_out_and_counted() -> None:
    history = read_history(
        table("2026-07-05,modal,h100,80,3.95,serverless,,", "2026-07-05,gcp,l4,24,0.56,on-demand,,", *JULY), TODAY
    )

    assert (history.left_out, len(history.offers)) == (2, 5)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("5 July,cloud,h100,80,2.00,on-demand,,", "date must be a day"),
        ("2027-01-01,cloud,h100,80,2.00,on-demand,,", "date must not be after 2026-11-24"),
        ("2026-07-05,,h100,80,2.00,on-demand,,", "provider is empty"),
        ("2026-07-05,cloud,,80,2.00,on-demand,,", "gpu is empty"),
        ("2026-07-05,cloud,h100,80,free,on-demand,,", "usd_hr must be a number, not 'free'"),
        ("2026-07-05,cloud,h100,80,-1,on-demand,,", "usd_hr must be a number above 0"),
        ("2026-07-05,cloud,h100,80,NaN,on-demand,,", "usd_hr must be a number above 0"),
        ("2026-07-05,cloud,h100,80,1e99,on-demand,,", "usd_hr must be a number above 0"),
        ("2026-07-05,cloud,h100,80,2.00,leased,,", "kind must be one of"),
        ("2026-07-05,cloud,h100,80,2.00,on-demand,many,", "min_gpus must be a number"),
        ("2026-07-05,cloud,h100,80,2.00,on-demand,,2026-07-06", "fetched_date must not be after 2026-07-05"),
        ("2026-07-05,cloud", "kind is empty"),
    ],
)
def test_a_row_that_can_not_be_read_is_named_by_its_line(row: str, said: str) -> None:
    history = read_history(table(JULY[0], row, JULY[1]), TODAY)

    ((line, message),) = history.bad_rows
    assert (line, len(history.offers)) == (3, 2)
    assert said in message


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "<html>", '{"offers": []}'])
def test_a_file_without_the_columns_is_no_history(content: str) -> None:
    with pytest.raises(NoHistory, match="needed are date, provider"):
        read_history(content, TODAY)


@hypothesis.settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet='2026-07,"\n\r\x00abch10. ', max_size=40), max_size=5))
def test_whatever_a_file_says_every_row_is_read_left_out_or_named(rows: list[str]) -> None:
    try:
        history = read_history(table(*rows), TODAY)
    except NoHistory:
        return
    believed(history, catalogue.load(), "https://prices.example", "somebody", NOON)


# Remembering it ------------------------------------------------------------------------------------------------------


async def test_a_price_holds_until_it_changes_or_is_gone_and_none_is_current(sessions: Sessions) -> None:
    await imported(sessions, *JULY)

    days = {day: await dollars_at(sessions, f"2026-07-{day:02}") for day in range(4, 10)}
    assert days == {
        4: {},
        5: {"cloud": 2.0},
        6: {"cloud": 2.0},
        7: {"cloud": 2.5, "other": 3.0},
        8: {"other": 3.0},
        9: {},
    }


async def test_prices_change_by_change_with_their_dates(sessions: Sessions) -> None:
    done = await imported(sessions, *JULY)

    async with sessions() as session:
        prices = (await session.scalars(select(store.Price).order_by(store.Price.first_seen, store.Price.id))).all()
    assert (done.opened, done.providers, done.first_day, done.last_day) == (3, 2, date(2026, 7, 5), date(2026, 7, 8))
    assert [(p.first_seen.day, p.last_seen.day, p.closed_at.day) for p in prices if p.closed_at] == [
        (5, 6, 7),
        (7, 7, 8),
        (7, 8, 9),
    ]


async def test_every_price_of_the_past_says_whose_word_it_is(sessions: Sessions) -> None:
    await imported(sessions, *JULY)

    for offer in (await market_at(sessions, "2026-07-07")).offers.rows:
        assert (offer.source, offer.source_url) == ("history", "https://gpurentalprices.com")
        assert offer.attribution == ATTRIBUTION
        assert "CC BY 4.0" in ATTRIBUTION


async def test_a_price_that_was_carried_forward_is_as_old_as_it_is(sessions: Sessions) -> None:
    await imported(
        sessions,
        "2026-07-05,cloud,h100-sxm,80,2.00,on-demand,,",
        "2026-07-06,cloud,h100-sxm,80,2.00,on-demand,,2026-07-05",
        "2026-07-07,cloud,h100-sxm,80,2.00,on-demand,,2026-07-05",
    )

    (offer,) = (await market_at(sessions, "2026-07-07")).offers.rows
    assert offer.observed_at.day == 5
    assert offer.stale


async def test_the_same_file_again_changes_nothing(sessions: Sessions) -> None:
    await imported(sessions, *JULY)
    again = await imported(sessions, *JULY)

    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(store.Price)) == 3
    assert again.opened == 0


async def test_files_that_overlap_are_one_past(sessions: Sessions) -> None:
    await imported(sessions, *JULY[1:3])
    await imported(sessions, *JULY)

    assert await dollars_at(sessions, "2026-07-05") == {"cloud": 2.0}
    assert await dollars_at(sessions, "2026-07-06") == {"cloud": 2.0}
    assert await dollars_at(sessions, "2026-07-07") == {"cloud": 2.5, "other": 3.0}


@hypothesis.settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["2.00", "2.50", "3.00"])), max_size=12),
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["2.00", "2.50", "3.00"])), max_size=12),
)
def test_no_two_prices_of_one_thing_hold_at_once(first: list[tuple[int, str]], second: list[tuple[int, str]]) -> None:
    held: dict[Any, list[store.Held]] = {}
    spans: list[store.Span] = []
    for days in (first, second):
        by_day, _ = believed(_read_days(dict(days)), catalogue.load(), "https://prices.example", "somebody", NOON)
        new = list(spans_of(by_day, held)) if by_day else []
        spans += new
        for span in new:
            held.setdefault(span.seen.key, []).append(store.Held(span.seen.observed_at, span.closed_at))

    in_order = sorted(spans, key=lambda span: span.seen.observed_at)
    assert all(span.seen.observed_at <= span.last_seen <= span.closed_at for span in spans)
    assert all(one.closed_at <= other.seen.observed_at for one, other in itertools.pairwise(in_order))


def _read_days(prices: dict[int, str]) -> History:
    rows = [f"2026-07-{day:02},cloud,h100-sxm,80,{usd},on-demand,," for day, usd in prices.items()]
    return read_history(table(*rows), TODAY)


async def test_prices_of_now_are_not_disturbed(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await store.save_run(session, collected_run([observation(collector="gpurentalprices", source="catalogue")]))
    before = await market_at(sessions, "2026-11-24")

    await imported(sessions, *JULY)

    after = await market_at(sessions, "2026-11-24")
    assert [row.id for row in before.offers.rows] == [row.id for row in after.offers.rows]
    assert before.version == after.version


async def test_a_live_price_of_that_day_hides_what_a_file_says_of_its_provider(sessions: Sessions) -> None:
    july = at_noon("2026-07-06")
    async with sessions.begin() as session:
        seen = observation(collector="cloud", usd="9.00", observed_at=july)
        await store.save_run(session, collected_run([seen], at=july))

    await imported(sessions, *JULY)

    assert await dollars_at(sessions, "2026-07-05") == {"cloud": 2.0}
    assert await dollars_at(sessions, "2026-07-07") == {"cloud": 9.0, "other": 3.0}


async def test_what_can_not_be_true_is_set_aside_with_its_reason(sessions: Sessions) -> None:
    done = await imported(
        sessions,
        *JULY,
        "2026-07-05,cloud,h9000,80,2.00,on-demand,,",
        "2026-07-06,cloud,h9000,80,2.00,on-demand,,",
        "2026-07-06,cloud,rtx-4090,24,99,on-demand,,",
    )

    async with sessions() as session:
        page = await store.rejections(session, run_id=done.run_id)
    assert sorted(rejection.reason for rejection in page.items) == ["implausible", "unknown_gpu"]


# The command ---------------------------------------------------------------------------------------------------------


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_file_becomes_the_past_of_a_new_installation(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(table(*JULY, "2026-07-08,other,h100-sxm,80,cheap,on-demand,,"), encoding="utf-8")

    done = run(environment, "import-history", str(file))
    again = run(environment, "import-history", str(file), "--json")
    ranked = run(environment, "rank", "--as-of", "2026-07-07", "--rig", "none", "--gpu", "H100 SXM", "--json")

    assert done.returncode == 0, done.stderr
    assert "3 prices of the past are new, of 2 providers from 2026-07-05 to 2026-07-08" in done.stdout
    assert "history.csv: line 7: usd_hr must be a number, not 'cheap'" in done.stderr
    assert json.loads(again.stdout)["opened"] == 0
    offers = {option["offer"]["provider"]: option["offer"] for option in json.loads(ranked.stdout)["options"]}
    assert offers["cloud"]["source"] == "history"
    assert offers["cloud"]["attribution"] == ATTRIBUTION


def test_a_file_that_is_no_history_is_refused_in_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")

    done = run(environment, "import-history", str(file))

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no column 'date'" in done.stderr


# Over time -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def past(database: Database, pristine: str) -> AsyncIterator[Database]:
    """A database of this module alone: a file of July, then live prices of two currencies since November."""
    async with copy_of(database, pristine, "past") as copied:
        await import_history(table(*JULY), sessions=copied.sessions, catalogue=catalogue.load(), now=NOON)
        for days, usd in ((3, "4.00"), (1, "5.00")):
            at = NOON - days * DAY
            seen = [
                observation("h100.1x", usd, region="us-1", observed_at=at),
                observation("h100.8x", "16.00", gpu_count=8, currency="EUR", observed_at=at),
                observation("t4.1x", "0.20", gpu="T4", gpu_memory_gb=16.0, observed_at=at),
            ]
            async with copied.sessions.begin() as session:
                await store.save_run(session, collected_run(seen, at=at))
        listed = observation("listed", "9.00", collector="list", provider="cloud", source="catalogue")
        async with copied.sessions.begin() as session:
            await store.save_run(session, collected_run([listed], at=NOON))
        yield copied


@pytest.fixture(scope="module")
async def client(database: Database, past: Database, data_dir: Path) -> AsyncIterator[Client]:
    async with client_of(database.url("past"), data_dir) as client:
        yield client


async def asked(client: Client, **parameters: Any) -> Any:
    response = await client.get("/api/v1/prices", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


async def test_each_day_and_gpu_has_minimum_median_and_count_newest_first(client: Client) -> None:
    rows = (await asked(client, gpu="H100 SXM", provider="cloud"))["items"]

    assert [row["date"] for row in rows] == ["2026-11-24", "2026-11-23", "2026-11-22", "2026-11-21"]
    newest, oldest = rows[0], rows[-1]
    assert newest == {
        "date": "2026-11-24",
        "gpu": "H100 SXM",
        "minimum": pytest.approx(2 * 1.1206),  # 16 euros for 8 GPUs
        "median": pytest.approx((2 * 1.1206 + 5) / 2),
        "count": 2,
    }
    assert (oldest["minimum"], oldest["median"]) == (pytest.approx(2 * 1.1206), pytest.approx((2 * 1.1206 + 4) / 2))


async def test_the_days_of_a_file_are_days_like_others(client: Client) -> None:
    rows = (await asked(client, since="2026-07-01", until="2026-07-31", provider=["cloud", "other"]))["items"]

    assert [(row["date"], row["minimum"], row["median"], row["count"]) for row in rows] == [
        ("2026-07-08", 3.0, 3.0, 1),
        ("2026-07-07", 2.5, 2.75, 2),
        ("2026-07-06", 2.0, 2.0, 1),
        ("2026-07-05", 2.0, 2.0, 1),
    ]


async def test_a_day_is_the_ranking_of_that_day(client: Client) -> None:
    for day in ("2026-07-07", "2026-11-22"):
        (row,) = (await asked(client, gpu="H100 SXM", since=day, until=day))["items"]
        offered = await client.get("/api/v1/offers", params={"gpu": "H100 SXM", "as_of": day})
        offers = offered.json()["items"]

        assert row["count"] == len(offers)
        assert row["minimum"] == pytest.approx(min(offer["usd_per_hour"] / offer["gpu_count"] for offer in offers))


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"provider": "cloud"}, 3),
        ({"provider": "other"}, None),
        ({"region": "us-1"}, 1),
        ({"provider": "cloud", "pricing": "spot"}, None),
        ({"provider": "cloud", "gpu": "T4"}, 1),
        ({"provider": "cloud", "gpu": "t4", "pricing": "on_demand"}, 1),
    ],
)
async def test_filters_keep_what_they_say(client: Client, filters: dict[str, str], count: int | None) -> None:
    rows = (await asked(client, since="2026-11-24", **filters))["items"]

    assert sum(row["count"] for row in rows) == (count or 0)


async def test_one_offer_has_its_prices_newest_first(client: Client) -> None:
    offers = (await client.get("/api/v1/offers", params={"provider": "cloud"})).json()["items"]
    (offer,) = [offer for offer in offers if offer["instance_type"] == "h100.1x"]

    rows = (await asked(client, id=offer["id"]))["items"]

    assert [(row["usd_per_hour"], row["closed_at"]) for row in rows] == [(5.0, None), (4.0, "2026-11-23T12:00:00Z")]
    assert {row["id"] for row in rows} == {offer["id"]}
    assert (rows[0]["provider"], rows[0]["gpu"], rows[0]["source"]) == ("cloud", "H100 SXM", "live")


async def test_an_offer_that_is_gone_keeps_its_past_and_its_attribution(client: Client) -> None:
    then = (await client.get("/api/v1/offers", params={"as_of": "2026-07-05"})).json()["items"]
    (gone,) = [offer["id"] for offer in then if offer["source"] == "history"]

    first, second = (await asked(client, id=gone))["items"]

    assert (first["usd_per_gpu_hour"], second["usd_per_gpu_hour"]) == (2.5, 2.0)
    assert first["attribution"] == ATTRIBUTION


async def test_pages_join_without_gap_or_repetition(client: Client) -> None:
    whole = (await asked(client, since="2026-07-01", provider="cloud"))["items"]

    pages, cursor = [], None
    while True:
        page = await asked(
            client, since="2026-07-01", provider="cloud", limit=3, **({"cursor": cursor} if cursor else {})
        )
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert pages == whole
    assert len(whole) > 6


async def test_prices_as_csv_are_the_same_rows(client: Client) -> None:
    question = {"since": "2026-07-01", "provider": "cloud"}
    rows = (await asked(client, **question))["items"]

    response = await client.get("/api/v1/prices", params=question, headers={"Accept": "text/csv"})

    read = list(csv.DictReader(io.StringIO(response.text)))
    assert [(row["date"], row["gpu"], float(row["median"]), int(row["count"])) for row in read] == [
        (row["date"], row["gpu"], row["median"], row["count"]) for row in rows
    ]


@pytest.mark.parametrize("one", [False, True])
async def test_prices_as_parquet_are_the_same_rows(client: Client, one: bool) -> None:
    from pyarrow import parquet

    offers = (await client.get("/api/v1/offers")).json()["items"]
    parameters = {"id": offers[0]["id"]} if one else {"since": "2026-07-01", "provider": "cloud"}
    rows = (await asked(client, **parameters))["items"]

    response = await client.get(
        "/api/v1/prices", params=parameters, headers={"Accept": "application/vnd.apache.parquet"}
    )

    read = parquet.read_table(io.BytesIO(response.content)).to_pylist()
    assert len(read) == len(rows)
    assert set(read[0]) == set(rows[0])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"id": "nonsense"}, "id"),
        ({"id": "0123456789ab"}, "id"),
        ({"gpu": "H9000"}, "gpu"),
        ({"provider": "nobody"}, "provider"),
        ({"region": "nowhere"}, "region"),
        ({"pricing": "gift"}, "pricing"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"since": "2026-11-20", "until": "2026-11-10"}, "since"),
        ({"since": "2020-01-01"}, "since"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
    ],
)
async def test_what_can_not_be_meant_is_refused(client: Client, parameters: dict[str, str], field: str) -> None:
    response = await client.get("/api/v1/prices", params=parameters)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_file_of_the_past_is_seen_by_who_holds_an_older_answer(client: Client, past: Database) -> None:
    question = {"since": "2026-07-01", "until": "2026-07-31", "provider": "cloud"}
    first = await client.get("/api/v1/prices", params=question)
    same = await client.get("/api/v1/prices", params=question, headers={"If-None-Match": first.headers["etag"]})

    await import_history(
        table("2026-07-20,cloud,h100-sxm,80,2.75,on-demand,,"),
        sessions=past.sessions,
        catalogue=catalogue.load(),
        now=NOON,
    )
    await client.app.state.services.markets.refresh()

    changed = await client.get("/api/v1/prices", params=question, headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, changed.status_code) == (304, 200)
    assert len(changed.json()["items"]) == len(first.json()["items"]) + 1
