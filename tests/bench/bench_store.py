"""How long the store takes with 60,000 offers: `python tests/bench/bench_store.py [OFFERS]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import measured, observations
from sqlalchemy import text

from service import store
from service.checks import CollectedRun
from service.database import open_database
from service.settings import Settings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MACHINES = 2_000


def later(run: CollectedRun, hours: int, changed: int = 0) -> CollectedRun:
    """The same offers hours later; the price of some has changed."""
    at = NOON + timedelta(hours=hours)
    seen = [replace(each, observed_at=at) for each in run.observations]
    seen[:changed] = [replace(each, price_per_hour=each.price_per_hour + hours) for each in seen[:changed]]
    return replace(run, started_at=at, observations=tuple(seen))


async def bench(count: int, folder: Path) -> None:
    seen = tuple(observations(count, MACHINES, NOON))
    first = CollectedRun(
        collector="bench", source="live", started_at=NOON, duration_s=1, offers=count, observations=seen
    )
    with measured("open an embedded database for the first time, migrate"):
        async with open_database(Settings(data_dir=folder)) as database:
            await database.migrate()
    with measured("open a warm one, check its version, stop it"):
        async with open_database(Settings(data_dir=folder)) as database:
            await database.migrate()
    async with open_database(Settings(data_dir=folder)) as database:
        for what, run, wanted_ms in [
            (f"store a first run of {count:,} offers", first, 10_000),
            ("store a second run, unchanged", later(first, 6), 1_500),
            ("store a third run, unchanged", later(first, 12), 1_500),
            ("store a fourth run, 1 % changed", later(first, 18, changed=count // 100), 1_500),
        ]:
            with measured(what, wanted_ms):
                async with database.sessions.begin() as session:
                    await store.save_run(session, run)
        async with database.sessions() as session:
            for what, at in [("now", NOON + timedelta(hours=20)), ("as of the first run", NOON)]:
                with measured(f"current_prices, {what}", 1_000):
                    prices = await store.current_prices(session, at)
                assert len(prices) == count
            with measured("known_prices"):
                await store.known_prices(session)
            with measured("previous"):
                await store.previous(session, "bench")
            with measured("live_providers"):
                await store.live_providers(session, NOON)
            size = await session.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
            print(f"the database takes {size}")  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-bench-") as temporary:
        asyncio.run(bench(int(sys.argv[1]) if len(sys.argv) > 1 else 60_000, Path(temporary)))
