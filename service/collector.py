"""Collections with everything they need in hand: one that is asked for, and the jobs of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import httpx
import structlog

from providers import discover
from service import store
from service.catalogue import Catalogue
from service.collect import AlreadyCollecting, collect, collect_rates
from service.database import Database
from service.presentation.answers import PriceSource, provider_answer
from service.rates import EuropeanCentralBank
from service.schedule import Job
from service.settings import Settings

WATCHING = timedelta(minutes=5)  # how often a change of state is looked for that no run brings about: growing stale

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Collector:
    """Collections with everything they need already in hand."""

    settings: Settings
    database: Database
    catalogue: Catalogue
    client: httpx.AsyncClient
    clock: Callable[[], datetime]
    sources: Mapping[str, PriceSource]
    states: dict[str, str] = field(default_factory=dict)  # as they were last looked at

    async def collect(self, slug: str, on_start: Callable[[int], object] = lambda run_id: None) -> None:
        if slug == EuropeanCentralBank.slug:
            await collect_rates(
                client=self.client, sessions=self.database.sessions, now=self.clock(), on_start=on_start
            )
            return
        await collect(
            discover()[slug],
            client=self.client,
            secrets=self.settings.secrets,
            sessions=self.database.sessions,
            catalogue=self.catalogue,
            now=self.clock(),
            on_start=on_start,
        )

    async def jobs(self) -> Sequence[Job]:
        """One per source that can be read: a missing secret is said in its state, and asked for nowhere."""
        readable = [slug for slug, source in self.sources.items() if source.kind != "bundled" and source.needs is None]
        watching = Job(name="states of sources", interval=WATCHING, run=self.log_states)
        jobs = [(self.sources[slug], await self._job(slug)) for slug in readable]
        return [*[job for source, job in jobs if source.is_quick or job.last_started], watching]

    async def _job(self, slug: str) -> Job:
        """How the collections of a source stand: when it was last asked, and when it may be asked again."""
        async with self.database.sessions() as session:
            last = next(iter((await store.runs(session, collector=slug, limit=1)).items), None)
            failures = await store.failures(session, slug)
        return Job(
            name=f"collect {slug}",
            interval=self.sources[slug].interval,
            run=partial(self._collect_in_turn, slug),
            last_started=last.started_at if last else None,
            failures=failures,
            not_before=last.retry_at if last else None,
            renewed=partial(self._job, slug),
        )

    async def _collect_in_turn(self, slug: str) -> None:
        with suppress(AlreadyCollecting):  # somebody asked for it just now
            await self.collect(slug)

    async def log_states(self) -> None:
        """Say which sources are in another state than when last looked at: once, however long it lasts."""
        async with self.database.sessions() as session:
            collected = await store.collectors(session)
        for slug, source in self.sources.items():
            now = provider_answer(source, collected.get(slug), self.clock())
            before = self.states.setdefault(slug, now.state)
            if now.state != before:
                self.states[slug] = now.state
                log.warning("source changed its state", provider=slug, before=before, state=now.state, why=now.detail)
