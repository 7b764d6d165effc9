"""Of all processes on one database one leads; it runs each job at its interval, and another takes over when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import NOON
from sqlalchemy import text
from waiting import until

from service.database import Database, DatabaseUnavailable
from service.schedule import Job, Schedule, first_run, run_in_turn, running_schedule, scheduler_of, wait_of

SOON = timedelta(milliseconds=20)


class Bell:
    """A job that rings, and remembers who rang it."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    def job(self, by: str, interval: timedelta = SOON, name: str = "ring") -> Job:
        async def ring() -> None:
            self.rung.append(by)

        return Job(name=name, interval=interval, run=ring)


def part(database: Database, *jobs: Job) -> AbstractAsyncContextManager[Schedule]:
    """A process's part in the schedule of this database."""

    async def all_jobs() -> Sequence[Job]:
        return jobs

    return running_schedule(
        all_jobs, connect=database.connect, clock=lambda: datetime.now(UTC), ask_again=SOON, spread=timedelta(0)
    )


async def test_one_of_two_leads_and_only_it_runs_the_jobs(fresh_database: Database) -> None:
    bell = Bell()

    async with part(fresh_database, bell.job("first")) as first:
        await until(lambda: first.is_leading)
        async with part(fresh_database, bell.job("second")) as second:
            await until(lambda: len(bell.rung) >= 3)

            assert not second.is_leading
            assert set(bell.rung) == {"first"}


async def test_when_the_leader_ends_the_other_takes_over(fresh_database: Database) -> None:
    bell = Bell()
    ends = AsyncExitStack()
    first = await ends.enter_async_context(part(fresh_database, bell.job("first")))
    await until(lambda: first.is_leading and "first" in bell.rung)

    async with part(fresh_database, bell.job("second")) as second:
        await ends.aclose()
        await until(lambda: second.is_leading and "second" in bell.rung)

    assert bell.rung.index("second") == bell.rung.count("first")


async def test_a_leader_whose_connection_is_lost_stops_its_jobs_and_may_lead_again(fresh_database: Database) -> None:
    bell = Bell()

    async with part(fresh_database, bell.job("first")) as schedule:
        await until(lambda: schedule.is_leading)
        await _kill_the_leader(fresh_database)
        await until(lambda: not schedule.is_leading)
        await until(lambda: schedule.is_leading)
        rung = len(bell.rung)
        await until(lambda: len(bell.rung) > rung)


async def test_a_database_that_is_away_is_asked_again() -> None:
    asked = 0

    async def connect() -> object:
        nonlocal asked
        asked += 1
        raise DatabaseUnavailable("it is away")

    async def no_jobs() -> Sequence[Job]:
        return ()

    async with running_schedule(
        no_jobs,
        connect=connect,  # type: ignore[arg-type]
        clock=lambda: NOON,
        ask_again=SOON,
    ) as schedule:
        await until(lambda: asked >= 3)

        assert not schedule.is_leading


