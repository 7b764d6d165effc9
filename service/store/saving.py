"""How a run is remembered: set by set, so that sixty thousand offers cost seconds when new and less when unchanged.

A price is only ever opened, seen again, and closed. Observations are dated by their source, so one may come late: it
never moves a date backwards, and another price that was seen later stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.checks import CollectedRun, Observation, Rejection
from service.store.tables import Outcome, Run

CHANNEL: Final = "market_changed"  # told the collector's slug when a commit has changed its prices
CLOSED_AFTER_MISSED: Final = 3  # believed runs without a SKU
REJECTIONS_KEPT: Final = timedelta(days=30)  # the same offers are set aside anew in every run
MANY: Final = 2_000  # new rows, after which the planner's idea of a table is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it was remembered, and what it changed."""

    id: int
    outcome: Outcome
    opened: int = 0  # prices: new, or in place of another
    closed: int = 0  # prices: replaced, or of what is no longer sold
    extended: int = 0  # prices: seen again


async def save_run(session: AsyncSession, run: CollectedRun, run_id: int | None = None) -> StoredRun:
    """Remember a run in the caller's transaction. Only one that is believed touches prices. None: any id."""
    row = row_of(run)
    if run_id is not None:
        row.id = run_id
    session.add(row)
    await session.flush()
    connection = await session.connection()
    await save_rejections(connection, row.id, run)
    if row.outcome == "ok":
        row.opened, row.closed, row.extended = await _save_observations(connection, row.id, run)
        await session.flush()
    return StoredRun(id=row.id, outcome=row.outcome, opened=row.opened, closed=row.closed, extended=row.extended)


def row_of(run: CollectedRun) -> Run:
    return Run(
        collector=run.collector,
        source=run.source,
        started_at=run.started_at,
        finished_at=run.started_at + timedelta(seconds=run.duration_s),
        outcome=outcome_of(run),
        error_kind=run.error_kind,
        error=_storable(run.error or run.error_kind or run.set_aside),
        payload=_storable(run.payload),
        retry_at=run.retry_at,
        bytes_fetched=run.bytes_fetched,
        offers=run.offers,
        observations=len(run.observations),
        rejected=len(run.rejections),
        repeated=run.repeated,
        opened=0,
        closed=0,
        extended=0,
    )


def outcome_of(run: CollectedRun) -> Outcome:
    if run.error_kind is not None:
        return "failed"
    return "ok" if run.set_aside is None else "set_aside"


def _storable(words: str | None) -> str | None:
    """PostgreSQL has no place for the character NUL, which a broken answer may hold."""
    return words.replace("\0", "") if words else words


# The quarantine ------------------------------------------------------------------------------------------------------


async def save_rejections(connection: AsyncConnection, run_id: int, run: CollectedRun) -> None:
    old = {"collector": run.collector, "oldest": run.started_at - REJECTIONS_KEPT}
    await connection.execute(text(FORGET_REJECTIONS), old)
    rows = [(run_id, rejection.reason, rejection.detail, _as_json(rejection)) for rejection in run.rejections]
    if rows:
        await copy(connection, "rejection", ("run_id", "reason", "detail", "offer"), rows)


def _as_json(rejection: Rejection) -> str:
    return msgspec.json.encode(rejection.offer).decode().replace("\\u0000", "")


FORGET_REJECTIONS: Final = """
DELETE FROM rejection USING run
 WHERE rejection.run_id = run.id AND run.collector = :collector AND run.started_at < :oldest
"""


# The prices ----------------------------------------------------------------------------------------------------------

KEY: Final = ("provider", "seller", "instance_type", "gpu", "gpu_count", "region", "tier", "pricing", "term_months")
INCLUDED: Final = ("vcpus", "host_memory_gb", "disk_gb", "interconnect", "network_gbit_s")
ABOUT: Final = ("gpu_memory_gb", "country", "source", "source_url", "count_is_derived", *INCLUDED, "attribution")
SEEN: Final = ("price_per_hour", "currency", "upfront", "available", "observed_at")


async def _save_observations(connection: AsyncConnection, run_id: int, run: CollectedRun) -> tuple[int, int, int]:
    """Prices opened, closed and seen again."""
    values = {"run": run_id, "collector": run.collector, "now": run.started_at, "missed": CLOSED_AFTER_MISSED}

    async def do(statement: str) -> int:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        return (await connection.execute(text(statement), used)).rowcount

    await do(ONE_RUN_OF_A_COLLECTOR_AT_A_TIME)
    await do(STAGE)
    await copy(connection, "staged", (*KEY, *ABOUT, *SEEN), map(record_of, run.observations))
    await do("ANALYZE staged")
    await do(MATCH)
    await do("ANALYZE matched")
    new_skus = await do(ADD_SKUS)
    await do(UPDATE_SKUS)
    extended = await do(EXTEND_PRICES)
    closed = await do(CLOSE_CHANGED_PRICES)
    opened = await do(OPEN_PRICES)
    if await do(COUNT_MISSED_SKUS):
        closed += await do(CLOSE_MISSED_PRICES)
    await do("DROP TABLE staged, matched")
    if new_skus + opened > MANY:
        await do("ANALYZE sku, price")
    if opened or closed or extended:
        await do(f"SELECT pg_notify('{CHANNEL}', :collector)")
    return opened, closed, extended


