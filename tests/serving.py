"""The service as its users meet it: the same application in the test's own loop, or `serve` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from builders import NOON, collected_run, observation, rejection
from litestar import Litestar
from litestar.serialization import encode_json
from sqlalchemy import text
from waiting import PATIENCE_S

from providers.base import PurchaseOption
from service import store
from service.app import create_app
from service.checks import Observation
from service.database import Database, open_database
from service.settings import Settings

KEY = "the-key-of-the-tests"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
HOSTILE = "<script>alert(1)</script>"
LONG_REGION = "a-region-whose-name-takes-ninety-characters-because-somebody-thought-that-this-was-a-good-idea"


def settings_for(database_url: str, data_dir: Path) -> Settings:
    return Settings(database_url=database_url, data_dir=data_dir, api_key=KEY, scheduler=False)


def description() -> dict[str, Any]:
    """What /schema/openapi.json says; no database is asked for it."""
    app = create_app(settings_for("postgresql://nobody@nowhere/none", Path()))
    schema: dict[str, Any] = json.loads(encode_json(app.openapi_schema.to_schema()))
    schema["info"]["version"] = "1"  # of the API; the software's changes more often
    return schema


def offers(at: datetime) -> list[Observation]:
    """A small market of one live source: cheap and slow, dear and fast, sold out, old, and named to do harm."""
    cloud = {"observed_at": at, "country": "US"}
    return [
        observation("h100.1x", "2.50", region="us-east", **cloud),
        observation("h100.8x", "19.92", gpu_count=8, region="us-east", available=True, **cloud),
        observation("h100.8x", "9.10", gpu_count=8, pricing=PurchaseOption.SPOT, **cloud),
        observation("a100.8x", "10.40", gpu="A100 SXM 80GB", gpu_count=8, available=False, **cloud),
        observation("4090.1x", "0.35", gpu="RTX 4090", gpu_memory_gb=24.0, seller='"Bob" & <b>sons</b>', **cloud),
        observation("=1+1", "0.31", gpu="RTX 4090", gpu_memory_gb=24.0, provider=HOSTILE, region=LONG_REGION, **cloud),
        observation(
            "h200.8x", "24.00", gpu="H200 SXM", gpu_memory_gb=141.0, gpu_count=8, **cloud | {"currency": "EUR"}
        ),
        observation("r.8x", "15.00", gpu_count=8, pricing=PurchaseOption.RESERVED, term_months=12, **cloud),
        observation("t4.1x", "0.20", gpu="T4", gpu_memory_gb=16.0, **cloud),
    ]


async def fill(database: Database, at: datetime, seen: Iterable[Observation] | None = None) -> None:
    """Remember one believed run with those offers, and one offer set aside."""
    run = collected_run(
        offers(at) if seen is None else seen,
        at=at,
        rejections=[rejection("unknown_gpu", "nobody knows 'Z9000'", gpu="Z9000")],
    )
    async with database.sessions.begin() as session:
        await store.save_run(session, run)


class Client(httpx.AsyncClient):
    """Asks an application in this loop. Litestar's own runs it in another, which no open connection survives."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        super().__init__(transport=httpx.ASGITransport(app=app), base_url="http://rig-or-rent.test")


@asynccontextmanager
async def copy_of(database: Database, template: str, name: str) -> AsyncIterator[Database]:
    """A migrated and empty database of one module, which all its tests read."""
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    async with open_database(Settings(database_url=database.url(name))) as copied:
        yield copied


@asynccontextmanager
async def client_of(database_url: str, data_dir: Path) -> AsyncIterator[Client]:
    """The application with the clock of the tests, in this loop."""
    app = create_app(settings_for(database_url, data_dir), clock=lambda: NOON)
    begun, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        """In one task from beginning to end, as Litestar wants it; a fixture begins in one and ends in another."""
        async with app.lifespan():
            begun.set()
            await over.wait()

    life = asyncio.create_task(live())
    await asyncio.wait([life, asyncio.ensure_future(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
    if begun.is_set():
        async with Client(app) as client:
            yield client
    over.set()
    await life


@asynccontextmanager
async def served(
    database_url: str, data_dir: Path, *, workers: int = 1, settings: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """The address of `serve` as a process of its own; `settings` are variables of its environment."""
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "RIG_OR_RENT_DATA_DIR": str(data_dir),
        "RIG_OR_RENT_API_KEY": KEY,
        "RIG_OR_RENT_SCHEDULER": "off",
        **(settings or {}),
    }
    command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--workers", str(workers)]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        await _until_ready(address, process)
        yield address
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


async def _until_ready(address: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False) as client:
        while True:
            assert process.returncode is None, "serve has ended"
            try:
                if (await client.get(f"{address}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def now() -> datetime:
    """For what is served by another process, whose clock is the machine's."""
    return datetime.now(UTC) - timedelta(minutes=5)
