"""The outbox: who may send what now, and how it went. Every function is one short transaction's work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.store.report_tables import StoredDelivery, StoredDestination, StoredSubscription


class Claimed(NamedTuple):
    """A delivery that is the caller's until its claim runs out."""

    id: int
    report_id: str
    destination_id: int
    lane: str
    idempotency_key: str
    attempts: int  # this one included
    first_attempt_at: datetime
    kind: str
    shown: dict[str, object]
    sealed: bytes


async def claim(
    session: AsyncSession,
    now: datetime,
    until: datetime,
    *,
    limit: int,
    per_lane: int,
    without_lanes: Collection[str] = (),
    report_id: str | None = None,
) -> Sequence[Claimed]:
    """Some deliveries whose time has come, a few of each lane, claimed for the caller; others pass over them.

    What was claimed by a process that died is claimed again once its claim has run out.
    """
    values = {
        "now": now,
        "until": until,
        "limit": limit,
        "per_lane": per_lane,
        "without": list(without_lanes),
        "report": report_id,
    }
    rows = await session.execute(text(CLAIM), values)
    return [Claimed(*row) for row in rows]


# A lane that hangs has at most `per_lane` of its deliveries claimed, so that others always find room.
CLAIM: Final = """
WITH due AS (
  SELECT id, row_number() OVER (PARTITION BY lane ORDER BY next_attempt_at, id) AS place
    FROM delivery
   WHERE state = 'waiting' AND next_attempt_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now)
     AND NOT lane = ANY(CAST(:without AS text[]))
     AND (CAST(:report AS text) IS NULL OR report_id = :report)
), mine AS (
  SELECT id FROM delivery
   WHERE id IN (SELECT id FROM due WHERE place <= :per_lane ORDER BY place, id LIMIT :limit)
     AND state = 'waiting' AND (claimed_until IS NULL OR claimed_until <= :now)
     FOR UPDATE SKIP LOCKED
)
UPDATE delivery
   SET claimed_until = :until, attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, :now)
  FROM mine, destination
 WHERE delivery.id = mine.id AND destination.id = delivery.destination_id
RETURNING delivery.id, delivery.report_id, destination.id, delivery.lane, idempotency_key, attempts, first_attempt_at,
          destination.kind, shown, sealed
"""


async def mark_sent(session: AsyncSession, delivery_id: int, now: datetime) -> None:
    """Taken by its destination; its subscription has been served."""
    sent = update(StoredDelivery).where(StoredDelivery.id == delivery_id)
    await session.execute(sent.values(state="sent", sent_at=now, claimed_until=None, error=None))
    served = (
        select(StoredDestination.subscription_id)
        .join(StoredDelivery, StoredDelivery.destination_id == StoredDestination.id)
        .where(StoredDelivery.id == delivery_id)
    )
    last = func.greatest(StoredSubscription.last_sent_at, now)
    await session.execute(update(StoredSubscription).where(StoredSubscription.id.in_(served)).values(last_sent_at=last))


async def mark_later(session: AsyncSession, delivery_id: int, error: str, next_attempt_at: datetime) -> None:
    later = update(StoredDelivery).where(StoredDelivery.id == delivery_id, StoredDelivery.state == "waiting")
    await session.execute(later.values(next_attempt_at=next_attempt_at, claimed_until=None, error=error))


async def mark_failed(session: AsyncSession, delivery_id: int, error: str) -> None:
    """Given up; it stays visible."""
    failed = update(StoredDelivery).where(StoredDelivery.id == delivery_id, StoredDelivery.state == "waiting")
    await session.execute(failed.values(state="failed", claimed_until=None, error=error))


async def cancel(session: AsyncSession, destination_ids: Collection[int]) -> None:
    """Nothing that still waits goes there any more."""
    waiting = update(StoredDelivery).where(
        StoredDelivery.destination_id.in_(destination_ids), StoredDelivery.state == "waiting"
    )
    await session.execute(waiting.values(state="cancelled", claimed_until=None))
