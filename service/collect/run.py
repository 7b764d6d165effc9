"""One collection from one provider, from the request to the commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import localcontext
from functools import cache, lru_cache, partial
from time import perf_counter
from typing import Final

import httpx
import msgspec
import structlog

from providers.base import CALM, Answer, CredentialsRefused, Offer, PayloadChanged, Provider, ProviderUnavailable
from providers.bundled import Bundled, published
from service import store
from service.catalogue import Catalogue
from service.checks import CollectedRun, ErrorKind, Observation, Previous, check, medians
from service.collect.claim import Sessions, claimed
from service.collect.client import Traffic, traffic
from service.rates import Rates, shipped_rates
from service.store.saving import outcome_of

LONGEST_PATIENCE_S: Final = 7 * 86_400.0
MOST_CHARACTERS_KEPT: Final = 200_000  # of a payload whose shape is not known

ERROR_KINDS: Final[Mapping[type[Exception], ErrorKind]] = {
    ProviderUnavailable: "provider_unavailable",
    CredentialsRefused: "credentials_refused",
    PayloadChanged: "payload_changed",
}
KINDS_OF_FAILURE: Final = tuple(ERROR_KINDS)

log = structlog.get_logger()


async def collect(
    provider_class: type[Provider],
    *,
    client: httpx.AsyncClient,
    secrets: Mapping[str, str],
    sessions: Sessions | None,  # None: nothing is stored, and nothing is known but the bundled list
    catalogue: Catalogue,
    now: datetime,
    payload: object = None,  # a saved answer in place of the network; None: none
    on_start: Callable[[int], object] = lambda run_id: None,  # told the run's id once it is under way
    waits: bool = False,  # for another run of this provider to end, instead of raising
) -> CollectedRun:
    """Collect from one provider and remember what came of it. Raises AlreadyCollecting."""
    provider = provider_class(secrets, now)
    if sessions is None:
        fetched = await _fetch(provider, client, payload)
        return await asyncio.to_thread(judge, provider_class, fetched, Memory(), catalogue, now)
    async with claimed(sessions, provider_class.slug, waits=waits) as run_id:
        on_start(run_id)
        fetched = await _fetch(provider, client, payload)
        memory = await _remember(sessions, provider_class.slug, now)
        run = await asyncio.to_thread(judge, provider_class, fetched, memory, catalogue, now)
        async with sessions.begin() as session:
            before = await store.last_outcome(session, provider_class.slug)
            await store.save_run(session, run, run_id)
    report(run, run_id, before)
    return run


# Fetch ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of asking: answers, or a failure."""

    answers: Sequence[Answer] = ()
    bytes: int = 0
    duration_s: float = 0.0
    failure: Exception | None = None  # one of KINDS_OF_FAILURE
    retry_after_s: float | None = None  # what we were asked to wait; None: nothing


async def _fetch(provider: Provider, client: httpx.AsyncClient, payload: object) -> Fetched:
    if payload is not None:
        return saved(provider, payload)
    received = Traffic()
    token = traffic.set(received)
    started = perf_counter()
    answers: Sequence[Answer] = ()
    failure: Exception | None = None
    try:
        answers = await _answers(provider, client)
    except KINDS_OF_FAILURE as error:
        failure = error
    finally:
        traffic.reset(token)
    return Fetched(
        answers=answers,
        bytes=received.bytes,
        duration_s=perf_counter() - started,
        failure=failure,
        retry_after_s=received.retry_after_s,
    )


def saved(provider: Provider, payload: object) -> Fetched:
    """A saved answer as if it had been fetched; nobody is asked, so no secret is needed."""
    try:
        return Fetched(answers=provider.saved_answers(payload))
    except PayloadChanged as error:
        return Fetched(failure=error)


async def _answers(provider: Provider, client: httpx.AsyncClient) -> Sequence[Answer]:
    if variable := provider.missing(provider.secrets):
        raise CredentialsRefused(f"{variable} is not set")
    try:
        async with asyncio.timeout(provider.patience.total_seconds()):
            return await provider.fetch(client)
    except TimeoutError as error:
        raise ProviderUnavailable(f"the answers took longer than {provider.patience.total_seconds():.0f} s") from error


# Judge ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the store knows that a run is judged by."""

    prices: Sequence[store.KnownPrice] = ()
    previous: Previous = field(default_factory=Previous)
    rates: Rates = field(default_factory=shipped_rates)


async def _remember(sessions: Sessions, slug: str, now: datetime) -> Memory:
    """Nobody else changes a collector's prices while it is claimed."""
    async with sessions() as session:
        published = await store.exchange_rates(session, now)
        return Memory(
            prices=await store.known_prices(session),
            previous=await store.previous(session, slug),
            rates=shipped_rates().with_published(published),
        )


