"""One run from the request to the commit, against real servers that misbehave and a real database."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from builders import NOON, collected_run, observation
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs
from waiting import until

from providers import discover
from providers.base import Answer, Bearer, Offer, Provider, ProviderUnavailable, get_json, narrow
from providers.bundled import Bundled
from service import catalogue, store
from service.checks import CollectedRun
from service.collect import (
    AlreadyCollecting,
    as_json,
    body_of,
    check_payload,
    collect,
    collect_bundled_if_needed,
    collect_first,
    make_client,
)
from service.collect.client import is_private, retry_after_s
from service.database import Database
from service.settings import Settings

Sessions = async_sessionmaker[AsyncSession]
ORIGIN = "https://prices.example"
PRICE_LIST = [{"name": "h100.1x", "price": 3.0}, {"name": "h100.8x", "gpus": 8, "price": 24.0}]


class Listed(msgspec.Struct):
    name: str
    price: Decimal
    gpus: int = 1


class Cloud(Provider):
    """A provider with one short list, as plain as they come."""

    name = "Cloud"
    slug = "cloud"
    pricing_page = f"{ORIGIN}/pricing"
    calls: ClassVar = {"prices": list[Listed]}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("prices", await get_json(client, f"{ORIGIN}/prices.json"))]

    def parse(self, answers: Sequence[Answer]) -> Any:
        for listed in narrow(answers[0].body, list[Listed]):
            yield Offer(
                instance_type=listed.name,
                gpu="H100",
                gpu_count=listed.gpus,
                price_per_hour=listed.price,
                currency="USD",
            )


# Servers that misbehave ----------------------------------------------------------------------------------------------


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0  # a slow server
    length_is_told: bool = True


@dataclass
class Server:
    """A real server on loopback that gives the replies it was told, the last one for ever."""

    origin: str = ""
    replies: list[Reply] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            await asyncio.sleep(reply.after_s)
            writer.write(as_sent(reply))
            await writer.drain()
        finally:
            writer.close()
            with suppress(ConnectionError):  # the client has had enough
                await writer.wait_closed()


def as_sent(reply: Reply) -> bytes:
    headers = {"Connection": "close", **reply.headers}
    if reply.length_is_told:
        headers["Content-Length"] = str(len(reply.body))
    lines = [f"HTTP/1.1 {reply.status} Told", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body


def prices(listed: object = PRICE_LIST, **others: Any) -> Reply:
    return Reply(body=json.dumps(listed).encode(), **others)


@asynccontextmanager
async def server(*replies: Reply) -> AsyncIterator[Server]:
    told, serving = Server(replies=list(replies)), []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(told.serve(reader, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        told.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield told
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


def client_of(told: Server, **others: Any) -> httpx.AsyncClient:
    return make_client(Settings(origin_overrides={ORIGIN: told.origin}), **others)


async def fetched(client: httpx.AsyncClient, sessions: Sessions | None = None, **others: Any) -> CollectedRun:
    asked: dict[str, Any] = {"secrets": {}, "catalogue": catalogue.load(), "now": NOON}
    async with client:
        return await collect(others.pop("provider", Cloud), client=client, sessions=sessions, **asked | others)


# One answer ----------------------------------------------------------------------------------------------------------


async def test_a_price_list_becomes_observations_with_the_run_measured() -> None:
    async with server(prices()) as told:
        run = await fetched(client_of(told))

    assert [(seen.instance_type, float(seen.price_per_hour)) for seen in run.observations] == [
        ("h100.1x", 3.0),
        ("h100.8x", 24.0),
    ]
    assert run.bytes_fetched == len(json.dumps(PRICE_LIST))
    assert run.duration_s > 0
    assert run.error is None


async def test_the_server_learns_who_asks_and_at_which_host() -> None:
    async with server(prices()) as told:
        await fetched(client_of(told))

    (asked,) = told.requests
    assert b"GET /prices.json HTTP/1.1" in asked
    assert b"User-Agent: rig-or-rent/" in asked
    assert b"Host: 127.0.0.1:" in asked


async def test_a_server_that_fails_once_is_asked_again() -> None:
    async with server(Reply(500), prices()) as told:
        run = await fetched(client_of(told))

    assert len(run.observations) == 2
    assert len(told.requests) == 2


async def test_a_server_that_asks_for_patience_gets_it() -> None:
    async with server(Reply(429, headers={"Retry-After": "0"}), prices()) as told:
        run = await fetched(client_of(told))

    assert len(run.observations) == 2
    assert len(told.requests) == 2


async def test_a_server_that_asks_for_more_patience_than_we_have_is_left_for_the_next_run() -> None:
    async with server(Reply(429, headers={"Retry-After": "86400"}), prices()) as told:
        run = await fetched(client_of(told))

    assert (run.error_kind, run.error) == ("provider_unavailable", "prices.example answered 429")
    assert len(told.requests) == 1


async def test_nobody_waits_for_retries_when_somebody_waits_for_the_answer() -> None:
    async with server(Reply(503), prices()) as told:
        run = await fetched(client_of(told, patient=False))

    assert run.error_kind == "provider_unavailable"
    assert len(told.requests) == 1


async def test_a_refused_connection_is_an_unavailable_provider() -> None:
    async with server(prices()) as told:
        pass  # and gone

    run = await fetched(client_of(told, patient=False))

    assert run.error_kind == "provider_unavailable"
    assert not run.observations


async def test_a_slow_server_is_an_unavailable_provider() -> None:
    async with server(prices(after_s=30)) as told:
        run = await fetched(client_of(told, patient=False, timeout=httpx.Timeout(0.2)))

    assert run.error_kind == "provider_unavailable"


async def test_a_page_in_place_of_a_list_is_a_changed_payload() -> None:
    async with server(Reply(body=b"<html>Just a moment...</html>")) as told:
        run = await fetched(client_of(told))

    assert run.error_kind == "payload_changed"
    assert "not JSON" in str(run.error)


async def test_a_renamed_field_is_a_changed_payload_with_its_path_and_the_payload_is_kept() -> None:
    async with server(prices([{"name": "h100.1x", "usd": 3.0}])) as told:
        run = await fetched(client_of(told))

    assert run.error_kind == "payload_changed"
    assert "price" in str(run.error)
    assert json.loads(str(run.payload))[0]["body"] == [{"name": "h100.1x", "usd": 3.0}]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_secret_is_told_from_an_outage(status: int) -> None:
    async with server(Reply(status)) as told:
        run = await fetched(client_of(told))

    assert run.error_kind == "credentials_refused"


async def test_a_missing_secret_is_named_and_nobody_is_asked() -> None:
    class Keyed(Cloud):
        auth = Bearer("CLOUD_API_KEY")

    async with server(prices()) as told:
        run = await fetched(client_of(told), provider=Keyed)

    assert (run.error_kind, run.error) == ("credentials_refused", "CLOUD_API_KEY is not set")
    assert not told.requests


async def test_what_nobody_expected_is_not_caught() -> None:
    class Broken(Cloud):
        def parse(self, answers: Sequence[Answer]) -> Any:
            raise ZeroDivisionError("a bug")

    async with server(prices()) as told:
        with pytest.raises(ZeroDivisionError):
            await fetched(client_of(told), provider=Broken)


# What is read at most, and where we are sent --------------------------------------------------------------------------


async def test_an_answer_that_does_not_end_is_left() -> None:
    endless = Reply(body=b" " * 200_000, length_is_told=False)

    async with server(endless) as told:
        run = await fetched(client_of(told, most_bytes=100_000))

    assert run.error_kind == "provider_unavailable"
    assert "100,000 bytes" in str(run.error)
    assert len(told.requests) == 1


async def test_an_answer_is_measured_as_unpacked() -> None:
    bomb = Reply(body=gzip.compress(b" " * 2_000_000), headers={"Content-Encoding": "gzip"})

    async with server(bomb) as told:
        run = await fetched(client_of(told, most_bytes=100_000))

    assert "100,000 bytes" in str(run.error)


async def test_a_redirect_within_the_host_is_followed() -> None:
    async with server(Reply(302, headers={"Location": "/v2/prices.json"}), prices()) as told:
        run = await fetched(client_of(told))

    assert len(run.observations) == 2
    assert b"GET /v2/prices.json" in told.requests[1]


@pytest.mark.parametrize(
    "location",
    [
        "http://elsewhere.example/prices.json",
        "https://127.0.0.1/prices.json",
        "https://[::1]/prices.json",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.7/",
        "https://localhost/",
        "ftp://prices.example/prices.json",
    ],
)
async def test_a_redirect_to_where_no_price_list_is_is_refused(location: str) -> None:
    async with server(Reply(302, headers={"Location": location}), prices()) as told:
        run = await fetched(client_of(told, patient=False))

    assert run.error_kind == "provider_unavailable"
    assert "redirected to" in str(run.error)
    assert len(told.requests) == 1


async def test_a_redirect_in_a_circle_ends() -> None:
    async with server(Reply(302, headers={"Location": "/again"})) as told:
        run = await fetched(client_of(told, patient=False))

    assert "redirects" in str(run.error)


async def test_a_redirect_to_another_origin_carries_no_secret() -> None:
    async with server(prices()) as other, server(Reply(302, headers={"Location": f"{other.origin}/moved"})) as first:
        mirrors = Settings(origin_overrides={ORIGIN: first.origin, "https://other.example": other.origin})
        async with make_client(mirrors) as client:
            secrets = {"Authorization": "Bearer secret", "X-API-Key": "secret", "Accept": "application/json"}
            answer = await client.get(f"{ORIGIN}/prices.json", headers=secrets)

    assert answer.json() == PRICE_LIST
    assert b"secret" in first.requests[0]
    assert b"secret" not in other.requests[0]
    assert b"application/json" in other.requests[0]


async def test_a_secret_sent_in_a_body_is_not_sent_on() -> None:
    async with server(Reply(307, headers={"Location": "/elsewhere"}), prices()) as told, client_of(told) as client:
        with pytest.raises(httpx.TransportError, match="POST"):
            await client.post(f"{ORIGIN}/token", data={"client_secret": "secret"})

    assert len(told.requests) == 1


async def test_a_name_that_leads_nowhere_is_not_private_and_loopback_is() -> None:
    assert await is_private("localhost")
    assert not await is_private("nowhere.invalid")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3),
        ("-3", 0),
        ("Tue, 24 Nov 2026 12:00:10 GMT", 10),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
    ],
)
def test_retry_after_says_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, NOON) == seconds


# What is remembered ---------------------------------------------------------------------------------------------------


async def run_with(listed: object, sessions: Sessions, *, at: datetime = NOON) -> CollectedRun:
    async with server(prices(listed)) as told:
        return await fetched(client_of(told), sessions, now=at)


async def open_prices(sessions: Sessions) -> dict[str, float]:
    async with sessions() as session:
        previous = await store.previous(session, "cloud")
    return {key.instance_type: float(last.price_per_hour) for key, last in previous.prices.items()}


async def last_run(sessions: Sessions) -> store.Run:
    async with sessions() as session:
        return (await store.runs(session, collector="cloud", limit=1)).items[0]


def machines(count: int, price: float = 3.0) -> list[dict[str, object]]:
    return [{"name": f"h100.{number}", "price": price} for number in range(count)]


async def test_a_run_is_stored_with_its_counts(sessions: Sessions) -> None:
    await run_with([*PRICE_LIST, {"name": "free", "price": 0}, PRICE_LIST[0]], sessions)

    stored = await last_run(sessions)
    assert (stored.outcome, stored.offers, stored.observations, stored.rejected, stored.repeated) == ("ok", 4, 2, 1, 1)
    assert stored.bytes_fetched > 0
    assert stored.opened == 2
    assert await open_prices(sessions) == {"h100.1x": 3.0, "h100.8x": 24.0}


async def test_an_unchanged_run_opens_no_price(sessions: Sessions) -> None:
    await run_with(PRICE_LIST, sessions)
    await run_with(PRICE_LIST, sessions, at=NOON + timedelta(hours=6))

    stored = await last_run(sessions)
    assert (stored.opened, stored.closed, stored.extended) == (0, 0, 2)


async def test_a_price_that_jumps_is_set_aside_once_and_believed_when_seen_again(sessions: Sessions) -> None:
    before, after = machines(4), [*machines(3), {"name": "h100.3", "price": 9.0}]
    await run_with(before, sessions)

    first = await run_with(after, sessions, at=NOON + timedelta(hours=6))
    kept = await open_prices(sessions)
    second = await run_with(after, sessions, at=NOON + timedelta(hours=12))

    assert [rejection.reason for rejection in first.rejections] == ["unexplained_jump"]
    assert kept["h100.3"] == 3.0
    assert not second.rejections
    assert (await open_prices(sessions))["h100.3"] == 9.0


async def test_a_jump_that_does_not_last_is_never_believed(sessions: Sessions) -> None:
    before, jumped = machines(4), [*machines(3), {"name": "h100.3", "price": 9.0}]
    for hours, listed in enumerate([before, jumped, before, jumped]):
        run = await run_with(listed, sessions, at=NOON + timedelta(hours=hours))

    assert [rejection.reason for rejection in run.rejections] == ["unexplained_jump"]
    assert (await open_prices(sessions))["h100.3"] == 3.0


async def test_a_run_that_lost_most_of_its_list_is_set_aside_and_closes_nothing(sessions: Sessions) -> None:
    await run_with(machines(10), sessions)
    for hours in (6, 12, 18, 24):
        run = await run_with(machines(4), sessions, at=NOON + timedelta(hours=hours))

    assert run.set_aside
    assert (await last_run(sessions)).outcome == "set_aside"
    assert len(await open_prices(sessions)) == 10


async def test_what_the_third_believed_run_does_not_list_is_no_longer_sold(sessions: Sessions) -> None:
    await run_with(machines(4), sessions)
    counts = []
    for hours in (6, 12, 18):
        await run_with(machines(3), sessions, at=NOON + timedelta(hours=hours))
        counts.append(len(await open_prices(sessions)))

    assert counts == [4, 4, 3]


async def test_a_failed_run_is_remembered_and_changes_no_price(sessions: Sessions) -> None:
    await run_with(PRICE_LIST, sessions)
    async with server(Reply(body=b"<html>")) as told:
        await fetched(client_of(told), sessions, now=NOON + timedelta(hours=6))

    stored = await last_run(sessions)
    assert (stored.outcome, stored.error_kind) == ("failed", "payload_changed")
    assert len(await open_prices(sessions)) == 2


async def test_stored_prices_say_what_is_plausible(sessions: Sessions) -> None:
    cheap = [{"name": f"cheap.{number}", "price": 0.5 + number / 1000} for number in range(200)]
    await run_with(cheap, sessions)

    run = await run_with([*cheap, {"name": "dear", "price": 12.0}], sessions, at=NOON + timedelta(hours=6))

    assert [rejection.reason for rejection in run.rejections] == ["implausible"]


async def test_a_saved_answer_is_stored_without_asking_anybody(sessions: Sessions) -> None:
    class Keyed(Cloud):
        auth = Bearer("CLOUD_API_KEY")

    client = httpx.AsyncClient(transport=httpx.MockTransport(nobody))

    await fetched(client, sessions, provider=Keyed, payload=body_of(json.dumps(PRICE_LIST).encode()))

    assert await open_prices(sessions) == {"h100.1x": 3.0, "h100.8x": 24.0}


async def test_the_id_of_a_run_is_told_when_it_starts(sessions: Sessions) -> None:
    told_ids: list[int] = []
    async with server(prices()) as told:
        await fetched(client_of(told), sessions, on_start=told_ids.append)

    assert told_ids == [(await last_run(sessions)).id]


async def test_one_line_is_logged_for_a_run_and_a_warning_when_its_outcome_changes(sessions: Sessions) -> None:
    with capture_logs() as lines:
        await run_with(PRICE_LIST, sessions)
        await run_with(PRICE_LIST, sessions, at=NOON + timedelta(hours=1))
        for hours in (2, 3):
            async with server(Reply(body=b"<html>")) as told:
                await fetched(client_of(told), sessions, now=NOON + timedelta(hours=hours))
        await run_with(PRICE_LIST, sessions, at=NOON + timedelta(hours=4))

    assert [line["log_level"] for line in lines] == ["info", "info", "warning", "info", "warning"]
    assert all(line["provider"] == "cloud" and line["run"] for line in lines)


async def test_a_run_that_is_killed_in_the_middle_stores_nothing(fresh_database: Database) -> None:
    sessions = fresh_database.sessions
    async with server(prices(after_s=30)) as told:
        running = asyncio.create_task(fetched(client_of(told), sessions))
        await until(lambda: bool(told.requests))

        running.cancel()
        await asyncio.wait([running])

    async with sessions() as session:
        assert (await session.scalars(select(store.Run))).all() == []
    await run_with(PRICE_LIST, sessions)  # and its claim is gone
    assert len(await open_prices(sessions)) == 2


async def test_a_provider_is_collected_by_one_at_a_time(fresh_database: Database) -> None:
    sessions = fresh_database.sessions
    async with server(prices(after_s=0.5)) as told:
        first = asyncio.create_task(fetched(client_of(told), sessions))
        await until(lambda: bool(told.requests))

        with pytest.raises(AlreadyCollecting, match="cloud"):
            await fetched(client_of(told), sessions)

        assert len((await first).observations) == 2


async def test_no_transaction_is_open_while_a_provider_takes_its_time(fresh_database: Database) -> None:
    async with server(prices(after_s=30)) as told:
        running = asyncio.create_task(fetched(client_of(told), fresh_database.sessions))
        await until(lambda: bool(told.requests))

        async with fresh_database.engine.connect() as connection:
            open_transactions = await connection.scalar(text(OPEN_TRANSACTIONS))

        running.cancel()
        await asyncio.wait([running])
    assert open_transactions == 0


OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""


async def test_a_claim_ends_with_its_connection(fresh_database: Database) -> None:
    sessions = fresh_database.sessions
    async with server(prices(after_s=0.5), prices()) as told:
        lost = asyncio.create_task(fetched(client_of(told), sessions))
        await until(lambda: bool(told.requests))
        async with fresh_database.engine.connect() as connection:
            await connection.execute(text(END_CLAIMS))
        first, second = await lost, await fetched(client_of(told), sessions, now=NOON + timedelta(hours=1))

    assert len(first.observations) == len(second.observations) == 2


END_CLAIMS = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
 WHERE locktype = 'advisory' AND datname = current_database()
"""


