"""How long one waits for a ranking of 60,000 stored offers: by the command line, and from the HTTP API."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
from measure import measured, observations, report

from providers import discover
from service import catalogue, store
from service.checks import CollectedRun
from service.database import Database, open_database
from service.market import load_market
from service.settings import Settings

SERVICE = [sys.executable, "-m", "service"]


async def bench(folder: Path) -> None:
    async with open_database(Settings(data_dir=folder)) as database:  # stays open: a warm server for all that follows
        await database.migrate()
        with measured("first 5,000 offers stored"):
            await fill(database, 5_000)
        for _ in range(3):
            await asyncio.to_thread(command, folder, "rank --json, 5,000 offers, warm embedded store", 2000)
        with measured("60,000 offers stored"):
            await fill(database, 60_000)
        for _ in range(2):
            await load(database)
        for _ in range(2):
            await asyncio.to_thread(command, folder, "rank --json, 60,000 offers, warm embedded store", 2000)
        await asyncio.to_thread(serve, folder)


async def fill(database: Database, count: int) -> None:
    now = datetime.now(UTC)
    run = CollectedRun(
        collector="bench",
        source="live",
        started_at=now,
        duration_s=1,
        offers=count,
        observations=tuple(observations(count, 2_000, now)),
    )
    async with database.sessions.begin() as session:
        await store.save_run(session, run)


async def load(database: Database) -> None:
    async with database.engine.connect() as connection:
        with measured("market of 60,000 prices loaded from the store", 2000):
            await load_market(connection, catalogue.load(), datetime.now(UTC), discover())


def command(folder: Path, what: str, wanted_ms: float | None = None) -> None:
    with measured(what, wanted_ms):
        subprocess.run([*SERVICE, "rank", "--json"], env=environment(folder), check=True, stdout=subprocess.DEVNULL)


def serve(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with measured("serve, from start to ready"):
        server = subprocess.Popen(
            [*SERVICE, "serve", "--host", "127.0.0.1", "--port", str(port)],
            env=environment(folder) | {"RIG_OR_RENT_SCHEDULER": "off"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_ready(f"http://127.0.0.1:{port}", server)
    try:
        ask(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(20)


def wait_until_ready(origin: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{origin}/health/ready").is_success:
                return
        except httpx.TransportError:
            if server.poll() is not None:
                raise SystemExit(f"serve ended with status {server.returncode}") from None
        time.sleep(0.05)
    raise SystemExit("serve was not ready within 30 s")


def ask(origin: str) -> None:
    with httpx.Client(base_url=origin, timeout=30) as client:
        for what, parameters, wanted in [
            ("first ranking from HTTP", {}, 100),
            ("second ranking from HTTP", {}, 100),
            ("ranking from HTTP, other filters", {"gpu": "H100 SXM"}, 100),
            ("ranking from HTTP, another workload", {"workload": "nanochat-d20"}, 350),
        ]:
            began = time.perf_counter()
            client.get("/api/v1/ranking", params=parameters).raise_for_status()
            report(what, time.perf_counter() - began, wanted)
        began = time.perf_counter()
        client.get("/").raise_for_status()
        report("the page", time.perf_counter() - began)


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "RIG_OR_RENT_DATA_DIR": str(folder)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-bench-") as temporary:
        asyncio.run(bench(Path(temporary)))
