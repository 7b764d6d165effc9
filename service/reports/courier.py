"""Hands over what waits in the outbox: many at once, each within its claim, again and ever later where it fails.

A delivery is claimed for a while, sent, and marked; when its claimer dies, another sends it again under the same
idempotency key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import defer

from service import store
from service.database import Database
from service.reports.outgoing import Outgoing, Refused, TryAgain
from service.reports.sealing import Sealer, Unreadable
from service.reports.senders import Senders
from service.store import StoredReport
from service.store.outbox import Claimed

DELAYS: Final = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 7200, 14400))
GIVING_UP: Final = timedelta(hours=12)
CLAIM: Final = timedelta(seconds=90)  # longer than any attempt takes: senders.TOTAL_S and the marking
AT_ONCE: Final = 32  # deliveries of one process
PER_LANE: Final = 8  # of them to one place

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Everything that deliveries need."""

    database: Database
    senders: Senders
    sealer: Sealer
    clock: Callable[[], datetime]
    public_url: str

    async def deliver_due(self, report_id: str | None = None) -> None:
        """Send what waits, many at once, until nothing is due; who hangs holds up only their own lane."""
        under_way: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                if len(under_way) <= AT_ONCE - PER_LANE:
                    for each in await self._claim(under_way.values(), report_id):
                        under_way[asyncio.create_task(self._attempt(each))] = each.lane
                if not under_way:
                    return
                done = await _some_of(under_way)
                for task in done:
                    del under_way[task]
                    if error := task.exception():  # its claim runs out, and it is tried again
                        log.error("delivery broke", exc_info=error)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _claim(self, lanes: Iterable[str], report_id: str | None) -> Sequence[Claimed]:
        busy = Counter(lanes)
        room = AT_ONCE - busy.total()
        now = self.clock()
        full = [lane for lane, count in busy.items() if count >= PER_LANE]
        async with self.database.sessions.begin() as session:
            return await store.outbox.claim(
                session,
                now,
                now + CLAIM,
                limit=room,
                per_lane=PER_LANE,
                without_lanes=full,
                report_id=report_id,
            )

    async def _attempt(self, claimed: Claimed) -> None:
        """One attempt, and what follows from it."""
        async with self.database.sessions() as session:
            options = [defer(StoredReport.ranking, raiseload=True)]
            report = await session.get_one(StoredReport, claimed.report_id, options=options)
        try:
            await self.senders.send(self._outgoing(claimed, report))
        except (Refused, Unreadable) as refused:
            await self._failed(claimed, str(refused))
        except TryAgain as trouble:
            await self._later(claimed, trouble)
        else:
            async with self.database.sessions.begin() as session:
                await store.outbox.mark_sent(session, claimed.id, self.clock())

    def _outgoing(self, claimed: Claimed, report: StoredReport) -> Outgoing:
        """Raises Unreadable."""
        token = self.sealer.token(claimed.destination_id)
        return Outgoing(
            idempotency_key=claimed.idempotency_key,
            kind=claimed.kind,
            shown=claimed.shown,
            secrets=self.sealer.unseal(claimed.sealed),
            pause_url=f"{self.public_url}/pause/{token}",
            unsubscribe_url=f"{self.public_url}/unsubscribe/{token}",
            report_id=report.id,
            made_at=report.made_at,
            language=report.language,
            subject=report.subject,
            value=report.value,
            html=report.html,
            text=report.text,
            markdown=report.markdown,
            chart=report.chart,
        )

    async def _later(self, claimed: Claimed, trouble: TryAgain) -> None:
        now = self.clock()
        again = next_attempt(claimed.attempts, claimed.first_attempt_at, now, trouble.after)
        if again is None:
            await self._failed(claimed, f"given up after {claimed.attempts} attempts: {trouble}")
            return
        log.warning("delivery waits", kind=claimed.kind, report=claimed.report_id, reason=str(trouble))
        async with self.database.sessions.begin() as session:
            await store.outbox.mark_later(session, claimed.id, str(trouble), again)

    async def _failed(self, claimed: Claimed, reason: str) -> None:
        log.error("delivery failed", kind=claimed.kind, report=claimed.report_id, reason=reason)
        async with self.database.sessions.begin() as session:
            await store.outbox.mark_failed(session, claimed.id, reason)


async def _some_of(tasks: Iterable[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that are done soon, one at least unless all hang: a few at once, so that the outbox is asked less often."""
    waited = list(tasks)
    done, pending = await asyncio.wait(waited, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    if pending:
        more, _ = await asyncio.wait(pending, timeout=0.05)
        done |= more
    return done


def next_attempt(
    attempts: int, first_attempt_at: datetime, now: datetime, asked_for: timedelta | None = None
) -> datetime | None:
    """After 5 s, 30 s, 2 min, then ever longer, for 12 hours in all. None: given up."""
    end = first_attempt_at + GIVING_UP
    if now >= end:
        return None
    delay = DELAYS[min(attempts, len(DELAYS)) - 1]
    return min(now + max(delay, asked_for or timedelta(0)), end)