# The list that ships, and the first prices ----------------------------------------------------------------------------


async def nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"asked {request.url}")


async def test_the_list_that_ships_is_believed_whole(sessions: Sessions) -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(nobody))

    run = await fetched(client, sessions, provider=Bundled)

    assert len(run.observations) >= 250
    assert len({seen.provider for seen in run.observations}) >= 25
    assert {seen.pricing.value for seen in run.observations} == {"on_demand", "spot", "reserved"}
    assert not run.rejections
    assert not run.repeated
    assert all(datetime(2026, 1, 1, tzinfo=UTC) < seen.observed_at < NOON for seen in run.observations)
    assert all(seen.source_url.startswith("https://") for seen in run.observations)
    assert run.source == "bundled"


async def test_the_list_that_ships_has_consumer_cards_and_hyperscalers() -> None:
    run = await fetched(httpx.AsyncClient(), provider=Bundled)

    counted = Counter(seen.provider for seen in run.observations)
    assert {"aws", "azure", "gcp", "oracle", "runpod", "vast", "lambda", "scaleway", "verda"} <= set(counted)
    assert {"RTX 4090", "RTX 3090", "RTX 5090", "H100 SXM"} <= {seen.gpu for seen in run.observations}
    assert {"USD", "EUR"} <= {seen.currency for seen in run.observations}


