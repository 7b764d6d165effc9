"""Who wants reports, and whose is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from service.store.places import cursor_at, place_of
from service.store.report_tables import StoredDestination, StoredSubscription, is_id
from service.store.runs import Page

ALERTS_AGE = timedelta(minutes=5)  # how often alerts are looked at although no price changed: sources fall silent


async def subscriptions(
    session: AsyncSession, *, limit: int = 50, cursor: str | None = None
) -> Page[StoredSubscription]:
    """All of them in the order of their creation. Raises InvalidCursor."""
    chosen = select(StoredSubscription).options(selectinload(StoredSubscription.destinations))
    place = tuple_(StoredSubscription.created_at, StoredSubscription.id)
    if cursor is not None:
        chosen = chosen.where(place > place_of(cursor))
    ordered = chosen.order_by(StoredSubscription.created_at, StoredSubscription.id)
    rows = (await session.scalars(ordered.limit(limit + 1))).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], cursor_at(last.created_at, last.id) if last else None)


async def count_subscriptions(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(StoredSubscription)) or 0


async def subscription(session: AsyncSession, subscription_id: str, *, lock: bool = False) -> StoredSubscription | None:
    """One of them with its destinations; locked until the transaction ends, where something follows from it."""
    if not is_id(subscription_id):
        return None
    chosen = select(StoredSubscription).where(StoredSubscription.id == subscription_id)
    chosen = chosen.options(selectinload(StoredSubscription.destinations))
    return await session.scalar(chosen.with_for_update() if lock else chosen)


async def subscriptions_named(session: AsyncSession, name: str) -> Sequence[StoredSubscription]:
    """By id or by name."""
    chosen = select(StoredSubscription).where(or_(StoredSubscription.id == name, StoredSubscription.name == name))
    return (await session.scalars(chosen.options(selectinload(StoredSubscription.destinations)))).all()


async def due_subscriptions(session: AsyncSession, now: datetime, limit: int) -> Sequence[StoredSubscription]:
    """Some whose time has come, locked for whoever asks; others pass over them."""
    return await _locked(session, StoredSubscription.next_at <= now, limit)


async def subscriptions_to_check(
    session: AsyncSession, market_version: str, now: datetime, limit: int
) -> Sequence[StoredSubscription]:
    """Some whose alerts have not been looked at since prices changed, or for a while; locked likewise."""
    old = or_(
        StoredSubscription.alerts_checked_at.is_(None),
        StoredSubscription.alerts_checked_at <= now - ALERTS_AGE,
        StoredSubscription.alerts_checked_market.is_distinct_from(market_version),
    )
    return await _locked(session, and_(func.jsonb_array_length(StoredSubscription.alerts) > 0, old), limit)


async def destination(session: AsyncSession, destination_id: int) -> StoredDestination | None:
    """One destination with its subscription, locked."""
    chosen = select(StoredDestination).where(StoredDestination.id == destination_id)
    options = selectinload(StoredDestination.subscription).selectinload(StoredSubscription.destinations)
    return await session.scalar(chosen.options(options).with_for_update())


async def _locked(session: AsyncSession, rule: ColumnElement[bool], limit: int) -> Sequence[StoredSubscription]:
    chosen = (
        select(StoredSubscription)
        .where(StoredSubscription.paused.is_(False), rule)
        .options(selectinload(StoredSubscription.destinations))
        .order_by(StoredSubscription.next_at, StoredSubscription.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(chosen)).all()