def record_of(o: Observation) -> tuple[Any, ...]:
    """In the order of KEY, ABOUT and SEEN."""
    key = (o.provider, o.seller, o.instance_type, o.gpu, o.gpu_count, o.region, o.tier, o.pricing, o.term_months)
    about = (o.gpu_memory_gb, o.country, o.source, o.source_url, o.count_is_derived)
    included = (o.vcpus, o.host_memory_gb, o.disk_gb, o.interconnect, o.network_gbit_s)
    return (*key, *about, *included, o.attribution, o.price_per_hour, o.currency, o.upfront, o.available, o.observed_at)


async def copy(
    connection: AsyncConnection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    """PostgreSQL's COPY, many times faster than INSERT."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.copy_records_to_table(table, columns=list(columns), records=rows)


def comma(columns: tuple[str, ...], of: str = "") -> str:
    return ", ".join(f"{of}.{column}" if of else column for column in columns)


def same_key(one: str, other: str) -> str:
    """Equality in which missing equals missing, in a form that PostgreSQL can hash: IS NOT DISTINCT FROM is none."""
    absent = {"seller": "''", "region": "''", "tier": "''", "term_months": "0"}
    return " AND ".join(
        f"coalesce({one}.{column}, {absent[column]}) = coalesce({other}.{column}, {absent[column]})"
        if column in absent
        else f"{one}.{column} = {other}.{column}"
        for column in KEY
    )


ONE_RUN_OF_A_COLLECTOR_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('save ' || :collector, 0))"

STAGE: Final = """
CREATE TEMPORARY TABLE staged (
  provider text, seller text, instance_type text, gpu text, gpu_count integer, region text, tier text, pricing text,
  term_months integer, gpu_memory_gb double precision, country text, source text, source_url text,
  count_is_derived boolean, vcpus double precision, host_memory_gb double precision, disk_gb double precision,
  interconnect text, network_gbit_s double precision, attribution text,
  price_per_hour numeric, currency text, upfront numeric, available boolean, observed_at timestamptz
) ON COMMIT DROP
"""

MATCH: Final = f"""
CREATE TEMPORARY TABLE matched ON COMMIT DROP AS
SELECT staged.*,
       sku.id AS sku_id,
       sku.missed_runs > 0
         OR ({comma(ABOUT, "sku")}) IS DISTINCT FROM ({comma(ABOUT, "staged")}) AS is_described_anew,
       price.id AS price_id,
       price.last_seen AS last_seen,
       (price.price_per_hour, price.currency) = (staged.price_per_hour, staged.currency)
         AND price.upfront IS NOT DISTINCT FROM staged.upfront AS is_unchanged
  FROM staged
  LEFT JOIN (SELECT * FROM sku WHERE collector = :collector) AS sku ON {same_key("sku", "staged")}
  LEFT JOIN price ON price.sku_id = sku.id AND price.closed_at IS NULL
"""

ADD_SKUS: Final = f"""
WITH new AS (
  INSERT INTO sku (collector, {comma(KEY + ABOUT)})
  SELECT :collector, {comma(KEY + ABOUT)} FROM matched WHERE sku_id IS NULL
  RETURNING id, {comma(KEY)}
)
UPDATE matched SET sku_id = new.id FROM new WHERE {same_key("matched", "new")}
"""

UPDATE_SKUS: Final = f"""
UPDATE sku SET ({comma(ABOUT)}, missed_runs) = ROW ({comma(ABOUT, "matched")}, 0)
  FROM matched WHERE matched.sku_id = sku.id AND matched.is_described_anew
"""

EXTEND_PRICES: Final = """
UPDATE price SET last_seen = matched.observed_at, available = matched.available
  FROM matched
 WHERE matched.price_id = price.id AND matched.is_unchanged AND matched.observed_at >= price.last_seen
   AND (matched.observed_at > price.last_seen OR matched.available IS DISTINCT FROM price.available)
"""

CLOSE_CHANGED_PRICES: Final = """
UPDATE price SET closed_at = matched.observed_at
  FROM matched
 WHERE matched.price_id = price.id AND NOT matched.is_unchanged AND matched.observed_at >= price.last_seen
"""

# What comes back after it was closed is open from then on, however old its source says it is: no two at a time
OPEN_PRICES: Final = """
INSERT INTO price (sku_id, run_id, price_per_hour, currency, upfront, first_seen, last_seen, available)
SELECT sku_id, :run, price_per_hour, currency, upfront, since, since, available
  FROM matched
 CROSS JOIN LATERAL (
   SELECT greatest(matched.observed_at, max(price.closed_at)) AS since FROM price WHERE price.sku_id = matched.sku_id
 ) AS opening
 WHERE price_id IS NULL OR (NOT is_unchanged AND observed_at >= last_seen)
"""

COUNT_MISSED_SKUS: Final = """
UPDATE sku SET missed_runs = missed_runs + 1
 WHERE collector = :collector
   AND EXISTS (SELECT FROM price WHERE price.sku_id = sku.id AND price.closed_at IS NULL)
   AND NOT EXISTS (SELECT FROM matched WHERE matched.sku_id = sku.id)
"""

CLOSE_MISSED_PRICES: Final = """
UPDATE price SET closed_at = greatest(:now, price.last_seen)
  FROM sku
 WHERE price.sku_id = sku.id AND price.closed_at IS NULL AND sku.collector = :collector AND sku.missed_runs >= :missed
"""