async def test_the_list_that_ships_is_stored_once(sessions: Sessions) -> None:
    first = await collect_bundled_if_needed(sessions, catalogue.load(), NOON)
    again = await collect_bundled_if_needed(sessions, catalogue.load(), NOON + timedelta(days=1))

    async with sessions() as session:
        stored = await store.current_prices(session, NOON)
    assert (first, again) == (True, False)
    assert len(stored) >= 250
    assert (stored.first_seen < NOON.timestamp()).all()


async def test_what_was_set_aside_of_the_list_that_ships_is_not_judged_at_every_start(sessions: Sessions) -> None:
    dear = [observation(f"dear {number}", 900 + number) for number in range(99)]
    async with sessions.begin() as session:
        await store.save_run(session, collected_run(dear))

    first = await collect_bundled_if_needed(sessions, catalogue.load(), NOON)
    again = await collect_bundled_if_needed(sessions, catalogue.load(), NOON + timedelta(days=1))

    async with sessions() as session:
        set_aside = await store.rejections(session, collector="bundled")
    assert (first, again) == (True, False)
    assert {row.reason for row in set_aside.items} == {"implausible"}


async def test_two_that_start_at_once_store_the_list_that_ships_between_them(fresh_database: Database) -> None:
    both = [collect_bundled_if_needed(fresh_database.sessions, catalogue.load(), NOON) for _ in range(2)]

    assert any(await asyncio.gather(*both))


