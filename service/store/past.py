"""Prices of the past, from a file: each with its beginning and its end, and none of them current."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.checks import CollectedRun, Observation, SkuKey
from service.store.prices import PURCHASE_OPTIONS, Asked, fetch
from service.store.saving import (
    ABOUT,
    CHANNEL,
    KEY,
    MANY,
    SEEN,
    STAGE,
    StoredRun,
    comma,
    copy,
    record_of,
    row_of,
    same_key,
    save_rejections,
)


class Span(NamedTuple):
    """One price of the past: what was seen first, and when, and when it was seen last and was gone."""

    seen: Observation
    last_seen: datetime
    closed_at: datetime


class Held(NamedTuple):
    """From when to when a price of the past is known already."""

    since: datetime
    until: datetime


async def spans_held(asked: Asked, collector: str) -> dict[SkuKey, list[Held]]:
    """What earlier files said, by what was sold."""
    found: dict[SkuKey, list[Held]] = {}
    for *key, pricing, term_months, since, until in await fetch(asked, SPANS_HELD, collector):
        sold = SkuKey._make([*key, PURCHASE_OPTIONS[pricing], term_months])
        found.setdefault(sold, []).append(Held(since, until))
    return found


async def save_history(session: AsyncSession, run: CollectedRun, spans: Iterable[Span], run_id: int) -> StoredRun:
    """Remember prices of the past in the caller's transaction; none may overlap another of the same thing sold."""
    row = row_of(run)
    row.id = run_id
    session.add(row)
    await session.flush()
    connection = await session.connection()
    await save_rejections(connection, row.id, run)
    values = {"run": row.id, "collector": run.collector}

    async def do(statement: str) -> int:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        return (await connection.execute(text(statement), used)).rowcount

    await do(STAGE)
    await do("ALTER TABLE staged ADD last_seen timestamptz, ADD closed_at timestamptz")
    columns = (*KEY, *ABOUT, *SEEN, "last_seen", "closed_at")
    await copy(connection, "staged", columns, [(*record_of(seen), last, closed) for seen, last, closed in spans])
    await do(ADD_SOLD)
    row.opened = row.closed = await do(ADD_PRICES)
    await do("DROP TABLE staged")
    if row.opened > MANY:
        await do("ANALYZE sku, price")
    if row.opened:
        await do(f"SELECT pg_notify('{CHANNEL}', :collector)")
    await session.flush()
    return StoredRun(id=row.id, outcome=row.outcome, opened=row.opened, closed=row.closed)


SPANS_HELD: Final = """
SELECT provider, seller, instance_type, gpu, gpu_count, region, tier, pricing, term_months, first_seen, closed_at
  FROM price JOIN sku ON sku.id = price.sku_id
 WHERE collector = $1 AND closed_at IS NOT NULL
"""

ADD_SOLD: Final = f"""
INSERT INTO sku (collector, {comma(KEY + ABOUT)})
SELECT DISTINCT ON ({comma(KEY)}) :collector, {comma(KEY + ABOUT)} FROM staged ORDER BY {comma(KEY)}, observed_at DESC
ON CONFLICT DO NOTHING
"""

ADD_PRICES: Final = f"""
INSERT INTO price (sku_id, run_id, price_per_hour, currency, upfront, first_seen, last_seen, closed_at, available)
SELECT sku.id, :run, price_per_hour, currency, upfront, observed_at, last_seen, closed_at, available
  FROM staged JOIN (SELECT * FROM sku WHERE collector = :collector) AS sku ON {same_key("sku", "staged")}
"""
