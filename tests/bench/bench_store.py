"""How long the store takes with 60,000 offers: python tests/bench/bench_store.py [offers]."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import text

from providers.base import PurchaseOption
from service import store
from service.checks import CollectedRun, Observation
from service.database import open_database
from service.settings import Settings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@contextmanager
def measured(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{what:<60}{(time.perf_counter() - began) * 1000:10,.0f} ms")  # noqa: T201


def observations(count: int) -> tuple[Observation, ...]:
    """As many offers, of 2,000 kinds of machines in 30 regions."""
    return tuple(
        Observation(
            collector="cloud",
            provider=f"provider{number % 25}",
            seller=None,
            instance_type=f"type-{number % 2000}",
            gpu=f"GPU {number % 100}",
            gpu_count=2 ** (number % 4),
            gpu_memory_gb=80.0,
            region=f"region-{number // 2000}",
            country="US",
            tier=None,
            pricing=PurchaseOption.SPOT if number % 2 else PurchaseOption.ON_DEMAND,
            term_months=None,
            price_per_hour=Decimal(100 + number % 977) / 100,
            currency="USD",
            available=None,
            observed_at=NOON,
            source="live",
            source_url="https://cloud.example/pricing",
            count_is_derived=False,
        )
        for number in range(count)
    )


def later(run: CollectedRun, hours: int, changed: int = 0) -> CollectedRun:
    """The same offers hours later; the price of some has changed."""
    at = NOON + timedelta(hours=hours)
    seen = [replace(each, observed_at=at) for each in run.observations]
    seen[:changed] = [replace(each, price_per_hour=each.price_per_hour + hours) for each in seen[:changed]]
    return replace(run, started_at=at, observations=tuple(seen))


async def bench(count: int, folder: Path) -> None:
    first = CollectedRun(
        collector="cloud", source="live", started_at=NOON, duration_s=1, offers=count, observations=observations(count)
    )
    with measured("open an embedded database for the first time, migrate"):
        async with open_database(Settings(data_dir=folder)) as database:
            await database.migrate()
    with measured("open a warm one, check its version, stop it"):
        async with open_database(Settings(data_dir=folder)) as database:
            await database.migrate()
    async with open_database(Settings(data_dir=folder)) as database:
        for what, run in [
            (f"first run of {count:,} offers", first),
            ("second run, unchanged", later(first, 6)),
            ("third run, unchanged", later(first, 12)),
            ("fourth run, 1 % changed", later(first, 18, changed=count // 100)),
        ]:
            with measured(what):
                async with database.sessions.begin() as session:
                    stored = await store.save_run(session, run)
            print(f"    {stored}")  # noqa: T201
        async with database.sessions() as session:
            for what, at in [("now", NOON + timedelta(hours=20)), ("as of the first run", NOON)]:
                with measured(f"current_prices, {what}"):
                    prices = await store.current_prices(session, at)
                assert len(prices) == count
            with measured("known_prices"):
                await store.known_prices(session)
            with measured("previous"):
                await store.previous(session, "cloud")
            with measured("live_providers"):
                await store.live_providers(session, NOON)
            size = await session.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
            print(f"size of the database: {size}")  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-bench-") as temporary:
        asyncio.run(bench(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000, Path(temporary)))
