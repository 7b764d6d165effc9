"""What was collected, and what was set aside: the newest first, in pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import contains_eager

from service.store.tables import Outcome, Price, Run, Sku, StoredRejection

Row = TypeVar("Row", Run, StoredRejection)
Item = TypeVar("Item")
LARGEST_ID = 2**63 - 1


class InvalidCursor(ValueError):
    """The cursor is none of ours."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows, and where to go on."""

    items: Sequence[Item]
    next_cursor: str | None  # None: this was the last page


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorState:
    """How a collector does."""

    last_run: Run
    last_success: Run | None  # the newest run that was believed
    offers: int  # prices that are not closed
    last_read: Run | None = None  # the newest run whose answers were understood, believed or not
    rejected: Mapping[str, int] = field(default_factory=dict)  # offers that it set aside, by reason


async def runs(
    session: AsyncSession, *, collector: str | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Run]:
    """The runs, newest first. Raises InvalidCursor."""
    chosen = select(Run).where(Run.id < _after(cursor)).order_by(Run.id.desc())
    if collector is not None:
        chosen = chosen.where(Run.collector == collector)
    return await _page(session, chosen, limit)


async def knows_prices(session: AsyncSession, besides: Collection[str]) -> bool:
    """Whether anything was ever asked for prices, besides these collectors."""
    asked = select(Run.id).where(Run.collector.not_in(besides))
    return bool(await session.scalar(select(asked.exists())))


async def run(session: AsyncSession, run_id: int) -> Run | None:
    return await session.get(Run, run_id)


async def reserve_run(asked: AsyncSession | AsyncConnection, *, outlasts_transaction: bool = False) -> int:
    """The id that a run will have, and a sign to others that it is under way.

    The sign ends with the transaction, or with the connection that releases its advisory locks.
    """
    run_id: int = await asked.scalar(text("SELECT nextval(pg_get_serial_sequence('run', 'id'))")) or 0
    lock = "pg_advisory_lock" if outlasts_transaction else "pg_advisory_xact_lock"
    await asked.execute(text(f"SELECT {lock}(:class, :run)"), _sign(run_id))
    return run_id


async def run_is_under_way(session: AsyncSession, run_id: int) -> bool:
    """Whether some process is collecting under this id just now."""
    return bool(await session.scalar(text(RUN_UNDER_WAY), _sign(run_id)))


def _sign(run_id: int) -> dict[str, int]:
    return {"class": UNDER_WAY, "run": run_id % 2**31}


UNDER_WAY = 0x7275  # "ru": the first half of the advisory locks of runs; the second is the id
RUN_UNDER_WAY = """
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
     WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND datname = current_database()
       AND classid::bigint = :class AND objid::bigint = :run
)
"""


async def rejections(
    session: AsyncSession,
    *,
    collector: str | None = None,
    run_id: int | None = None,
    reason: str | None = None,
    newest: bool = False,  # only of each collector's newest run that was read: what there is to work off
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StoredRejection]:
    """The quarantine, newest first, each with its run. Raises InvalidCursor."""
    chosen = (
        select(StoredRejection)
        .join(StoredRejection.run)
        .options(contains_eager(StoredRejection.run))
        .where(StoredRejection.id < _after(cursor))
        .order_by(StoredRejection.id.desc())
    )
    if collector is not None:
        chosen = chosen.where(Run.collector == collector)
    if run_id is not None:
        chosen = chosen.where(Run.id == run_id)
    if reason is not None:
        chosen = chosen.where(StoredRejection.reason == reason)
    if newest:
        read = select(func.max(Run.id)).where(Run.outcome != "failed").group_by(Run.collector)
        chosen = chosen.where(StoredRejection.run_id.in_(read))
    return await _page(session, chosen, limit)


async def failures(session: AsyncSession, collector: str) -> int:
    """How many of its newest runs in a row found nobody to answer; counted to a dozen."""
    newest = select(Run.error_kind).where(Run.collector == collector).order_by(Run.id.desc()).limit(12)
    kinds = await session.scalars(newest)
    return sum(1 for _ in takewhile(lambda kind: kind == "provider_unavailable", kinds))


async def last_outcome(session: AsyncSession, collector: str) -> Outcome | None:
    """How the newest run of a collector ended. None: it never ran."""
    newest = select(Run.outcome).where(Run.collector == collector).order_by(Run.id.desc()).limit(1)
    return await session.scalar(newest)


async def collectors(session: AsyncSession) -> dict[str, CollectorState]:
    """The state of every collector that ever ran, by slug."""
    last = await _newest_runs(session, select(Run))
    success = await _newest_runs(session, select(Run).where(Run.outcome == "ok"))
    counted = select(Sku.collector, func.count()).join(Price).where(Price.closed_at.is_(None)).group_by(Sku.collector)
    offers = dict((await session.execute(counted)).all())
    read = await _newest_runs(session, select(Run).where(Run.outcome != "failed"))
    rejected = await _rejected(session, [run.id for run in read.values()])
    return {
        slug: CollectorState(
            last_run=newest,
            last_success=success.get(slug),
            offers=offers.get(slug, 0),
            last_read=read.get(slug),
            rejected=rejected.get(read[slug].id, {}) if slug in read else {},
        )
        for slug, newest in last.items()
    }


async def _rejected(session: AsyncSession, run_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """What each of these runs set aside, by reason, the most frequent first."""
    counted = (
        select(StoredRejection.run_id, StoredRejection.reason, func.count().label("offers"))
        .where(StoredRejection.run_id.in_(run_ids))
        .group_by(StoredRejection.run_id, StoredRejection.reason)
        .order_by(func.count().desc(), StoredRejection.reason)
    )
    found: dict[int, dict[str, int]] = {}
    for run_id, reason, offers in (await session.execute(counted)).all():
        found.setdefault(run_id, {})[reason] = offers
    return found


async def _newest_runs(session: AsyncSession, chosen: Select[Run]) -> dict[str, Run]:
    newest = chosen.ext(distinct_on(Run.collector)).order_by(Run.collector, Run.id.desc())
    return {each.collector: each for each in await session.scalars(newest)}


# Pages ---------------------------------------------------------------------------------------------------------------


async def _page(session: AsyncSession, chosen: Select[Row], limit: int) -> Page[Row]:
    rows = (await session.scalars(chosen.limit(limit + 1))).all()
    more = len(rows) > limit
    return Page(rows[:limit], _cursor(rows[limit - 1].id) if more else None)


def _cursor(last_id: int) -> str:
    return base64.urlsafe_b64encode(str(last_id).encode()).decode().rstrip("=")


def _after(cursor: str | None) -> int:
    """The id that the page comes after."""
    if cursor is None:
        return LARGEST_ID
    try:
        last_id = int(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor(f"{cursor!r} is no cursor of this list") from error
    if not 0 < last_id < LARGEST_ID or _cursor(last_id) != cursor:
        raise InvalidCursor(f"{cursor!r} is no cursor of this list")
    return last_id
