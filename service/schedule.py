"""The jobs that run by themselves, and who runs them: of all processes on one database, one leads and the others wait.

The leader is whoever holds an advisory lock, on a connection of its own: the lock ends with the connection, however the
process ends, and a follower that asks again takes it. A job that two run at once after all is refused where it is done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import asyncpg
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from service.database import again_and_again

LEADER_LOCK: Final = 0x7269_6C64  # "rild"; the migrations' lock is another
ASK_AGAIN: Final = timedelta(seconds=5)  # how soon a follower notices that nobody leads, and a leader that it is alone
SPREAD: Final = timedelta(seconds=20)  # jobs that are due at the start begin within it, not all at once
JITTER: Final = 0.05  # of the interval: no source is asked by all its readers in the same second
FIRST_WAIT: Final = timedelta(minutes=5)  # after a failure; doubled with each that follows
LONGEST_WAIT: Final = timedelta(hours=6)  # or the interval, if that is longer

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something done again and again."""

    name: str
    interval: timedelta
    run: Callable[[], Awaitable[None]]
    last_started: datetime | None = None  # None: never
    failures: int = 0  # in a row, of a kind that may pass
    not_before: datetime | None = None  # by the word of whoever is asked; None: not said
    renewed: Callable[[], Awaitable[Job]] | None = None  # how it stands after a run; None: as before


@asynccontextmanager
async def running_schedule(
    jobs: Callable[[], Awaitable[Sequence[Job]]],  # asked by a new leader: when each was last done may have changed
    *,
    connect: Connect,
    clock: Callable[[], datetime],
    ask_again: timedelta = ASK_AGAIN,
    spread: timedelta = SPREAD,
) -> AsyncIterator[Schedule]:
    """Take part: lead as soon as nobody else does, for as long as the body runs."""
    schedule = Schedule(jobs, connect, clock, ask_again, spread)
    task = asyncio.create_task(schedule.take_part(), name="schedule")
    try:
        yield schedule
    finally:
        await end([task])


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and again what did not hear it: in Python 3.11, `wait_for` loses a cancellation that meets its result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


class Schedule:
    """One process's part in the schedule."""

    def __init__(
        self,
        jobs: Callable[[], Awaitable[Sequence[Job]]],
        connect: Connect,
        clock: Callable[[], datetime],
        ask_again: timedelta,
        spread: timedelta,
    ) -> None:
        self._jobs = jobs
        self._connect = connect
        self._clock = clock
        self._ask_again = ask_again.total_seconds()
        self._spread = spread
        self.is_leading = False

    async def take_part(self) -> None:
        """Lead or follow, for ever."""
        await again_and_again(self._lead_once, partial(asyncio.sleep, self._ask_again), "the schedule")

    async def _lead_once(self) -> None:
        """Wait for the lock, then run the jobs until the connection that holds it is lost."""
        connection = await self._connect()
        try:
            while True:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
                    break
                await asyncio.sleep(self._ask_again)
            async with self._jobs_running():
                while True:
                    await asyncio.sleep(self._ask_again)
                    await connection.fetchval("SELECT 1", timeout=max(5.0, self._ask_again))
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _jobs_running(self) -> AsyncIterator[None]:
        scheduler = scheduler_of(await self._jobs(), self._clock(), self._spread, self._clock)
        scheduler.start()
        self.is_leading = True
        log.info("leading the schedule", jobs=len(scheduler.get_jobs()))
        try:
            yield
        finally:
            self.is_leading = False
            scheduler.shutdown(wait=False)
            log.info("no longer leading the schedule")


def scheduler_of(
    jobs: Sequence[Job], now: datetime, spread: timedelta, clock: Callable[[], datetime] | None = None
) -> AsyncIOScheduler:
    """A scheduler with these jobs, not started. A job that is late runs once, and never beside itself."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    for job in jobs:
        seconds = job.interval.total_seconds()
        scheduler.add_job(
            run_in_turn,
            IntervalTrigger(seconds=seconds, timezone="UTC", jitter=seconds * JITTER),
            next_run_time=first_run(job, now, spread),
            args=[job, scheduler, clock or (lambda: datetime.now(UTC))],
            id=job.name,
            name=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=max(1, round(seconds)),
        )
    return scheduler


async def run_in_turn(job: Job, scheduler: AsyncIOScheduler, clock: Callable[[], datetime]) -> None:
    """Cut short when this process no longer leads: whatever it was doing is rolled back, and no failure."""
    with suppress(asyncio.CancelledError):
        await job.run()
        if job.renewed is None:
            return
        stands = await job.renewed()
        wait = wait_of(stands)
        if scheduler.get_job(job.name):
            due = first_run(stands, clock(), timedelta(0)) + wait * (JITTER * random.random())
            scheduler.modify_job(job.name, next_run_time=due)


def wait_of(job: Job) -> timedelta:
    """How long after its last start a job is due: its interval, or after failures a wait that grows."""
    if not job.failures:
        return job.interval
    doubled = FIRST_WAIT * (1 << min(job.failures - 1, 20))
    return min(doubled, max(job.interval, LONGEST_WAIT))


def first_run(job: Job, now: datetime, spread: timedelta) -> datetime:
    """When its interval since the last time is over: a restart asks no source sooner. What is due begins soon."""
    soon = now + spread * random.random()
    due = soon if job.last_started is None else max(soon, job.last_started + wait_of(job))
    return max(due, job.not_before or due)
