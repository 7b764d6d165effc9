"""What ten million prices of the past cost: loading a market, judging a run, prices over time.

`python tests/bench/bench_history.py [PRICES]`; ten million take three minutes and four gigabytes of disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import measured
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from providers import discover
from service import catalogue, store
from service.database import Database, open_database
from service.market import load_market
from service.rates import shipped_rates
from service.settings import Settings

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SKUS = 60_000
YEARS = 2

RUN = """
INSERT INTO run (collector, source, started_at, finished_at, outcome, bytes_fetched, offers, observations, rejected,
                 repeated)
VALUES ('bench', 'live', now(), now(), 'ok', 0, 0, 0, 0, 0)
"""
ADD_SKUS = """
INSERT INTO sku (collector, provider, instance_type, gpu, gpu_count, region, pricing, gpu_memory_gb, country, source,
                 source_url, count_is_derived)
SELECT CASE WHEN n % 10 = 0 THEN 'list' ELSE 'provider' || n % 40 END, 'provider' || n % 40, 'type-' || n,
       (:gpus)[1 + n % cardinality(:gpus)], 1 + n % 8,
       'region-' || n % 40, CASE WHEN n % 3 = 0 THEN 'spot' ELSE 'on_demand' END, 80, 'US',
       CASE WHEN n % 10 = 0 THEN 'catalogue' ELSE 'live' END, 'https://bench.example', false
  FROM generate_series(1, :skus) AS n
"""
# Each price follows on the one before, and the last holds still
ADD_PRICES = """
INSERT INTO price (sku_id, run_id, price_per_hour, currency, first_seen, last_seen, closed_at, available)
SELECT id, (SELECT max(id) FROM run), (30 + (n * 7 + id) % 300) * gpu_count / 100.0,
       CASE WHEN id % 5 = 0 THEN 'EUR' ELSE 'USD' END, begins, begins + held,
       CASE WHEN n < :each THEN begins + held END, true
  FROM sku
 CROSS JOIN generate_series(1, :each) AS n
 CROSS JOIN LATERAL (
   SELECT cast(:now AS timestamptz) - (:each - n + 1) * cast(:held AS interval) - id * interval '1 second' AS begins,
          cast(:held AS interval) AS held
 ) AS place
"""


async def fill(database: Database, prices: int) -> None:
    each = max(1, prices // SKUS)
    gpus = sorted(catalogue.load().gpus)[:60]
    values = {"each": each, "now": NOW, "held": timedelta(days=365 * YEARS / each)}
    async with database.engine.begin() as connection:
        await connection.execute(text(RUN))
        await connection.execute(text(ADD_SKUS.replace(":gpus", "cast(:gpus AS text[])")), {"gpus": gpus, "skus": SKUS})
        with measured(f"{each * SKUS:,} prices written"):
            await connection.execute(text(ADD_PRICES), values)
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        with measured("VACUUM ANALYZE"):
            await outside.execute(text("VACUUM ANALYZE"))


async def ask(connection: AsyncConnection) -> None:
    known = catalogue.load()
    for what, at in (
        ("now", NOW),
        ("half a year ago", NOW - timedelta(days=180)),
        ("at the start", NOW - timedelta(700)),
    ):
        with measured(f"the ranking's load, {what}", 2_000):
            market = await load_market(connection, known, at, discover())
        print(f"  {len(market.offers):,} offers")  # noqa: T201
    with measured("what a run is judged by", 1_000):
        await store.known_prices(connection)
        await store.previous(connection, "provider3")
    await prices_over_time(connection)


async def prices_over_time(connection: AsyncConnection) -> None:
    (one,) = (await connection.execute(text("SELECT offer_id FROM sku WHERE id = 30000"))).one()
    with measured("every price of one offer", 50):
        await store.prices_of_offer(connection, one, NOW - timedelta(days=1000), NOW, limit=1000)
    for what, days, chosen in (
        ("one GPU, 30 days", 30, store.Chosen(gpus=["H100 SXM"])),
        ("one GPU, 365 days", 365, store.Chosen(gpus=["H100 SXM"])),
        ("one provider, 30 days", 30, store.Chosen(providers=["provider3"])),
        ("every GPU, 30 days", 30, store.Chosen()),
    ):
        moments = {(NOW - timedelta(days=back)).date(): NOW - timedelta(days=back) for back in range(days)}
        rates = {
            (day, currency): float(shipped_rates().usd_per_unit(currency, at))
            for day, at in moments.items()
            for currency in ("USD", "EUR")
        }
        with measured(f"prices per day and GPU: {what}"):
            await store.prices_by_day(connection, moments, rates, chosen)


async def main(prices: int) -> None:
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-bench-") as folder:
        async with open_database(Settings(data_dir=Path(folder))) as database:
            await database.migrate()
            await fill(database, prices)
            async with database.engine.connect() as connection:
                await ask(connection)
                size = await connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
                print(f"the database takes {size}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
