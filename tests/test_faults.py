"""Whatever a server does, a run ends as one of few kinds of failure, stores nothing half and holds back nobody else."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from builders import NOON
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs
from test_collect import (
    ORIGIN,
    PRICE_LIST,
    Cloud,
    Reply,
    client_of,
    fetched,
    last_run,
    open_prices,
    prices,
    run_with,
    server,
)

from providers.base import Provider
from service import catalogue, store
from service.collect import make_client
from service.collector import Collector
from service.database import Database
from service.presentation.answers import provider_answer, source_of
from service.schedule import wait_of
from service.settings import Settings

Sessions = async_sessionmaker[AsyncSession]
HOUR = timedelta(hours=1)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
QUICK = httpx.Timeout(0.5)


@asynccontextmanager
async def raw_server(serve: Serve) -> AsyncIterator[str]:
    """The origin of a server that does as it likes once it was asked."""
    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(answer(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run_against(origin: str, provider: type[Provider] = Cloud, **others: Any) -> Any:
    settings = Settings(origin_overrides={ORIGIN: origin})
    options: dict[str, Any] = {"patient": False, "timeout": QUICK}
    async with asyncio.timeout(30):
        return await fetched(make_client(settings, **options | others), provider=provider)


# No answer -----------------------------------------------------------------------------------------------------------


async def test_a_name_that_leads_nowhere_is_an_unavailable_provider() -> None:
    run = await run_against("http://nowhere.invalid")

    assert run.error_kind == "provider_unavailable"
    assert "prices.example" in str(run.error)


async def test_a_server_that_speaks_no_tls_is_an_unavailable_provider() -> None:
    async with server(prices()) as told:
        run = await run_against(told.origin.replace("http://", "https://"))

    assert run.error_kind == "provider_unavailable"


async def test_a_connection_that_is_closed_without_a_word_is_an_unavailable_provider() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with raw_server(hang_up) as origin:
        run = await run_against(origin)

    assert run.error_kind == "provider_unavailable"


async def test_an_answer_that_is_no_http_is_an_unavailable_provider() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await writer.drain()

    async with raw_server(babble) as origin:
        run = await run_against(origin)

    assert run.error_kind == "provider_unavailable"


# Half an answer ------------------------------------------------------------------------------------------------------


async def test_a_body_that_is_cut_off_is_an_unavailable_provider() -> None:
    body = json.dumps(PRICE_LIST).encode()

    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:40])
        await writer.drain()

    async with raw_server(cut_off) as origin:
        run = await run_against(origin)

    assert run.error_kind == "provider_unavailable"


async def test_a_list_that_ends_in_the_middle_without_saying_its_length_is_a_changed_payload() -> None:
    async with server(Reply(body=json.dumps(PRICE_LIST).encode()[:40], length_is_told=False)) as told:
        run = await run_against(told.origin)

    assert run.error_kind == "payload_changed"


async def test_a_server_that_drips_is_left_after_a_while() -> None:
    class Impatient(Cloud):
        slug = "impatient"
        patience = timedelta(seconds=0.6)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n[")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(drip) as origin:
        run = await run_against(origin, Impatient)

    assert run.error_kind == "provider_unavailable"
    assert "took longer" in str(run.error)


async def test_a_body_without_end_is_left_when_it_is_too_long() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n[")
        while True:
            writer.write(b'{"name": "h100", "price": 3.0},' * 1000)
            await writer.drain()

    async with raw_server(endless) as origin:
        run = await run_against(origin, most_bytes=1_000_000)

    assert run.error_kind == "provider_unavailable"
    assert "1,000,000 bytes" in str(run.error)
    assert run.bytes_fetched < 3_000_000


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(gzip.compress(b"[" + b" " * 40_000_000))),
        ("gzip", gzip.compress(b"[" + b" " * 40_000_000)),
        ("deflate", zlib.compress(b"[" + b" " * 40_000_000)),
    ],
)
async def test_what_unpacks_to_a_thousand_times_its_size_is_left(encoding: str, packed: bytes) -> None:
    async with server(Reply(body=packed, headers={"Content-Encoding": encoding})) as told:
        run = await run_against(told.origin, most_bytes=1_000_000)

    assert run.error_kind in ("provider_unavailable", "payload_changed")
    assert not run.observations


async def test_what_is_no_gzip_though_it_says_so_is_an_unavailable_provider() -> None:
    async with server(Reply(body=b"[plain]", headers={"Content-Encoding": "gzip"})) as told:
        run = await run_against(told.origin)

    assert run.error_kind == "provider_unavailable"


# Another answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/html", "text/plain; charset=latin-1", "application/octet-stream", ""])
async def test_a_list_is_read_whatever_it_is_called(content_type: str) -> None:
    async with server(prices(headers={"Content-Type": content_type})) as told:
        run = await run_against(told.origin)

    assert len(run.observations) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<!doctype html><title>502 Bad Gateway</title>",
        b"\x00\xff\xfe\x80",
        b"[" * 100_000,
        b'{"error": "rate limited"}',
        b"NaN",
        b'[{"name": "h100.1x", "price": NaN}]',
    ],
)
async def test_a_page_or_an_error_with_status_200_is_a_changed_payload(body: bytes) -> None:
    async with server(Reply(body=body, headers={"Content-Type": "application/json"})) as told:
        run = await run_against(told.origin)

    assert run.error_kind == "payload_changed"
    assert not run.observations


@pytest.mark.parametrize("status", [404, 410, 418, 429, 451, 500, 502, 503, 599])
async def test_a_status_that_is_no_success_is_an_unavailable_provider(status: int) -> None:
    async with server(Reply(status)) as told:
        run = await run_against(told.origin)

    assert (run.error_kind, run.error) == ("provider_unavailable", f"prices.example answered {status}")


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("-3", "not_positive"),
        ("0", "not_positive"),
        ('"NaN"', "not_finite"),
        ('"Infinity"', "not_finite"),
        ('"-Infinity"', "not_finite"),
        ("1e300", "implausible"),
        ("1e-300", "implausible"),
        ("3000000", "implausible"),
        ("0.0001", "implausible"),
    ],
)
async def test_a_price_that_can_not_be_is_set_aside_alone(price: str, reason: str) -> None:
    body = f'[{{"name": "h100.1x", "price": 3.0}}, {{"name": "h100.8x", "price": {price}}}]'
    async with server(Reply(body=body.encode())) as told:
        run = await run_against(told.origin)

    assert [seen.instance_type for seen in run.observations] == ["h100.1x"]
    assert [rejection.reason for rejection in run.rejections] == [reason]


async def test_an_unknown_gpu_is_set_aside_with_the_nearest_that_is_known(sessions: Sessions) -> None:
    class Strange(Cloud):
        def parse(self, answers: Sequence[Any]) -> Any:
            return (replace(offer, gpu="H1000") for offer in super().parse(answers))

    async with server(prices()) as told:
        await fetched(client_of(told), sessions, provider=Strange)

    async with sessions() as session:
        (first, _) = (await store.rejections(session, collector="cloud")).items
    assert first.reason == "unknown_gpu"
    assert "nearest: H100" in first.detail


async def test_a_list_that_is_sent_twice_is_the_list(sessions: Sessions) -> None:
    await run_with(PRICE_LIST, sessions)
    run = await run_with([*PRICE_LIST, *PRICE_LIST], sessions, at=NOON + HOUR)

    assert (len(run.observations), run.repeated, run.rejections) == (2, 2, ())
    assert (await last_run(sessions)).opened == 0


async def test_a_renamed_field_stores_nothing_and_an_extra_one_changes_nothing(sessions: Sessions) -> None:
    await run_with(PRICE_LIST, sessions)
    renamed = await run_with([{"name": "h100.1x", "cost": 3.0}], sessions, at=NOON + HOUR)
    kept = await open_prices(sessions)
    extended = await run_with([{**row, "new": {"a": [1]}} for row in PRICE_LIST], sessions, at=NOON + 2 * HOUR)

    assert renamed.error_kind == "payload_changed"
    assert kept == {"h100.1x": 3.0, "h100.8x": 24.0}
    assert len(extended.observations) == 2


# Between runs --------------------------------------------------------------------------------------------------------


async def failing_run(sessions: Sessions, reply: Reply, at: Any) -> None:
    async with server(reply) as told:
        await fetched(client_of(told, patient=False), sessions, now=at)


@pytest.mark.parametrize(
    ("headers", "hours"),
    [({}, None), ({"Retry-After": "7200"}, 2), ({"Retry-After": "999999999"}, 7 * 24), ({"Retry-After": "soon"}, None)],
)
async def test_what_a_source_asks_to_wait_is_remembered(
    sessions: Sessions, headers: dict[str, str], hours: float | None
) -> None:
    await failing_run(sessions, Reply(429, headers=headers), NOON)

    retry_at = (await last_run(sessions)).retry_at
    assert (retry_at is None) == (hours is None)
    if retry_at and hours:
        assert timedelta(0) <= retry_at - NOON - hours * HOUR < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("replies", "failures"),
    [
        ([Reply(503), Reply(503), Reply(503)], 3),
        ([Reply(503), prices(), Reply(503)], 1),
        ([Reply(503), Reply(503), prices()], 0),
        ([Reply(503), Reply(401)], 0),
        ([Reply(503), Reply(body=b"<html>")], 0),
    ],
)
async def test_failures_in_a_row_are_counted_where_trying_again_may_help(
    sessions: Sessions, replies: list[Reply], failures: int
) -> None:
    for hours, reply in enumerate(replies):
        await failing_run(sessions, reply, NOON + hours * HOUR)

    async with sessions() as session:
        assert await store.failures(session, "cloud") == failures


def collector_of(database: Database, *providers: type[Provider]) -> Collector:
    sources = {provider.slug: source_of(provider, {}) for provider in providers}
    settings, client = Settings(), httpx.AsyncClient()
    return Collector(settings, database, catalogue.load(), client, lambda: NOON + 100 * HOUR, sources)


async def test_a_failing_source_is_asked_again_after_growing_waits_and_not_before_it_said(
    fresh_database: Database,
) -> None:
    collector = collector_of(fresh_database, Cloud)
    waits = []
    for hours in range(4):
        await failing_run(fresh_database.sessions, Reply(503), NOON + hours * HOUR)
        (job, _) = await collector.jobs()
        waits.append(wait_of(job) / timedelta(minutes=1))
    await failing_run(fresh_database.sessions, Reply(429, headers={"Retry-After": "86400"}), NOON + 5 * HOUR)
    (patient, _) = await collector.jobs()

    assert waits == [5, 10, 20, 40]
    assert patient.not_before is not None
    assert patient.not_before - NOON >= 29 * HOUR


async def test_a_source_that_reads_gigabytes_waits_until_somebody_has_collected_it(fresh_database: Database) -> None:
    class Huge(Cloud):
        is_quick = False

    collector = collector_of(fresh_database, Huge)
    before = [job.name for job in await collector.jobs()]
    state = provider_answer(source_of(Huge, {}), None, NOON)
    await run_with(PRICE_LIST, fresh_database.sessions)
    after = [job.name for job in await collector.jobs()]

    assert before == ["states of sources"]
    assert (state.state, "rig-or-rent collect cloud" in (state.detail or "")) == ("off", True)
    assert after == ["collect cloud", "states of sources"]


async def test_a_change_of_state_is_logged_once(fresh_database: Database) -> None:
    collector = collector_of(fresh_database, Cloud)
    await run_with(PRICE_LIST, fresh_database.sessions, at=NOON + 99 * HOUR)
    with capture_logs() as lines:
        await collector.log_states()
        await failing_run(fresh_database.sessions, Reply(503), NOON + 100 * HOUR)
        for _ in range(3):
            await collector.log_states()

    changes = [line for line in lines if line["event"] == "source changed its state"]
    assert [(line["provider"], line["before"], line["state"]) for line in changes] == [("cloud", "ok", "failing")]


async def test_old_prices_of_a_failing_source_stay_and_age(sessions: Sessions) -> None:
    await run_with(PRICE_LIST, sessions)
    for days in range(1, 8):
        await failing_run(sessions, Reply(503), NOON + days * 24 * HOUR)

    async with sessions() as session:
        kept = await store.current_prices(session, NOON + 8 * 24 * HOUR)
        failed = (await session.scalars(select(store.Run.outcome).order_by(store.Run.id))).all()
    assert set(kept.last_seen) == {NOON.timestamp()}
    assert failed == ["ok", *["failed"] * 7]