async def test_a_job_that_fails_fails_alone_and_is_tried_again(
    fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    bell, failures = Bell(), 0

    async def fail() -> None:
        nonlocal failures
        failures += 1
        raise RuntimeError("this job is broken")

    broken = Job(name="broken", interval=SOON, run=fail)
    async with part(fresh_database, broken, bell.job("first")):
        await until(lambda: failures >= 2 and len(bell.rung) >= 2)

    assert "this job is broken" in caplog.text


async def test_a_job_that_takes_longer_than_its_interval_never_runs_beside_itself(fresh_database: Database) -> None:
    running, most, ended = 0, 0, 0

    async def slow() -> None:
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await asyncio.sleep(10 * SOON.total_seconds())
        running -= 1
        ended += 1

    async with part(fresh_database, Job(name="slow", interval=SOON, run=slow)):
        await until(lambda: ended >= 2)

    assert most == 1


@pytest.mark.parametrize(
    ("last_started", "expected"),
    [
        (None, NOON),
        (NOON - timedelta(hours=7), NOON),
        (NOON - timedelta(hours=2), NOON + timedelta(hours=4)),
    ],
)
def test_a_restart_asks_no_source_sooner_than_its_interval(last_started: datetime | None, expected: datetime) -> None:
    job = Job(name="ring", interval=timedelta(hours=6), run=Bell().job("nobody").run, last_started=last_started)

    assert first_run(job, NOON, spread=timedelta(0)) == expected


@pytest.mark.parametrize(
    ("failures", "hours"), [(0, 24), (1, 1 / 12), (2, 1 / 6), (3, 1 / 3), (8, 32 / 3), (10, 24), (10_000, 24)]
)
def test_after_each_failure_the_wait_is_twice_as_long_up_to_the_interval(failures: int, hours: float) -> None:
    job = Job(name="ring", interval=timedelta(hours=24), run=Bell().job("nobody").run, failures=failures)

    assert wait_of(job) == timedelta(hours=hours)


def test_a_source_that_is_asked_often_is_left_alone_for_longer_while_it_fails() -> None:
    often = Job(name="ring", interval=timedelta(minutes=15), run=Bell().job("nobody").run, failures=12)

    assert wait_of(often) == timedelta(hours=6)


def test_nobody_is_asked_before_they_said_we_may() -> None:
    ring, later = Bell().job("nobody").run, NOON + timedelta(hours=9)
    job = Job(name="ring", interval=timedelta(hours=6), run=ring, last_started=NOON, failures=1, not_before=later)

    assert first_run(job, NOON, spread=timedelta(0)) == later


async def test_after_a_run_a_job_is_due_as_it_then_stands() -> None:
    bell = Bell()

    async def renewed() -> Job:
        return replace(job, last_started=NOON, failures=3)

    job = replace(bell.job("first", timedelta(hours=6)), renewed=renewed)
    scheduler = scheduler_of([job], NOON, timedelta(0))

    await run_in_turn(job, scheduler, lambda: NOON)

    assert bell.rung == ["first"]
    wait = scheduler.get_job("ring").next_run_time - NOON
    assert timedelta(minutes=20) <= wait <= timedelta(minutes=21)


async def test_a_run_that_breaks_is_followed_by_another(fresh_database: Database) -> None:
    async def fail() -> None:
        raise RuntimeError("this job is broken")

    async def renewed() -> Job:
        raise AssertionError("a broken run says nothing of how it stands")

    job = Job(name="ring", interval=timedelta(hours=6), run=fail, renewed=renewed)
    scheduler = scheduler_of([job], NOON, timedelta(0))

    with pytest.raises(RuntimeError):
        await run_in_turn(job, scheduler, lambda: NOON)

    assert scheduler.get_job("ring")


async def test_a_source_that_fails_for_a_week_holds_back_no_other(fresh_database: Database) -> None:
    bell, started = Bell(), 0

    async def hang() -> None:
        nonlocal started
        started += 1
        await asyncio.Event().wait()

    failing = Job(name="failing", interval=SOON, run=hang, failures=100, last_started=NOON - timedelta(days=7))
    async with part(fresh_database, failing, bell.job("other")):
        await until(lambda: started == 1 and len(bell.rung) >= 3)

    assert started == 1


async def test_every_job_is_late_rather_than_lost_and_differs_from_its_neighbours_by_chance() -> None:
    bell = Bell()

    scheduler = scheduler_of([bell.job("first", timedelta(hours=6))], NOON, timedelta(0))

    (job,) = scheduler.get_jobs()
    assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, 6 * 3600)
    assert 0 < job.trigger.jitter <= 0.1 * 6 * 3600


async def _kill_the_leader(database: Database) -> None:
    """End the server's side of whichever connection holds the lock, as a restart of the database does."""
    async with database.engine.connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
        )


@pytest.fixture(autouse=True)
async def _nothing_is_left_running() -> AsyncIterator[None]:
    yield
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "schedule" not in names