async def test_the_list_that_ships_is_stored_anew_when_it_has_changed(sessions: Sessions) -> None:
    await collect_bundled_if_needed(sessions, catalogue.load(), NOON)
    async with sessions.begin() as session:
        await session.execute(text("UPDATE price SET closed_at = last_seen WHERE id IN (SELECT id FROM price LIMIT 1)"))

    assert await collect_bundled_if_needed(sessions, catalogue.load(), NOON + timedelta(days=1))


async def first(told: Server, sessions: Sessions, *sources: type[Provider], **others: Any) -> Any:
    settings = Settings(origin_overrides={ORIGIN: told.origin})
    asked: dict[str, Any] = {"settings": settings, "catalogue": catalogue.load(), "now": NOON}
    return await collect_first(sessions=sessions, sources=sources, **asked | others)


class Slow(Cloud):
    slug = "slow"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        await asyncio.sleep(60)
        raise ProviderUnavailable("unreachable")


class Buggy(Cloud):
    slug = "buggy"

    def parse(self, answers: Sequence[Answer]) -> Any:
        raise ZeroDivisionError("a bug")


async def test_an_empty_store_gets_the_list_that_ships_and_what_answers_in_time(fresh_database: Database) -> None:
    heard: list[tuple[str, bool]] = []
    async with server(prices()) as told:
        got = await first(
            told,
            fresh_database.sessions,
            Cloud,
            Slow,
            Buggy,
            seconds=1.5,
            on_done=lambda slug, run: heard.append((slug, run is not None)),
        )

    assert [run.collector for run in got.runs] == ["bundled", "cloud"]
    assert got.not_reached == {"slow": "no answer in time", "buggy": "ZeroDivisionError: a bug"}
    assert sorted(heard) == [("buggy", False), ("cloud", True), ("slow", False)]
    assert await open_prices(fresh_database.sessions) == {"h100.1x": 3.0, "h100.8x": 24.0}


