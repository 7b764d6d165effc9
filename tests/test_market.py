"""The prices of now as columns, what hides what, how old they are, and the ranking made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from builders import NOON, collected_run, machine, observation, rig, workload
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from waiting import until

from providers.base import PurchaseOption
from service import catalogue, store
from service.checks import Observation
from service.database import Database
from service.estimation.answer import Estimate, Evidence, Infeasible, Interval, Method
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine
from service.estimation.workload import Workload
from service.market import (
    Market,
    Markets,
    RememberingEstimator,
    current_ranking,
    find_option,
    load_market,
    provider_name,
)
from service.market.pricing import fitted_interconnect, stepped
from service.ranking.option import Option
from service.ranking.request import RankingRequest

HOUR = timedelta(hours=1)
SOON = timedelta(milliseconds=20)


@dataclass(frozen=True)
class Facts:
    """A provider module as far as the market asks."""

    name: str
    interval: timedelta = timedelta(hours=6)


@dataclass
class TenHours:
    """An estimator for which everything takes ten hours; it remembers what it was asked."""

    asked: list[Machine]

    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method
    ) -> Sequence[Estimate | Infeasible]:
        self.asked.extend(machines)
        return [Estimate(hours=Interval(8, 10, 12), evidence=Evidence("same_gpu"), sigma_own=0.1) for _ in machines]


async def remember(session: AsyncSession, *seen: Observation, at: datetime = NOON) -> None:
    await store.save_run(session, collected_run(seen, at=at))


async def market(session: AsyncSession, at: datetime = NOON, **facts: Facts) -> Market:
    return await load_market(await session.connection(), catalogue.load(), at, facts)


def instances(loaded: Market) -> list[str]:
    return [offer.instance_type for offer in loaded.offers.rows]


# Which prices count --------------------------------------------------------------------------------------------------


async def test_without_prices_the_market_is_empty(session: AsyncSession) -> None:
    empty = await market(session)

    assert len(empty.offers) == 0
    assert empty.state.newest_price_at is None


async def test_prices_are_read_in_dollars_at_the_rate_of_the_day(session: AsyncSession) -> None:
    await remember(session, observation("euros", "2.00", currency="EUR"))

    (offer,) = (await market(session)).offers.rows

    assert (offer.currency, offer.price_per_hour) == ("EUR", 2.0)
    assert 2.0 < offer.usd_per_hour < 2.6


async def test_a_live_run_hides_all_else_of_its_provider(session: AsyncSession) -> None:
    await remember(session, observation("listed", collector="skypilot", provider="cloud", source="catalogue"))
    await remember(session, observation("shipped", collector="bundled", provider="cloud", source="bundled"))
    await remember(session, observation("other", collector="bundled2", provider="elsewhere", source="bundled"))
    await remember(session, observation("asked"))

    assert sorted(instances(await market(session))) == ["asked", "other"]


async def test_a_catalogue_hides_what_is_bundled_of_its_provider(session: AsyncSession) -> None:
    await remember(session, observation("listed", collector="skypilot", provider="cloud", source="catalogue"))
    await remember(session, observation("shipped", collector="bundled", provider="cloud", source="bundled"))

    assert instances(await market(session)) == ["listed"]


async def test_before_the_live_run_the_bundled_price_counts(session: AsyncSession) -> None:
    old = NOON - 30 * 24 * HOUR
    await remember(
        session,
        observation("shipped", collector="bundled", source="bundled", provider="cloud", observed_at=old),
        at=old,
    )
    await remember(session, observation("asked"))

    assert instances(await market(session, NOON - HOUR)) == ["shipped"]
    assert instances(await market(session, NOON)) == ["asked"]
    assert instances(await market(session, old - HOUR)) == []


async def test_a_price_changed_later_is_seen_as_it_was(session: AsyncSession) -> None:
    await remember(session, observation(usd="2.50", observed_at=NOON - 2 * HOUR), at=NOON - 2 * HOUR)
    await remember(session, observation(usd="3.00"))

    before, after = await market(session, NOON - HOUR), await market(session)

    assert [offer.usd_per_hour for offer in before.offers.rows + after.offers.rows] == [2.5, 3.0]


async def test_a_gpu_that_the_catalogue_no_longer_knows_is_left_out(session: AsyncSession) -> None:
    await remember(session, observation("known"), observation("unknown", gpu="Voodoo 2"))

    assert instances(await market(session)) == ["known"]


@pytest.mark.parametrize(
    ("gpu", "count", "published", "interconnect"),
    [
        ("H100 SXM", 8, None, None),
        ("H100 SXM", 8, "nvlink", None),
        ("H100 SXM", 8, "pcie", "pcie_p2p"),
        ("H100 SXM", 1, "pcie", None),
        ("A100 PCIe 80GB", 2, "nvlink", "nvlink"),
        ("A100 PCIe 80GB", 8, "nvlink", None),
        ("L40S", 2, "nvlink", None),
    ],
)
def test_how_gpus_talk_is_believed_where_their_cards_can(
    gpu: str, count: int, published: str | None, interconnect: str | None
) -> None:
    assert fitted_interconnect(catalogue.load().gpus[gpu], count, published) == interconnect


@pytest.mark.parametrize(
    ("published", "count", "stepped_gb"), [(None, 1, None), (225.0, 1, 128), (2048.0, 8, 2048), (1900.0, 8, 1024)]
)
def test_host_memory_is_known_in_steps_so_that_there_are_few_kinds_of_machines(
    published: float | None, count: int, stepped_gb: float | None
) -> None:
    assert stepped(published, count) == stepped_gb


async def test_what_an_offer_includes_reaches_the_machine_and_the_reader(session: AsyncSession) -> None:
    await remember(session, observation(gpu_count=8, host_memory_gb=1900.0, vcpus=208.0, interconnect="pcie"))

    loaded = await market(session)

    (offer,), (machine,) = loaded.offers.rows, loaded.machines
    assert (offer.host_memory_gb, offer.vcpus, offer.interconnect) == (1900.0, 208.0, "pcie")
    assert (machine.host_memory_gb, machine.interconnect) == (1024.0, "pcie_p2p")


# How they are told apart, and how old they are -----------------------------------------------------------------------


async def test_a_title_names_machine_provider_tier_and_purchase(session: AsyncSession) -> None:
    await remember(
        session,
        observation("a", gpu_count=8, tier="secure", pricing=PurchaseOption.SPOT),
        observation("b", seller="Bob", pricing=PurchaseOption.RESERVED, term_months=12),
    )

    titles = (await market(session, cloud=Facts("The Cloud"))).offers.title.column

    assert titles == [
        "1x H100 SXM at The Cloud by Bob, reserved for 12 months",
        "8x H100 SXM at The Cloud (secure), spot",
    ]


def test_a_provider_without_a_module_is_still_written_as_people_write_it() -> None:
    known = {"cloud": Facts("The Cloud")}

    names = [provider_name(slug, known) for slug in ["cloud", "primeintellect", "vultr"]]

    assert names == ["The Cloud", "Prime Intellect", "Vultr"]


async def test_an_offer_keeps_its_id_when_its_price_changes(session: AsyncSession) -> None:
    await remember(session, observation(usd="2.50", observed_at=NOON - HOUR), observation("other"), at=NOON - HOUR)
    before = await market(session, NOON - HOUR)
    await remember(session, observation(usd="2.60"), observation("other"))
    after = await market(session)

    assert [offer.id for offer in before.offers.rows if offer.instance_type != "other"] == [
        offer.id for offer in after.offers.rows if offer.instance_type != "other"
    ]
    assert len({offer.id for offer in after.offers.rows}) == 2
    assert before.version != after.version


async def test_the_version_stays_while_nothing_changes(session: AsyncSession) -> None:
    await remember(session, observation())

    assert (await market(session)).version == (await market(session, NOON + HOUR)).version


@pytest.mark.parametrize(
    ("hours", "interval_hours", "source", "stale"),
    [
        (23, 6, "live", False),
        (25, 6, "live", True),
        (25, 24, "live", False),
        (49, 24, "live", True),
        (1000, 6, "bundled", False),
    ],
)
async def test_a_price_is_stale_after_a_day_and_two_intervals(
    session: AsyncSession, hours: int, interval_hours: int, source: str, stale: bool
) -> None:
    await remember(session, observation(source=source))

    loaded = await market(session, NOON + hours * HOUR, cloud=Facts("The Cloud", interval_hours * HOUR))

    assert [offer.stale for offer in loaded.offers.rows] == [stale]


# The ranking ---------------------------------------------------------------------------------------------------------


async def test_the_ranking_is_of_this_market(session: AsyncSession) -> None:
    await remember(session, observation("one", "2.00"), observation("eight", "16.00", gpu_count=8))
    loaded = await market(session)
    asked = RankingRequest(workload=workload(), rigs=(rig(),), storage_gb=0)

    ranking = current_ranking(loaded, asked, RememberingEstimator(TenHours([])), NOON)

    assert (ranking.as_of, ranking.market) == (NOON, loaded.state)
    assert [option.cost_usd.p50 for option in ranking.options if option.kind == "cloud"] == pytest.approx([21.0, 168.0])
    assert ranking.considered == ranking.ranked == 3
    assert ranking.workload["slug"] == "nanochat-d32"


async def test_a_ranking_of_the_past_says_its_day(session: AsyncSession) -> None:
    asked = RankingRequest(workload=workload(), rigs=(rig(),), as_of=NOON - 999 * 24 * HOUR)

    ranking = current_ranking(
        await market(session, asked.as_of or NOON), asked, RememberingEstimator(TenHours([])), NOON
    )

    assert ranking.as_of == asked.as_of
    assert [option.kind for option in ranking.options] == ["local"]


async def test_both_methods_say_why_they_differ_on_a_rig(session: AsyncSession) -> None:
    asked = RankingRequest(workload=workload(), rigs=(rig(),), method="ratio")
    estimator = RememberingEstimator(Estimator(catalogue.load().efficiencies))

    ranking = current_ranking(await market(session), asked, estimator, NOON)

    assert 2112 <= ranking.options[0].hours.p50 <= 2376
    assert any(note.startswith("1x RTX 4070 at home (US): The model says") for note in ranking.notes)


async def test_an_option_is_found_by_its_id(session: AsyncSession) -> None:
    await remember(session, observation())
    loaded, asked = await market(session), RankingRequest(workload=workload(), rigs=())

    option = find_option(loaded, asked, RememberingEstimator(TenHours([])), NOON, loaded.offers.rows[0].id)

    assert isinstance(option, Option)
    assert option.bill is not None
    assert find_option(loaded, asked, RememberingEstimator(TenHours([])), NOON, "gone") is None


def test_what_was_estimated_once_is_remembered() -> None:
    estimator = TenHours([])
    remembering = RememberingEstimator(estimator)
    machines = (machine(), machine(gpu_count=8))

    columns = remembering.of_machines(workload(), "model", machines)
    again = remembering.of_machines(workload(), "model", machines)
    remembering.of_machines(workload(), "model", (*machines, machine("A100 SXM 80GB")))

    assert columns is again
    assert len(estimator.asked) == 3


def test_of_many_workloads_the_latest_are_remembered() -> None:
    estimator = TenHours([])
    remembering = RememberingEstimator(estimator, workloads=2)

    for number in [1, 2, 3, 3, 2, 1]:
        remembering.estimate(replace(workload(), name=f"workload {number}"), machine())

    assert len(estimator.asked) == 4


# Keeping it current --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def followed(markets: Markets) -> AsyncIterator[None]:
    following = asyncio.create_task(markets.follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def markets_of(database: Database) -> Markets:
    return Markets(database, catalogue.load(), {}, lambda: NOON, settling=SOON, reconnecting=SOON)


async def test_the_market_follows_the_prices(fresh_database: Database) -> None:
    markets = markets_of(fresh_database)
    assert (markets.is_loaded, len(markets.current.offers)) == (False, 0)

    async with followed(markets):
        async with fresh_database.sessions.begin() as session:
            await remember(session, observation())
        await until(lambda: len(markets.current.offers) == 1)

        assert markets.is_loaded


async def test_the_market_is_followed_again_after_a_lost_connection(fresh_database: Database) -> None:
    markets = markets_of(fresh_database)

    async with followed(markets):
        await until(lambda: markets.is_loaded)
        async with fresh_database.engine.connect() as connection:
            await drop_all_others(connection)
        async with fresh_database.sessions.begin() as session:
            await remember(session, observation())

        await until(lambda: len(markets.current.offers) == 1)


async def drop_all_others(connection: AsyncConnection) -> None:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))


async def test_markets_of_the_past_are_remembered(fresh_database: Database) -> None:
    markets = markets_of(fresh_database)
    async with fresh_database.sessions.begin() as session:
        await remember(session, observation(observed_at=NOON - 2 * HOUR), at=NOON - 2 * HOUR)
    await markets.refresh()

    past = await markets.at(NOON - HOUR)

    assert len(past.offers) == 1
    assert await markets.at(NOON - HOUR) is past
    assert await markets.at(None) is markets.current
    assert len((await markets.at(NOON - 3 * HOUR)).offers) == 0
