"""What the store remembers of runs: prices with their dates, nothing overwritten, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import NOON, collected_run, observation, offer, rejection
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from providers.base import PurchaseOption
from service import store
from service.checks import LastPrice
from service.database import Database
from service.store import Price, Run, Sku, StoredRejection
from service.store.prices import NUMBERS, TEXTS

HOUR = timedelta(hours=1)
SEEN_AT = ("first_seen", "last_seen")
DAY = timedelta(days=1)


async def see(session: AsyncSession, at: datetime, **usd: float | str) -> store.StoredRun:
    """A believed run in which these instance types had these prices."""
    seen = [observation(instance_type, price, observed_at=at) for instance_type, price in usd.items()]
    return await store.save_run(session, collected_run(seen, at=at))


async def prices_at(session: AsyncSession, at: datetime) -> Mapping[str, float]:
    prices = await store.current_prices(session, at)
    return dict(zip(prices.instance_type, prices.price_per_hour.tolist(), strict=True))


async def ids_at(session: AsyncSession, at: datetime) -> Mapping[str, str]:
    prices = await store.current_prices(session, at)
    return dict(zip(prices.instance_type, prices.offer_id, strict=True))


async def only_price(session: AsyncSession, at: datetime) -> SimpleNamespace:
    """The one that is current, with what is missing as None and its times as times."""
    prices = await store.current_prices(session, at)
    assert len(prices) == 1
    found = {name: getattr(prices, name)[0] or None for name in TEXTS}
    found |= {name: None if np.isnan(getattr(prices, name)[0]) else getattr(prices, name)[0] for name in NUMBERS}
    return SimpleNamespace(**found | {name: datetime.fromtimestamp(found[name], UTC) for name in SEEN_AT})


async def count(session: AsyncSession, table: type[store.Table]) -> int:
    return await session.scalar(select(func.count()).select_from(table)) or 0


# Seen, seen again, changed -------------------------------------------------------------------------------------------


async def test_an_observation_comes_back_as_it_was_seen(session: AsyncSession) -> None:
    seen = observation(
        "p5.48xlarge",
        "31.4641234567",
        collector="skypilot",
        provider="aws",
        seller="somebody",
        gpu="A100 SXM 80GB",
        gpu_count=8,
        gpu_memory_gb=80.0,
        region="us-east-1",
        country="US",
        tier="secure",
        pricing=PurchaseOption.RESERVED,
        term_months=12,
        currency="EUR",
        available=False,
        observed_at=NOON - DAY,
        source="catalogue",
        source_url="https://prices.example",
        count_is_derived=True,
        upfront=Decimal("120000.5"),
        vcpus=192.0,
        host_memory_gb=2048.0,
        disk_gb=30_720.0,
        interconnect="nvlink",
        network_gbit_s=3200.0,
        attribution="prices by somebody, CC BY 4.0",
    )

    await store.save_run(session, collected_run([seen]))

    price = await only_price(session, NOON)
    told = [name for name in seen.__slots__ if hasattr(price, name)]
    assert {name: getattr(price, name) for name in told} == {
        name: float(value) if isinstance(value := getattr(seen, name), Decimal) else value for name in told
    }
    assert (price.first_seen, price.last_seen) == (NOON - DAY, NOON - DAY)
    assert await session.scalar(select(Price.price_per_hour)) == seen.price_per_hour


async def test_a_price_seen_again_is_the_same_price_for_longer(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    again = await see(session, NOON + HOUR, small="2.00")

    price = await only_price(session, NOON + HOUR)
    assert (again.opened, again.closed, again.extended) == (0, 0, 1)
    assert (price.first_seen, price.last_seen) == (NOON, NOON + HOUR)


async def test_another_price_closes_the_old_one_and_keeps_it(session: AsyncSession) -> None:
    await see(session, NOON, small=2, large=9)
    changed = await see(session, NOON + HOUR, small=3, large=9)

    assert (changed.opened, changed.closed, changed.extended) == (1, 1, 1)
    assert await prices_at(session, NOON + HOUR) == {"small": 3, "large": 9}
    assert await prices_at(session, NOON + HOUR - timedelta(microseconds=1)) == {"small": 2, "large": 9}
    assert await prices_at(session, NOON - HOUR) == {}


async def test_another_currency_is_another_price(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation(currency="USD")]))
    changed = await store.save_run(session, collected_run([observation(currency="EUR")], at=NOON + HOUR))

    assert (changed.opened, changed.closed) == (1, 1)
    assert (await only_price(session, NOON + HOUR)).currency == "EUR"


async def test_availability_is_news_but_no_new_price(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation(available=True)]))
    later = observation(available=False, observed_at=NOON + HOUR)
    again = await store.save_run(session, collected_run([later], at=NOON + HOUR))

    assert (again.opened, again.closed, again.extended) == (0, 0, 1)
    assert (await only_price(session, NOON + HOUR)).available == 0


async def test_what_is_said_about_a_sku_may_change_without_its_price(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation(source_url="https://old.example", country=None)]))
    later = observation(source_url="https://new.example", country="FR", observed_at=NOON + HOUR)
    await store.save_run(session, collected_run([later], at=NOON + HOUR))

    price = await only_price(session, NOON + HOUR)
    assert (price.source_url, price.country, price.first_seen) == ("https://new.example", "FR", NOON)


async def test_more_to_pay_at_the_start_is_another_price(session: AsyncSession) -> None:
    reserved: dict[str, Any] = {"pricing": PurchaseOption.RESERVED, "term_months": 12}
    await store.save_run(session, collected_run([observation(**reserved, upfront=Decimal(1000))]))
    later = observation(**reserved, upfront=Decimal(2000), observed_at=NOON + HOUR)
    changed = await store.save_run(session, collected_run([later], at=NOON + HOUR))

    assert (changed.opened, changed.closed) == (1, 1)
    assert (await only_price(session, NOON)).upfront == 1000


async def test_the_same_thing_sold_has_the_same_id_whatever_it_costs(session: AsyncSession) -> None:
    await see(session, NOON, small=2, large=9)
    before = await ids_at(session, NOON)
    await see(session, NOON + HOUR, small=3, large=9)

    after = await ids_at(session, NOON + HOUR)
    assert before == after
    assert len(set(after.values())) == 2
    assert all(len(offer_id) == 12 for offer_id in after.values())


@pytest.mark.parametrize(
    "difference",
    [
        {"provider": "other"},
        {"seller": "somebody"},
        {"gpu": "H200 SXM"},
        {"gpu_count": 8},
        {"region": "eu-west-1"},
        {"tier": "community"},
        {"pricing": PurchaseOption.SPOT},
        {"pricing": PurchaseOption.RESERVED, "term_months": 36},
    ],
    ids=lambda difference: "+".join(difference),
)
async def test_whatever_tells_two_skus_apart_keeps_their_prices_apart(
    session: AsyncSession, difference: dict[str, Any]
) -> None:
    one, other = observation(usd=2), observation(usd=3, **difference)

    await store.save_run(session, collected_run([one, other]))
    again = await store.save_run(session, collected_run([one, other]))

    assert again.opened == 0
    assert sorted((await store.current_prices(session, NOON)).price_per_hour) == [2, 3]


async def test_collectors_do_not_touch_each_other(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation("same", 2, collector="one")]))
    for _ in range(4):
        await store.save_run(session, collected_run([observation("same", 3, collector="two", provider="one")]))

    assert sorted((await store.current_prices(session, NOON)).price_per_hour) == [2, 3]


# Missed --------------------------------------------------------------------------------------------------------------


async def test_a_sku_is_closed_by_the_third_believed_run_without_it(session: AsyncSession) -> None:
    await see(session, NOON, small=2, large=9)
    closed = [(await see(session, NOON + hours * HOUR, large=9)).closed for hours in (1, 2, 3, 4)]

    assert closed == [0, 0, 1, 0]
    assert await prices_at(session, NOON + 2 * HOUR) == {"small": 2, "large": 9}
    assert await prices_at(session, NOON + 3 * HOUR) == {"large": 9}


async def test_a_sku_seen_again_in_time_was_never_gone(session: AsyncSession) -> None:
    await see(session, NOON, small=2, large=9)
    for hours in (1, 2, 4, 5):
        await see(session, NOON + hours * HOUR, large=9)
        if hours == 2:
            await see(session, NOON + 3 * HOUR, small=2, large=9)

    assert await prices_at(session, NOON + 5 * HOUR) == {"small": 2, "large": 9}
    assert await count(session, Price) == 2


async def test_what_comes_back_after_it_was_closed_has_a_gap_in_its_history(session: AsyncSession) -> None:
    await see(session, NOON, small=2, large=9)
    for hours in (1, 2, 3):
        await see(session, NOON + hours * HOUR, large=9)
    await see(session, NOON + 5 * HOUR, small=2, large=9)

    assert [("small" in await prices_at(session, NOON + hours * HOUR)) for hours in range(6)] == [
        True, True, True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "unbelieved", [{"set_aside": "too few offers"}, {"error_kind": "payload_changed", "error": "no field price"}]
)
async def test_a_run_that_is_not_believed_changes_no_price(session: AsyncSession, unbelieved: dict[str, Any]) -> None:
    await see(session, NOON, small=2, large=9)
    for hours in range(1, 5):
        run = collected_run([observation("large", 1)], at=NOON + hours * HOUR, **unbelieved)
        stored = await store.save_run(session, run)
        assert (stored.opened, stored.closed, stored.extended) == (0, 0, 0)

    assert await prices_at(session, NOON + 5 * HOUR) == {"small": 2, "large": 9}


# Dates of sources ----------------------------------------------------------------------------------------------------


async def test_a_bundled_price_counts_from_its_own_date(session: AsyncSession) -> None:
    seen = observation(observed_at=NOON - 30 * DAY, source="bundled")

    await store.save_run(session, collected_run([seen]))

    assert len(await store.current_prices(session, NOON - 31 * DAY)) == 0
    assert (await only_price(session, NOON - 30 * DAY)).first_seen == NOON - 30 * DAY


async def test_an_old_observation_moves_no_date_backwards(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    late = observation("small", 2, observed_at=NOON - DAY, available=False)
    stored = await store.save_run(session, collected_run([late], at=NOON + HOUR))

    price = await only_price(session, NOON + HOUR)
    assert stored.extended == 0
    assert (price.first_seen, price.last_seen, price.available) == (NOON, NOON, None)


async def test_another_price_of_an_earlier_date_is_no_news(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    await store.save_run(session, collected_run([observation("small", 5, observed_at=NOON - DAY)], at=NOON + HOUR))

    assert await prices_at(session, NOON + HOUR) == {"small": 2}


async def test_a_correction_of_the_same_date_replaces_the_price_from_that_date_on(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    await see(session, NOON, small=3)

    assert await prices_at(session, NOON) == {"small": 3}
    assert await count(session, Price) == 2


async def test_what_comes_back_with_an_old_date_is_current_from_where_it_was_closed(session: AsyncSession) -> None:
    dated = observation("small", 2, observed_at=NOON - DAY)
    await store.save_run(session, collected_run([dated, observation("large", 9)]))
    for hours in (1, 2, 3):
        await see(session, NOON + hours * HOUR, large=9)
    await store.save_run(session, collected_run([dated, observation("large", 9)], at=NOON + 4 * HOUR))

    assert sorted(await prices_at(session, NOON + 3 * HOUR)) == ["large", "small"]


async def test_as_of_a_day_nothing_was_seen_later_than_that_day(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    await see(session, NOON + 9 * DAY, small=2)

    assert (await only_price(session, NOON + 5 * DAY)).last_seen == NOON + 5 * DAY
    assert (await only_price(session, NOON + 20 * DAY)).last_seen == NOON + 9 * DAY


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_is_told_again_as_it_was(session: AsyncSession, seed: int) -> None:
    chance = random.Random(seed)
    standing: dict[str, int] = {}
    missed: dict[str, int] = {}
    expected: list[dict[str, int]] = []
    for hour in range(14):
        seen = {f"type{n}": chance.randint(1, 2) for n in range(8) if chance.random() < 0.5}
        await see(session, NOON + hour * HOUR, **seen or {"type0": 1})
        missed = {name: missed.get(name, 0) + 1 for name in standing if name not in (seen or {"type0": 1})}
        standing = {name: usd for name, usd in standing.items() if missed.get(name, 0) < 3} | (seen or {"type0": 1})
        expected.append(standing)

    assert [await prices_at(session, NOON + hour * HOUR) for hour in range(14)] == expected


# What the database refuses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"price_per_hour": Decimal(1)}, {"currency": "EUR"}, {"first_seen": NOON - DAY}], ids=lambda c: str(*c)
)
async def test_a_price_is_never_overwritten(session: AsyncSession, change: dict[str, Any]) -> None:
    await see(session, NOON, small=2)

    with pytest.raises(IntegrityError, match="is history"):
        await session.execute(update(Price).values(change))


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (Price, {"last_seen": NOON - DAY}),
        (Price, {"closed_at": NOON - DAY}),
        (Sku, {"gpu_count": 0}),
        (Sku, {"gpu_memory_gb": 0}),
        (Sku, {"seller": ""}),
        (Sku, {"instance_type": ""}),
        (Sku, {"pricing": "gift"}),
        (Sku, {"term_months": 12}),
        (Sku, {"country": "usa"}),
        (Sku, {"source": "rumour"}),
        (Run, {"outcome": "failed"}),
        (Run, {"outcome": "set_aside"}),
        (Run, {"finished_at": NOON - DAY}),
    ],
    ids=str,
)
async def test_the_database_refuses_what_cannot_be(
    session: AsyncSession, table: type[store.Table], change: dict[str, Any]
) -> None:
    await see(session, NOON, small=2)

    with pytest.raises(IntegrityError):
        await session.execute(update(table).values(change))


@pytest.mark.parametrize(
    "price", [{"usd": "0"}, {"usd": "-1"}, {"usd": "NaN"}, {"usd": "Infinity"}, {"currency": "usd"}]
)
async def test_an_amount_is_a_positive_number_of_a_currency(session: AsyncSession, price: dict[str, str]) -> None:
    with pytest.raises(IntegrityError):
        await store.save_run(session, collected_run([observation(**price)]))


async def test_a_sku_has_one_open_price(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    await see(session, NOON + HOUR, small=3)

    with pytest.raises(IntegrityError, match="uq_price_open"):
        await session.execute(update(Price).values(closed_at=None))


async def test_what_is_missing_tells_no_two_skus_apart(session: AsyncSession) -> None:
    await see(session, NOON, small=2)
    columns = "collector, provider, seller, instance_type, gpu, gpu_count, region, tier, pricing, term_months"
    others = "gpu_memory_gb, country, source, source_url, count_is_derived"

    with pytest.raises(IntegrityError, match="uq_sku_key"):
        await session.execute(text(f"INSERT INTO sku ({columns}, {others}) SELECT {columns}, {others} FROM sku"))


# Several at once -----------------------------------------------------------------------------------------------------


async def test_the_same_run_saved_twice_at_once_is_one_set_of_prices(fresh_database: Database) -> None:
    async def save() -> None:
        async with fresh_database.sessions.begin() as session:
            await see(session, NOON, small=2, large=9)

    await asyncio.gather(*(save() for _ in range(4)))

    async with fresh_database.sessions() as session:
        assert (await count(session, Sku), await count(session, Price), await count(session, Run)) == (2, 2, 4)


async def test_whoever_listens_hears_of_changed_prices_after_the_commit(fresh_database: Database) -> None:
    heard: list[str] = []
    listener = await fresh_database.connect()
    await listener.add_listener(store.CHANNEL, lambda *said: heard.append(said[-1]))

    async with fresh_database.sessions.begin() as session:
        await see(session, NOON, small=2)
        await listener.execute("SELECT 1")
        before_the_commit = list(heard)
    async with fresh_database.sessions.begin() as session:
        await see(session, NOON, small=2)  # says nothing new
        await store.save_run(session, collected_run(set_aside="a test"))
    await listener.execute("SELECT 1")
    await listener.close()

    assert before_the_commit == []
    assert heard == ["cloud"]


# What the checks ask -------------------------------------------------------------------------------------------------


async def test_a_collector_remembers_its_open_prices_and_how_much_it_last_saw(session: AsyncSession) -> None:
    seen = observation("spot", "1.5", region="here", pricing=PurchaseOption.SPOT)
    await store.save_run(session, collected_run([seen, observation("other", 2)]))
    await store.save_run(session, collected_run([seen], at=NOON + HOUR, set_aside="a test"))

    previous = await store.previous(session, "cloud")

    assert previous.prices[seen.key] == LastPrice(Decimal("1.5"), "USD")
    assert len(previous.prices) == 2
    assert previous.observations == 2
    assert (await store.previous(session, "other")).prices == {}


@pytest.mark.parametrize("set_aside", [None, "every price doubled at once"])
async def test_a_jump_is_remembered_until_the_next_run(session: AsyncSession, set_aside: str | None) -> None:
    seen = observation("small", 2, region="here")
    jumped = rejection("unexplained_jump", instance_type="small", usd="5.10", region="here", gpu="NVIDIA H100 80GB")
    await store.save_run(session, collected_run([seen, observation("large", 9)]))
    await store.save_run(
        session, collected_run([observation("large", 9)], at=NOON + HOUR, rejections=[jumped], set_aside=set_aside)
    )
    remembered = (await store.previous(session, "cloud")).jumps
    await store.save_run(session, collected_run(at=NOON + 2 * HOUR, error_kind="provider_unavailable"))
    still_remembered = (await store.previous(session, "cloud")).jumps
    await see(session, NOON + 3 * HOUR, large=9)

    assert remembered == still_remembered == {seen.key: LastPrice(Decimal("5.10"), "USD")}
    assert (await store.previous(session, "cloud")).jumps == {}


async def test_known_prices_are_those_of_one_gpu(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation(usd=20, gpu_count=8, currency="EUR")]))

    assert await store.known_prices(session) == [("H100 SXM", Decimal("2.5"), "EUR")]


async def test_a_provider_is_live_from_its_first_believed_live_run_on(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation(collector="list", provider="a", source="catalogue")]))
    await store.save_run(session, collected_run([observation(collector="b")]))
    await store.save_run(session, collected_run([observation(collector="c")], set_aside="a test"))

    assert await store.live_providers(session, NOON) == {"b"}
    assert await store.live_providers(session, NOON - HOUR) == set()


# Runs and the quarantine ---------------------------------------------------------------------------------------------


async def test_a_run_is_kept_with_its_counts(session: AsyncSession) -> None:
    run = collected_run([observation()], rejections=[rejection()], repeated=2, offers=4, bytes_fetched=1000)
    stored = await store.save_run(session, run)

    kept = await store.run(session, stored.id)
    assert kept is not None
    assert (kept.collector, kept.outcome, kept.started_at, kept.finished_at) == (
        "cloud",
        "ok",
        NOON,
        NOON + HOUR / 3600,
    )
    assert (kept.offers, kept.observations, kept.rejected, kept.repeated, kept.opened) == (4, 1, 1, 2, 1)
    assert await store.run(session, stored.id + 1) is None


async def test_a_failed_run_is_kept_with_what_happened(session: AsyncSession) -> None:
    run = collected_run(error_kind="payload_changed", error="no field\0 price", payload="{\0}")
    stored = await store.save_run(session, run)

    kept = await store.run(session, stored.id)
    assert kept is not None
    assert (kept.outcome, kept.error, kept.payload) == ("failed", "no field price", "{}")
    assert await store.last_outcome(session, "cloud") == "failed"
    assert await store.last_outcome(session, "other") is None


async def test_a_rejected_offer_is_kept_as_it_was_read(session: AsyncSession) -> None:
    odd = replace(rejection(), offer=offer("x\0y", "NaN", gpu="Unobtainium", gpu_count=0.5, observed_at=NOON))
    await store.save_run(session, collected_run(rejections=[odd], set_aside="nothing believable"))

    (kept,) = (await store.rejections(session)).items
    assert (kept.reason, kept.detail, kept.run.collector) == ("unknown_gpu", "nobody knows it", "cloud")
    assert kept.offer["gpu"] == "Unobtainium"
    assert kept.offer["price_per_hour"] == "NaN"
    assert kept.offer["instance_type"] == "xy"


async def test_the_quarantine_is_read_by_collector_run_and_reason(session: AsyncSession) -> None:
    first = await store.save_run(session, collected_run([observation()], rejections=[rejection("unknown_gpu")]))
    other = collected_run([observation(collector="b")], rejections=[rejection("duplicate")])
    await store.save_run(session, other)

    async def reasons(**wanted: Any) -> list[str]:
        return [each.reason for each in (await store.rejections(session, **wanted)).items]

    assert await reasons() == ["duplicate", "unknown_gpu"]
    assert await reasons(collector="b") == ["duplicate"]
    assert await reasons(run_id=first.id) == ["unknown_gpu"]
    assert await reasons(reason="duplicate", collector="cloud") == []


async def test_what_was_set_aside_a_month_ago_is_forgotten(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation()], at=NOON - 40 * DAY, rejections=[rejection()]))
    await store.save_run(session, collected_run([observation(collector="b")], at=NOON, rejections=[rejection()]))
    before = await count(session, StoredRejection)
    await store.save_run(session, collected_run([observation()], at=NOON, rejections=[rejection()]))

    assert (before, await count(session, StoredRejection)) == (2, 2)


async def test_runs_are_read_newest_first_in_pages(session: AsyncSession) -> None:
    ids = [(await see(session, NOON + hours * HOUR, small=2)).id for hours in range(5)]
    read: list[int] = []
    cursor = None
    while True:
        page = await store.runs(session, collector="cloud", limit=2, cursor=cursor)
        read += [run.id for run in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert read == ids[::-1]
    assert (await store.runs(session, collector="other")).items == []


@pytest.mark.parametrize("cursor", ["", "?", "abc", "LTE", "MA", "MQ==", "99", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
async def test_a_cursor_of_another_list_is_refused(session: AsyncSession, cursor: str) -> None:
    with pytest.raises(store.InvalidCursor):
        await store.runs(session, cursor=cursor)


async def test_how_a_collector_does_is_its_last_run_and_its_last_success(session: AsyncSession) -> None:
    success = await see(session, NOON, small=2, large=9)
    failure = await store.save_run(session, collected_run(at=NOON + HOUR, error_kind="provider_unavailable"))
    never = await store.save_run(session, collected_run(collector="never", error_kind="credentials_refused"))

    states = await store.collectors(session)

    assert states["cloud"].last_run.id == failure.id
    assert states["cloud"].last_success is not None
    assert states["cloud"].last_success.id == success.id
    assert states["cloud"].offers == 2
    assert (states["never"].last_run.id, states["never"].last_success, states["never"].offers) == (never.id, None, 0)


# Workloads -----------------------------------------------------------------------------------------------------------


async def test_a_workload_is_added_once(session: AsyncSession) -> None:
    body = {"name": "my 7B", "tokens": 2e10}
    await store.add_workload(session, "my-7b", body)

    with pytest.raises(store.WorkloadExists, match="my-7b"):
        await store.add_workload(session, "my-7b", {"name": "another"})

    saved = await store.saved_workload(session, "my-7b")
    assert saved is not None
    assert saved.body == body
    assert [each.slug for each in await store.saved_workloads(session)] == ["my-7b"]
    assert await store.saved_workload(session, "other") is None
