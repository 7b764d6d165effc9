"""One run of the feed of exchange rates, from the request to the commit; a failure keeps the rates that are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import httpx

from providers import discover
from providers.base import Provider
from service import store
from service.checks import CollectedRun
from service.collect.claim import Sessions, claimed
from service.collect.client import Traffic, traffic
from service.collect.run import KINDS_OF_FAILURE, failed, report, retry_at
from service.rates import EuropeanCentralBank, PublishedRate, Rates, believable, shipped_rates
from service.store.prices import Asked


def all_sources() -> dict[str, type[Provider] | type[EuropeanCentralBank]]:
    """Everything that is read on schedule, by slug: the price sources, and the feed of exchange rates."""
    return {**discover(), EuropeanCentralBank.slug: EuropeanCentralBank}


async def rates_at(asked: Asked, at: datetime, since: datetime | None = None) -> Rates:
    """What currencies were worth: the table that ships, and over it what the feed has said."""
    return shipped_rates().with_published(await store.exchange_rates(asked, at, since))


async def collect_rates(
    *,
    client: httpx.AsyncClient,
    sessions: Sessions | None,  # None: nothing is stored, and nothing is known but the table that ships
    now: datetime,
    feed: type[EuropeanCentralBank] = EuropeanCentralBank,
    payload: object = None,  # a saved file in place of the network; None: none
    on_start: Callable[[int], object] = lambda run_id: None,
) -> CollectedRun:
    """Read the rates of the day and remember them. Raises AlreadyCollecting."""
    if sessions is None:
        return judged(*await _read(feed, client, now, payload), shipped_rates()).run
    async with claimed(sessions, feed.slug) as run_id:
        on_start(run_id)
        run, published = await _read(feed, client, now, payload)
        async with sessions() as session:
            found = judged(run, published, await rates_at(session, now))
        async with sessions.begin() as session:
            before = await store.last_outcome(session, feed.slug)
            await store.save_rates(session, found.run, found.believed, found.doubted, run_id)
    report(found.run, run_id, before, believed=len(found.believed))
    return found.run


class Judged(NamedTuple):
    """A run of the feed, with the rates that can be true and those that are in doubt."""

    run: CollectedRun
    believed: Sequence[PublishedRate]
    doubted: Sequence[tuple[PublishedRate, str]]


def judged(run: CollectedRun, published: Sequence[PublishedRate], known: Rates) -> Judged:
    """Pure."""
    believed, doubted = believable(published, known, run.started_at)
    if published and not believed:
        run = replace(run, set_aside=f"no rate was believable: {doubted[0][1]}")
    return Judged(run, believed, doubted)


async def _read(
    feed: type[EuropeanCentralBank], client: httpx.AsyncClient, now: datetime, payload: object
) -> tuple[CollectedRun, Sequence[PublishedRate]]:
    received, started = Traffic(), time.perf_counter()
    token = traffic.set(received)
    empty = CollectedRun(collector=feed.slug, source=feed.source, started_at=now, duration_s=0)
    try:
        published = feed.parse(str(payload) if payload is not None else await feed.fetch(client))
    except KINDS_OF_FAILURE as error:
        return _measured(failed(empty, error), received, started), []
    finally:
        traffic.reset(token)
    return _measured(replace(empty, offers=len(published)), received, started), published


def _measured(run: CollectedRun, received: Traffic, started: float) -> CollectedRun:
    duration_s = time.perf_counter() - started
    again_at = retry_at(run.started_at, duration_s, received.retry_after_s) if run.error_kind else None
    return replace(run, bytes_fetched=received.bytes, duration_s=duration_s, retry_at=again_at)
