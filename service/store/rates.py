"""What currencies were worth, by day: only ever added to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.checks import CollectedRun
from service.store.prices import Asked, fetch
from service.store.saving import CHANNEL, StoredRun, copy, row_of

Rate = tuple[str, date, Decimal]  # currency, day, units for one euro


async def exchange_rates(asked: Asked, at: datetime, since: datetime | None = None) -> Sequence[Rate]:
    """The newest rates not after `at`; with `since`, those of every day from then on, and the newest before it."""
    return [(row["currency"], row["day"], row["units_per_eur"]) for row in await fetch(asked, RATES, at, since or at)]


async def save_rates(
    session: AsyncSession,
    run: CollectedRun,
    believed: Sequence[Rate],
    doubted: Iterable[tuple[Rate, str]],
    run_id: int | None = None,
) -> StoredRun:
    """Remember a run of the feed in the caller's transaction: its new rates, and those that are not believed."""
    doubts, row = list(doubted), row_of(run)
    row.observations, row.rejected = len(believed), len(doubts)
    if run_id is not None:
        row.id = run_id
    session.add(row)
    await session.flush()
    connection = await session.connection()
    rejected = [(row.id, "implausible", why, _as_json(rate)) for rate, why in doubts]
    await copy(connection, "rejection", ("run_id", "reason", "detail", "offer"), rejected)
    for rate in believed:
        row.opened += (await connection.execute(text(ADD), [_named(rate, row.id)])).rowcount
    await session.flush()
    if row.opened:
        await connection.execute(text(f"SELECT pg_notify('{CHANNEL}', :collector)"), {"collector": run.collector})
    return StoredRun(id=row.id, outcome=row.outcome, opened=row.opened)


def _named(rate: Rate, run_id: int) -> dict[str, object]:
    return {**dict(zip(("currency", "day", "units_per_eur"), rate, strict=True)), "run_id": run_id}


def _as_json(rate: Rate) -> str:
    currency, day, units_per_eur = rate
    return msgspec.json.encode({"currency": currency, "day": day, "units_per_eur": str(units_per_eur)}).decode()


ADD: Final = """
INSERT INTO exchange_rate (currency, day, units_per_eur, run_id) VALUES (:currency, :day, :units_per_eur, :run_id)
ON CONFLICT DO NOTHING
"""

# Each currency's newest day, with the dollar of that day; and every day since
RATES: Final = """
SELECT currency, day, units_per_eur
  FROM exchange_rate
 WHERE day IN (
         SELECT max(day) FROM exchange_rate WHERE day <= ($2 AT TIME ZONE 'UTC')::date GROUP BY currency
       )
    OR day > ($2 AT TIME ZONE 'UTC')::date AND day <= ($1 AT TIME ZONE 'UTC')::date
"""
