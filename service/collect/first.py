"""An empty store gets its first prices: the list that ships at once, then what the network gives within seconds."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from socket import getaddrinfo
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog

from providers import discover
from providers.base import Provider
from providers.bundled import Bundled
from service import store
from service.catalogue import Catalogue
from service.checks import CollectedRun, LastPrice, SkuKey
from service.collect.claim import Sessions
from service.collect.client import make_client
from service.collect.run import collect, shipped
from service.settings import Settings
from service.store.saving import outcome_of

MOST_SET_ASIDE: Final = 1000  # of the list that ships, which is shorter
FIRST_SECONDS: Final = 20.0
NO_ANSWER_SECONDS: Final = 4.5  # nobody answered until then: nobody will
RESOLVE_SECONDS: Final = 2.5
AT_ONCE: Final = 12  # each holds one of the 15 connections that SQLAlchemy's pool opens at most
PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

log = structlog.get_logger()

OnDone = Callable[[str, CollectedRun | None], None]  # slug and what came of it; None: not reached


@dataclass(frozen=True, slots=True)
class FirstCollection:
    """What an empty store got, and which sources it did not get, with the reason in words."""

    runs: tuple[CollectedRun, ...]  # the bundled one first
    not_reached: Mapping[str, str]


async def collect_first(
    *,
    settings: Settings,
    sessions: Sessions,
    catalogue: Catalogue,
    now: datetime,
    on_done: OnDone = lambda slug, run: None,
    seconds: float = FIRST_SECONDS,
    sources: Sequence[type[Provider]] | None = None,
) -> FirstCollection:
    """The list that ships at once, then every source that needs no missing key, side by side, for `seconds` in all."""
    answered = asyncio.Event()
    wanted = quick_sources(settings) if sources is None else sources
    async with make_client(settings, patient=False, on_answer=answered.set) as client:
        collect_from = partial(
            collect, client=client, secrets=settings.secrets, sessions=sessions, catalogue=catalogue, now=now
        )
        bundled = await collect_from(Bundled, waits=True)
        started = time.monotonic()
        if not await network_is_there(wanted, settings):
            return FirstCollection((bundled,), {source.slug: "no network" for source in wanted})
        tasks = _start(collect_from, wanted, on_done)
        await _wait(tasks, answered, started, seconds)
    return _summary(bundled, tasks)


def sources_to_try(settings: Settings) -> list[type[Provider]]:
    """Every source that can be read as things are: without a key, or with one that is set."""
    return [
        source
        for source in discover().values()
        if source.source != "bundled" and source.missing(settings.secrets) is None
    ]


def quick_sources(settings: Settings) -> list[type[Provider]]:
    """Those of them that answer within seconds: the others would only take the line from them."""
    return [source for source in sources_to_try(settings) if source.is_quick]


def _start(
    collect_from: Callable[[type[Provider]], Awaitable[CollectedRun]],
    sources: Sequence[type[Provider]],
    on_done: OnDone,
) -> list[asyncio.Task[CollectedRun]]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(source: type[Provider]) -> CollectedRun:
        async with turn:
            return await collect_from(source)

    tasks = [asyncio.create_task(in_turn(source), name=source.slug) for source in sources]
    for task in tasks:
        task.add_done_callback(lambda done: on_done(done.get_name(), _run_of(done)))
    return tasks


async def _wait(
    tasks: Collection[asyncio.Task[CollectedRun]], answered: asyncio.Event, started: float, seconds: float
) -> None:
    """Until all are done or time is up; much sooner when nobody answers at all. What is not done is cancelled."""
    pending = await _still_pending(tasks, started + min(NO_ANSWER_SECONDS, seconds))
    if answered.is_set():
        pending = await _still_pending(pending, started + seconds)
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending)


async def _still_pending(
    tasks: Collection[asyncio.Task[CollectedRun]], until: float
) -> Collection[asyncio.Task[CollectedRun]]:
    if not tasks:
        return tasks
    _, pending = await asyncio.wait(tasks, timeout=max(0.0, until - time.monotonic()))
    return pending


def _run_of(task: asyncio.Task[CollectedRun]) -> CollectedRun | None:
    if task.cancelled() or task.exception():
        return None
    run = task.result()
    return run if outcome_of(run) == "ok" else None


def _summary(bundled: CollectedRun, tasks: Collection[asyncio.Task[CollectedRun]]) -> FirstCollection:
    runs = [bundled]
    not_reached: dict[str, str] = {}
    for task in tasks:
        run = _run_of(task)
        if run is not None:
            runs.append(run)
        else:
            not_reached[task.get_name()] = _why_not(task)
    return FirstCollection(tuple(runs), not_reached)


def _why_not(task: asyncio.Task[CollectedRun]) -> str:
    """Why a source gave nothing. A bug in one module is logged in full and does not keep the others from the user."""
    if task.cancelled():
        return "no answer in time"
    if error := task.exception():
        plain = "".join(traceback.format_exception(error))  # a renderer of its own may show secrets among the locals
        log.error("collection failed", provider=task.get_name(), traceback=plain)
        return f"{type(error).__name__}: {error}"
    run = task.result()
    return run.error or run.set_aside or outcome_of(run)


# Is there a network? -------------------------------------------------------------------------------------------------


async def network_is_there(sources: Collection[type[Provider]], settings: Settings) -> bool:
    """Whether any source's name resolves, within seconds.

    Asked in threads of its own that nothing waits for: a resolver without a network may sit there for half a minute,
    and the event loop's own threads have to end before the program can.
    """
    if settings.origin_overrides or any(settings.secrets.get(name) for name in PROXIES):
        return True  # what resolves the names is not ours to ask
    hosts = {host for source in sources if (host := urlsplit(source.pricing_page).hostname)}
    loop, found = asyncio.get_running_loop(), asyncio.Queue[bool]()
    for host in hosts:
        threading.Thread(target=_resolve, args=(host, loop, found), daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(RESOLVE_SECONDS):
            for _ in hosts:
                if await found.get():
                    return True
    return False


def _resolve(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Queue[bool]) -> None:
    resolved = False
    with suppress(OSError):
        resolved = bool(getaddrinfo(host, 443))
    with suppress(RuntimeError):  # nobody waits any more
        loop.call_soon_threadsafe(found.put_nowait, resolved)


# The list that ships -------------------------------------------------------------------------------------------------


async def collect_bundled_if_needed(sessions: Sessions, catalogue: Catalogue, now: datetime) -> bool:
    """Store the list that ships when the store has not been told just that list; whether it did. Cheap when it has."""
    if await _was_told(sessions, {seen.key: seen.last_price for seen in shipped(catalogue, now)}):
        return False
    async with httpx.AsyncClient() as unused:
        await collect(Bundled, client=unused, secrets={}, sessions=sessions, catalogue=catalogue, now=now, waits=True)
    return True


async def _was_told(sessions: Sessions, ships: Mapping[SkuKey, LastPrice]) -> bool:
    """Whether the store holds just these prices; but for those that it set aside, which it would set aside again."""
    async with sessions() as session:
        held = (await store.previous(session, Bundled.slug)).prices
        set_aside = await store.rejections(session, collector=Bundled.slug, newest=True, limit=MOST_SET_ASIDE)
    refused = {(row.offer["instance_type"], Decimal(str(row.offer["price_per_hour"]))) for row in set_aside.items}
    missing = [(key.instance_type, price.price_per_hour) for key, price in ships.items() if held.get(key) != price]
    return held.keys() <= ships.keys() and refused.issuperset(missing)
