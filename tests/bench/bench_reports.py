"""A thousand subscriptions due in the same minute: how long until all are handed over, and what the API feels."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

import httpx
from measure import observations, report
from sqlalchemy import update

sys.path.insert(0, str(Path(__file__).parent.parent))  # what the tests share
from reporting import receiver

from service import store
from service.app import create_app, running, utc_now
from service.checks import CollectedRun
from service.database import open_database
from service.settings import Settings
from service.store import StoredSubscription
from service.web.services import Services

SUBSCRIPTIONS = 1000
QUESTIONS = 50  # that they ask among them
WANTED_MS = 60_000
WORKLOADS = ("nanochat-d32", "nanochat-d20", "gpt2-124m", "tinyllama-1.1b", "llama-2-7b")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-reports-") as folder:
        settings = Settings(data_dir=Path(folder), api_key="bench", private_destinations=True, scheduler=False)
        await _fill(settings)
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            receiver() as received,
            running(settings, utc_now) as services,
            httpx.AsyncClient(transport=transport, base_url="http://bench") as client,
        ):
            app.state.services = services
            await _subscribe(client, services, received.address)
            quiet = await _latency(client, 5)
            began, worked = time.perf_counter(), time.process_time()
            working = asyncio.create_task(_work(services))
            busy = await _latency(client, 10_000, until=working)
            await working
            took = time.perf_counter() - began
            report(f"{len(received.by_key()):,} reports made and handed over", took, WANTED_MS)
            report("processor time of that, API and receiver included", time.process_time() - worked)
            report("median latency of the API, nothing else going on", quiet)
            report("median latency of the API meanwhile", busy, 2000 * quiet)


async def _fill(settings: Settings) -> None:
    """Some prices: 5,000 offers of 400 kinds of machines."""
    now = utc_now() - timedelta(minutes=1)
    seen = tuple(observations(5000, 400, now))
    run = CollectedRun(
        collector="bench",
        source="live",
        started_at=now,
        duration_s=1.0,
        offers=len(seen),
        observations=seen,
        rejections=(),
    )
    async with open_database(settings) as database:
        await database.migrate()
        async with database.sessions.begin() as session:
            await store.save_run(session, run)


async def _subscribe(client: httpx.AsyncClient, services: Services, address: str) -> None:
    for number in range(SUBSCRIPTIONS):
        question = number % QUESTIONS
        body = {
            "name": f"number {number}",
            "ranking": {
                "workload": WORKLOADS[question % len(WORKLOADS)],
                "electricity_usd_per_kwh": 0.1 + question / 200,
            },
            "schedule": {"every": "daily"},
            "destinations": [{"kind": "webhook", "url": f"{address}/{number}", "secret": "a secret of the bench"}],
        }
        answer = await client.post("/api/v1/subscriptions", json=body, headers={"Authorization": "Bearer bench"})
        assert answer.status_code == 201, answer.text
    async with services.database.sessions.begin() as session:
        await session.execute(update(StoredSubscription).values(next_at=services.clock()))


async def _work(services: Services) -> None:
    """As `Desk.work` does it: making and sending beside each other."""

    async def deliver() -> None:
        while not making.done():
            await services.reports.courier.deliver_due()
            await asyncio.sleep(0.2)
        await services.reports.courier.deliver_due()

    making = asyncio.create_task(services.reports.make_due())
    await asyncio.gather(making, deliver())


async def _latency(
    client: httpx.AsyncClient,
    times: int,
    until: asyncio.Task[None] | None = None,
) -> float:
    """The median of one ranking after the other."""
    took = []
    for number in range(times):
        began = time.perf_counter()
        answer: httpx.Response = await client.get("/api/v1/ranking", params={"usd_per_day": number})
        assert answer.status_code == 200
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
        if until and until.done():
            break
    return median(took)


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    asyncio.run(main())