def judge(
    provider_class: type[Provider], fetched: Fetched, memory: Memory, catalogue: Catalogue, now: datetime
) -> CollectedRun:
    """What came of a run: believed offers and rejections, or why there are none. Pure.

    Lists hold numbers that are none (NaN, 1e999999). Calculating with them must not end a run: the check says so.
    """
    with localcontext(CALM):
        return _judged(provider_class, fetched, memory, catalogue, now)


def _judged(
    provider_class: type[Provider], fetched: Fetched, memory: Memory, catalogue: Catalogue, now: datetime
) -> CollectedRun:
    empty = CollectedRun(
        collector=provider_class.slug,
        source=provider_class.source,
        started_at=now,
        duration_s=fetched.duration_s,
        bytes_fetched=fetched.bytes,
    )
    if fetched.failure:
        return replace(
            failed(empty, fetched.failure), retry_at=retry_at(now, fetched.duration_s, fetched.retry_after_s)
        )
    try:
        offers = list(provider_class(now=now).parse(fetched.answers))
    except PayloadChanged as error:
        return failed(empty, error, payload=_kept(fetched.answers))
    return _checked(empty, provider_class, offers, memory, catalogue)


def retry_at(started_at: datetime, duration_s: float, after_s: float | None) -> datetime | None:
    """When we may ask again by the source's own word, which is bounded: a list may come back sooner than it says."""
    return None if after_s is None else started_at + timedelta(seconds=duration_s + min(after_s, LONGEST_PATIENCE_S))


def failed(run: CollectedRun, failure: Exception, payload: str | None = None) -> CollectedRun:
    return replace(run, error_kind=ERROR_KINDS[type(failure)], error=str(failure) or None, payload=payload)


def _kept(answers: Sequence[Answer]) -> str:
    """The answers as JSON, for the person who looks at what changed."""
    plain = [{"call": a.call, "parameters": dict(a.parameters), "body": a.body} for a in answers]
    return msgspec.json.Encoder(decimal_format="number").encode(plain).decode()[:MOST_CHARACTERS_KEPT]


def _checked(
    run: CollectedRun,
    provider_class: type[Provider],
    offers: Sequence[Offer],
    memory: Memory,
    catalogue: Catalogue,
) -> CollectedRun:
    known = medians([*prior(catalogue, run.started_at), *_in_dollars(memory, run.started_at)])
    checked = check(
        offers,
        collector=run.collector,
        source=run.source,
        pricing_page=provider_class.pricing_page,
        catalogue=catalogue,
        known=known,
        previous=memory.previous,
        now=run.started_at,
        marketplace=provider_class.marketplace,
        rates=memory.rates,
    )
    return replace(
        run,
        offers=len(offers),
        observations=checked.observations,
        rejections=checked.rejections,
        repeated=checked.repeated,
        set_aside=checked.set_aside,
        unjudged=checked.unjudged,
    )


def prior(catalogue: Catalogue, at: datetime) -> Iterator[tuple[str, float]]:
    """GPU and USD per GPU-hour of the list that ships: what prices are judged by before any is stored."""
    for seen in shipped(catalogue, at):
        yield seen.gpu, float(seen.price_per_hour * shipped_rates().usd_per_unit(seen.currency, at)) / seen.gpu_count


def shipped(catalogue: Catalogue, at: datetime) -> tuple[Observation, ...]:
    """The list that ships, as the checks see it before anything is known; the same all day, as its prices are dated."""
    return _shipped_on(catalogue, at.astimezone(UTC).date())


@lru_cache(maxsize=2)
def _shipped_on(catalogue: Catalogue, day: date) -> tuple[Observation, ...]:
    checked = check(
        Bundled().parse(published()),
        collector=Bundled.slug,
        source=Bundled.source,
        pricing_page=Bundled.pricing_page,
        catalogue=catalogue,
        known={},
        previous=Previous(),
        now=datetime.combine(day, time.max, UTC),
    )
    return checked.observations


def _in_dollars(memory: Memory, at: datetime) -> Iterator[tuple[str, float]]:
    usd_per_unit = cache(partial(memory.rates.usd_per_unit, at=at))
    for price in memory.prices:
        yield price.gpu, float(price.price_per_gpu_hour * usd_per_unit(price.currency))


# Report --------------------------------------------------------------------------------------------------------------


def report(run: CollectedRun, run_id: int, before: store.Outcome | None, believed: int | None = None) -> None:
    """One line per run; at warning when its outcome is another than that of the run before."""
    outcome = outcome_of(run)
    line = log.bind(provider=run.collector, run=run_id)
    say = line.info if outcome == (before or "ok") else line.warning
    say(
        "collected",
        outcome=run.error_kind or outcome,
        why=run.error or run.set_aside,
        offers=run.offers,
        believed=len(run.observations) if believed is None else believed,
        rejected=dict(Counter(rejection.reason for rejection in run.rejections)),
        repeated=run.repeated,
        unjudged=sorted(run.unjudged),
        bytes=run.bytes_fetched,
        seconds=round(run.duration_s, 3),
    )
