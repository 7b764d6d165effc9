"""How long a collection takes, from the request to the commit: python tests/bench/bench_collect.py."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec
import structlog
from measure import measured, observations

from providers.base import Answer, Offer, Provider, PurchaseOption, get_json, narrow
from service import catalogue, store
from service.checks import CollectedRun
from service.collect import collect, collect_bundled_if_needed, make_client
from service.database import Database, open_database
from service.settings import Settings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ORIGIN = "https://bench.example"
OFFERS = 5_000
OTHERS = 55_000  # what the store holds already, of other collectors


class Listed(msgspec.Struct):
    name: str
    gpu: str
    gpus: int
    price: Decimal
    region: str
    pricing: PurchaseOption


class Cloud(Provider):
    """A provider with a long list of single prices."""

    name = "Cloud"
    slug = "cloud"
    pricing_page = f"{ORIGIN}/pricing"
    calls: ClassVar = {"prices": list[Listed]}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("prices", await get_json(client, f"{ORIGIN}/prices.json"))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for listed in narrow(answers[0].body, list[Listed]):
            yield Offer(
                instance_type=listed.name,
                gpu=listed.gpu,
                gpu_count=listed.gpus,
                price_per_hour=listed.price,
                currency="USD",
                region=listed.region,
                pricing=listed.pricing,
            )


def price_list(changed: int = 0) -> list[dict[str, Any]]:
    """The same offers every time, the first ones a tenth dearer."""
    return [
        {
            "name": seen.instance_type,
            "gpu": seen.gpu,
            "gpus": seen.gpu_count,
            "price": float(seen.price_per_hour) * (1.1 if number < changed else 1),
            "region": seen.region,
            "pricing": seen.pricing,
        }
        for number, seen in enumerate(observations(OFFERS, 400, NOON))
    ]


@asynccontextmanager
async def serving(listed: list[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    body = json.dumps(listed).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with make_client(Settings(origin_overrides={ORIGIN: address})) as client:
            yield client


async def run_once(database: Database, changed: int, at: datetime) -> CollectedRun:
    async with serving(price_list(changed)) as client:
        return await collect(
            Cloud,
            client=client,
            secrets={},
            sessions=database.sessions,
            catalogue=catalogue.load(),
            now=at,
        )


async def bench(database: Database) -> None:
    await database.migrate()
    with measured("the list that ships, into an empty store"):
        await collect_bundled_if_needed(database.sessions, catalogue.load(), NOON)
    with measured("the list that ships is there already"):
        await collect_bundled_if_needed(database.sessions, catalogue.load(), NOON)
    others = tuple(observations(OTHERS, 2_000, NOON))
    run = CollectedRun(collector="bench", source="live", started_at=NOON, duration_s=1, observations=others)
    async with database.sessions.begin() as session:
        await store.save_run(session, run)
    with measured(f"{OFFERS:,} offers for the first time, beside {OTHERS:,}"):
        await run_once(database, 0, NOON)
    for hours, changed in ((6, 0), (12, OFFERS // 100), (18, OFFERS)):
        with measured(f"{OFFERS:,} offers of which {changed:,} changed", 2_000):
            last = await run_once(database, changed, NOON + timedelta(hours=hours))
    print(f"believed {len(last.observations):,}, rejected {len(last.rejections):,}")  # noqa: T201


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(Settings(data_dir=Path(folder))) as database:
            await bench(database)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    asyncio.run(main())
