"""The reports that were made: the newest first, in pages; one exactly as it was sent; until it is old."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, selectinload

from service.store.places import cursor_at, place_of
from service.store.report_tables import StoredDelivery, StoredReport, StoredSubscription, is_id
from service.store.runs import Page

WEIGHTY = (StoredReport.ranking, StoredReport.html, StoredReport.text, StoredReport.markdown, StoredReport.chart)


async def reports(
    session: AsyncSession, *, subscription_id: str | None = None, limit: int = 50, cursor: str | None = None
) -> Page[StoredReport]:
    """Without the ranking and the pages that each of them keeps. Raises InvalidCursor."""
    chosen = select(StoredReport).options(*(defer(column, raiseload=True) for column in WEIGHTY))
    chosen = chosen.options(selectinload(StoredReport.deliveries))
    if subscription_id is not None:
        chosen = chosen.where(StoredReport.subscription_id == subscription_id)
    if cursor is not None:
        chosen = chosen.where(tuple_(StoredReport.made_at, StoredReport.id) < place_of(cursor))
    ordered = chosen.order_by(StoredReport.made_at.desc(), StoredReport.id.desc())
    rows = (await session.scalars(ordered.limit(limit + 1))).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], cursor_at(last.made_at, last.id) if last else None)


async def report(session: AsyncSession, report_id: str) -> StoredReport | None:
    """A report with how its deliveries went."""
    if not is_id(report_id):
        return None
    chosen = select(StoredReport).where(StoredReport.id == report_id)
    return await session.scalar(chosen.options(selectinload(StoredReport.deliveries)))


async def forget_reports(session: AsyncSession, before: datetime) -> int:
    """Delete what was made before then, with how it was delivered; how many reports that were.

    What a subscription's next report is compared with stays, and what is still to be delivered.
    """
    is_last = exists().where(StoredSubscription.last_report_id == StoredReport.id)
    waits = exists().where(StoredDelivery.report_id == StoredReport.id, StoredDelivery.state == "waiting")
    old = delete(StoredReport).where(StoredReport.made_at < before, ~is_last, ~waits)
    forgotten = await session.scalars(old.returning(StoredReport.id).execution_options(synchronize_session=False))
    return len(forgotten.all())