async def test_without_any_network_the_list_that_ships_has_to_do(fresh_database: Database) -> None:
    class Nowhere(Cloud):
        slug = "nowhere"
        pricing_page = "https://prices.invalid/pricing"

    async with asyncio.timeout(30):
        got = await collect_first(
            settings=Settings(),
            sessions=fresh_database.sessions,
            catalogue=catalogue.load(),
            now=NOON,
            sources=[Nowhere],
        )

    assert [run.collector for run in got.runs] == ["bundled"]
    assert list(got.not_reached) == ["nowhere"]


async def test_when_nobody_answers_at_all_nobody_waits_for_long(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.collect.first.NO_ANSWER_SECONDS", 0.3)

    async with asyncio.timeout(30), server(prices()) as told:
        got = await first(told, fresh_database.sessions, Slow, seconds=60)

    assert got.not_reached == {"slow": "no answer in time"}


# Without a network or a store -----------------------------------------------------------------------------------------


def checked(body: object, provider: type[Provider] = Cloud) -> CollectedRun:
    return check_payload(provider, body, catalogue.load(), NOON)


@pytest.mark.parametrize(
    "body", [PRICE_LIST, {"prices": PRICE_LIST}, {"answers": [{"call": "prices", "body": PRICE_LIST}]}]
)
def test_a_saved_answer_is_read_bare_by_name_and_as_a_recording(body: object) -> None:
    run = checked(body_of(json.dumps(body).encode()))

    assert [seen.instance_type for seen in run.observations] == ["h100.1x", "h100.8x"]


@pytest.mark.parametrize("content", [b"<html>", b"", b"[1, 2]", b'{"data": null}', b"\xff\xfe\x00"])
def test_a_saved_answer_of_an_unknown_shape_is_a_failed_run(content: bytes) -> None:
    run = checked(body_of(content))

    assert run.error_kind == "payload_changed"
    assert run.error


def test_a_saved_list_of_values_is_read_as_text() -> None:
    assert body_of(b"\xef\xbb\xbfa,b\n1,2\n") == "a,b\n1,2\n"


def test_a_dry_run_prints_offers_as_the_api_shows_them() -> None:
    shown = as_json(checked([*PRICE_LIST, {"name": "free", "price": 0}]))

    assert json.loads(json.dumps(shown)) == {
        "provider": "cloud",
        "offers": [shown["offers"][0], shown["offers"][1]],
        "rejections": [shown["rejections"][0]],
    }
    assert shown["offers"][1] == {
        "provider": "cloud",
        "seller": None,
        "collector": "cloud",
        "instance_type": "h100.8x",
        "tier": None,
        "region": None,
        "country": None,
        "gpu": "H100 SXM",
        "gpu_count": 8,
        "memory_gb": 80,
        "pricing": "on_demand",
        "term_months": None,
        "price_per_hour": 24.0,
        "currency": "USD",
        "usd_per_hour": 24.0,
        "available": None,
        "first_seen": "2026-11-24T12:00:00Z",
        "observed_at": "2026-11-24T12:00:00Z",
        "source": "live",
        "source_url": "https://prices.example/pricing",
        "stale": False,
        "upfront": None,
        "vcpus": None,
        "host_memory_gb": None,
        "disk_gb": None,
        "interconnect": None,
        "network_gbit_s": None,
        "attribution": None,
        "count_is_derived": False,
    }
    assert shown["rejections"][0]["reason"] == "not_positive"
    assert shown["rejections"][0]["offer"]["instance_type"] == "free"


@pytest.mark.parametrize("slug", discover())
def test_every_source_can_be_judged_from_its_recording(slug: str, payload_of: Callable[[str], object]) -> None:
    if slug == "bundled":
        body: object = {"offers": asyncio.run(Bundled().fetch(httpx.AsyncClient()))[0].body}
    else:
        body = payload_of(slug)

    run = checked(body, discover()[slug])

    assert run.observations
    assert len(run.observations) + len(run.rejections) + run.repeated == run.offers


@pytest.fixture
def payload_of(request: pytest.FixtureRequest) -> Callable[[str], object]:
    folder = request.path.with_name("payloads")
    return lambda slug: body_of((folder / f"{slug}.json").read_bytes())
