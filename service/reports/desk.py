"""Where reports are made: whose time has come, which alert fires; and the loop of a process that makes and delivers.

Several processes may do this on one database. A report and what is to be delivered of it are stored in the transaction
that moves the subscription on: a process that is killed has done all of it or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.database import AWAY, again_and_again
from service.parameters import InvalidParameters
from service.reports import alerts as watching
from service.reports.courier import Courier
from service.reports.given import Fired
from service.reports.maker import Made, Maker
from service.reports.sealing import Sealer
from service.reports.subscription import Subscription
from service.store import StoredSubscription

MAKERS: Final = 2  # reports that are made at once: one counts while the other waits for the database
BREATH_S: Final = 0.03  # between two reports: whoever asks the API meanwhile waits for no queue of them
LOOK_AGAIN_S: Final = 2.0  # for what other processes have made, and for what is due by the clock

log = structlog.get_logger()


class NoSuchSubscription(Exception):
    """There is no subscription of this id."""

    def __init__(self) -> None:
        super().__init__("There is no such subscription; see /api/v1/subscriptions")


class NowhereToSend(Exception):
    """Every destination of the subscription has been unsubscribed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Makes reports, and puts what is to be delivered into the outbox."""

    maker: Maker
    courier: Courier
    sealer: Sealer
    keeps: timedelta  # reports
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    # Making ----------------------------------------------------------------------------------------------------------

    async def make_due(self) -> int:
        """A report for every subscription whose time has come; a time that was missed is made up for once."""
        return sum(await asyncio.gather(*(self._all(self._next_due) for _ in range(MAKERS))))

    async def check_alerts(self) -> int:
        """A report for every alert that fires."""
        return sum(await asyncio.gather(*(self._all(self._next_to_check) for _ in range(MAKERS))))

    async def send_now(self, subscription_id: str) -> str:
        """Make a report because somebody asks; the id it has. Raises NoSuchSubscription, NowhereToSend."""
        async with self.maker.database.sessions.begin() as session:
            row = await subscription_row(session, subscription_id, lock=True)
            if not _active(row):
                raise NowhereToSend(f"{row.name} has no destination left")
            now = self.maker.clock()
            made = await self.maker.report_for(session, row, "asked", now, slot=f"asked {now.isoformat()}")
            await self._keep(session, row, made, now)
        self.woken.set()
        return made.report.id

    async def _all(self, take: Callable[[AsyncSession], Awaitable[int | None]]) -> int:
        made = 0
        while (outcome := await self._next(take)) is not None:
            made += outcome
            await asyncio.sleep(BREATH_S)
        return made

    async def _next(self, take: Callable[[AsyncSession], Awaitable[int | None]]) -> int | None:
        async with self.maker.database.sessions.begin() as session:
            made = await take(session)
        if made:
            self.woken.set()
        return made

    async def _next_due(self, session: AsyncSession) -> int | None:
        """One subscription's scheduled report. None: no more is due."""
        now = self.maker.clock()
        due = await store.due_subscriptions(session, now, 1)
        if not due:
            return None
        row = due[0]
        subscription_id, slot = row.id, f"schedule {row.next_at:%Y-%m-%dT%H:%M:%SZ}"
        schedule = Subscription.of(row).schedule
        following = schedule.next_after(now) if schedule else None
        made, problem = await self._isolated(session, row, self._scheduled(session, row, slot, now))
        await _set(session, subscription_id, next_at=following, problem=problem)
        return made or 0

    async def _scheduled(self, session: AsyncSession, row: StoredSubscription, slot: str, now: datetime) -> int:
        if not _active(row):
            return 0
        made = await self.maker.report_for(session, row, "schedule", now, slot=slot)
        if row.only_changes and made.report.since is not None and not made.report.has_news:
            return 0
        await self._keep(session, row, made, now)
        subscription = Subscription.of(row)
        states = watching.states_of(row.alert_states)
        told = watching.told(subscription.alerts, states, made.report.cheapest_usd)
        await _set(session, row.id, last_report_id=made.report.id, alert_states=_stored(told))
        return 1

    async def _next_to_check(self, session: AsyncSession) -> int | None:
        now, version = self.maker.clock(), self.maker.market.version
        found = await store.subscriptions_to_check(session, version, now, 1)
        if not found:
            return None
        row = found[0]
        subscription_id = row.id
        made, problem = await self._isolated(session, row, self._checked(session, row, now))
        checked: dict[str, Any] = {"alerts_checked_at": now, "alerts_checked_market": version}
        await _set(session, subscription_id, **checked, **({"problem": problem} if problem else {}))
        return made or 0

    async def _checked(self, session: AsyncSession, row: StoredSubscription, now: datetime) -> int:
        subscription = Subscription.of(row)
        seen = await self.maker.seen(session, subscription, now)
        fired, states = watching.check(subscription.alerts, watching.states_of(row.alert_states), seen)
        changed: dict[str, Any] = {"alert_states": _stored(states)}
        if fired and _active(row):
            made = await self._alerted(session, row, fired, now)
            if row.cron is None:
                changed["last_report_id"] = made.report.id
        await _set(session, row.id, **changed)
        return 1 if fired else 0

    async def _alerted(
        self, session: AsyncSession, row: StoredSubscription, fired: Sequence[Fired], now: datetime
    ) -> Made:
        """Several alerts at once are one report: its subject tells the first."""
        slot = f"alert {fired[0].kind} {now.isoformat()}"
        made = await self.maker.report_for(session, row, "alert", now, slot=slot, fired=fired[0])
        await self._keep(session, row, made, now)
        return made

    async def _isolated(
        self, session: AsyncSession, row: StoredSubscription, work: Coroutine[Any, Any, int]
    ) -> tuple[int | None, str | None]:
        """How many reports came of it, or why none could: one subscription's trouble is no other's."""
        subscription_id = row.id

        async def in_savepoint() -> int:
            async with session.begin_nested():
                return await work

        task = asyncio.ensure_future(in_savepoint())
        await asyncio.wait([task])
        error = task.exception()
        if error is None:
            return task.result(), None
        if isinstance(error, AWAY):
            raise error
        if isinstance(error, InvalidParameters):
            return None, f"no report can be made: {error}"
        log.error("report broke", subscription=subscription_id, exc_info=error)
        return None, "no report can be made: something broke on our side, the log says what"

    async def _keep(self, session: AsyncSession, row: StoredSubscription, made: Made, now: datetime) -> None:
        """The report and what is to be delivered of it."""
        stored = made.stored()
        session.add(stored)
        await session.flush()
        session.add_all(
            store.StoredDelivery(
                report_id=stored.id,
                destination_id=destination.id,
                kind=destination.kind,
                lane=destination.lane,
                idempotency_key=f"{stored.id}-{destination.id}",
                next_attempt_at=now,
            )
            for destination in _active(row)
        )
        await session.flush()

    # Forgetting ------------------------------------------------------------------------------------------------------

    async def forget_old(self) -> None:
        """Delete the reports that are older than reports are kept, with how they were delivered."""
        async with self.maker.database.sessions.begin() as session:
            forgotten = await store.forget_reports(session, self.maker.clock() - self.keeps)
        if forgotten:
            log.info("old reports are deleted", reports=forgotten)

    # For ever --------------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Make and send until cancelled."""
        await asyncio.gather(
            again_and_again(self._make, partial(asyncio.sleep, LOOK_AGAIN_S), "the making of reports"),
            again_and_again(self._deliver, self._until_woken, "the delivering of reports"),
        )

    async def _make(self) -> None:
        if self.maker.is_ready:
            await self.make_due()
            await self.check_alerts()

    async def _deliver(self) -> None:
        self.woken.clear()
        await self.courier.deliver_due()

    async def _until_woken(self) -> None:
        """Or until it is time to look what other processes have made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self.woken.wait()


async def subscription_row(session: AsyncSession, subscription_id: str, *, lock: bool = False) -> StoredSubscription:
    """Raises NoSuchSubscription."""
    row = await store.subscription(session, subscription_id, lock=lock)
    if row is None:
        raise NoSuchSubscription
    return row


def _active(row: StoredSubscription) -> list[store.StoredDestination]:
    return [destination for destination in row.destinations if destination.unsubscribed_at is None]


def _stored(states: dict[str, watching.AlertState]) -> Any:
    return msgspec.to_builtins(states)


async def _set(session: AsyncSession, subscription_id: str, **values: Any) -> None:
    await session.execute(
        update(StoredSubscription)
        .where(StoredSubscription.id == subscription_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
