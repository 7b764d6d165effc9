"""The composition root: the only module that knows every other. `create_app` is what a server runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import structlog
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.logging.config import StructLoggingConfig
from litestar.plugins.prometheus import PrometheusConfig
from litestar.plugins.structlog import StructlogConfig, StructlogPlugin

from providers import discover
from service import store
from service.catalogue import Catalogue, load
from service.collect import (
    AlreadyCollecting,
    all_sources,
    collect,
    collect_bundled_if_needed,
    collect_rates,
    make_client,
)
from service.database import Database, open_database
from service.estimation.estimate import Estimator
from service.market import Markets, RememberingEstimator
from service.parameters.vocabulary import DEFAULT_WORKLOAD
from service.presentation.answers import PriceSource, provider_answer, source_of
from service.presentation.charts import drawing
from service.rates import EuropeanCentralBank
from service.reports.desk import Desk
from service.reports.opening import open_desk
from service.schedule import Job, end, running_schedule
from service.settings import Settings, api_key
from service.web import api, dashboard
from service.web.caching import PriceCaching
from service.web.methods import head_as_get
from service.web.openapi import config as openapi_config
from service.web.problems import exception_handlers
from service.web.security import secure
from service.web.services import DEPENDENCIES, Services

FORGETTING = timedelta(days=1)  # how often old reports are looked for
WATCHING = timedelta(minutes=5)  # how often a change of state is looked for that no run brings about: growing stale

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(settings: Settings | None = None, clock: Callable[[], datetime] = utc_now) -> Litestar:
    """The service: API, pages, and its part in the schedule. Settings come from the environment unless given.

    For several processes: `granian --interface asgi --factory service.app:served`.
    """
    composed = settings or Settings.from_environment()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with running(composed, clock) as services:
            app.state.services = services
            yield

    prometheus = PrometheusConfig(app_name="rig_or_rent", prefix="rig_or_rent", group_path=True)
    app = Litestar(
        route_handlers=[*api.routers, dashboard.router],
        lifespan=[lifespan],
        dependencies=DEPENDENCIES,
        exception_handlers=exception_handlers(),
        middleware=[prometheus.middleware, PriceCaching()],
        before_send=[secure],
        compression_config=CompressionConfig(backend="gzip", minimum_size=1000, gzip_compress_level=5),
        openapi_config=openapi_config(),
        template_config=dashboard.template_config(),
        plugins=[StructlogPlugin(StructlogConfig(_logging(), enable_middleware_logging=False))],
        state=State(),
    )
    app.asgi_handler = head_as_get(app.asgi_handler)
    return app


def served() -> Litestar:
    """What each process of `serve` runs."""
    app = create_app()
    gc.freeze()  # what is loaded by now stays: a search for waste in it would fall into somebody's ranking
    return app


@asynccontextmanager
async def running(settings: Settings, clock: Callable[[], datetime]) -> AsyncIterator[Services]:
    """Everything that lives as long as the process: database, prices, the followed market, the schedule."""
    async with AsyncExitStack() as stack:
        catalogue, providers = load(), discover()
        database = await stack.enter_async_context(open_database(settings))
        await database.prepare()
        await collect_bundled_if_needed(database.sessions, catalogue, clock())
        markets = Markets(database, catalogue, providers, clock)
        await markets.refresh()
        client = await stack.enter_async_context(make_client(settings))
        sources = {slug: source_of(module, settings.secrets) for slug, module in all_sources().items()}
        collector = Collector(settings, database, catalogue, client, clock, sources)
        estimator = RememberingEstimator(Estimator(catalogue.efficiencies, catalogue.runs))
        desk = open_desk(
            settings,
            database=database,
            catalogue=catalogue,
            markets=markets,
            estimator=estimator,
            sources=sources,
            clock=clock,
        )
        services = Services(
            catalogue=catalogue,
            database=database,
            markets=markets,
            estimator=estimator,
            sources=sources,
            reports=await stack.enter_async_context(desk),
            collect=collector.collect,
            api_key=api_key(settings).value,
            clock=clock,
            runs_of_gpu=_runs_of_gpu(catalogue),
        )
        warm, preset = services.estimator.of_machines, catalogue.workloads[DEFAULT_WORKLOAD]
        await asyncio.to_thread(warm, preset, "model", markets.current.machines)  # the first ranking waits for nothing
        await asyncio.to_thread(drawing.warm_up)  # nor does the first chart
        stack.push_async_callback(end, services.started)
        following = asyncio.create_task(markets.follow(), name="market")
        stack.push_async_callback(end, [following])
        if settings.scheduler:
            reporting = asyncio.create_task(services.reports.work(), name="reports")
            stack.push_async_callback(end, [reporting])
            jobs = partial(jobs_of, collector, services.reports)
            await stack.enter_async_context(running_schedule(jobs, connect=database.connect, clock=clock))
        yield services


async def jobs_of(collector: Collector, desk: Desk) -> Sequence[Job]:
    """All that is done on schedule; reports are made beside it, by every process."""
    return [*await collector.jobs(), Job(name="old reports", interval=FORGETTING, run=desk.forget_old)]


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


def _runs_of_gpu(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """The published runs by the GPU they were measured on."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for run in catalogue.runs:
        found[run.machine.gpu.name].append(run.id)
    return {name: tuple(ids) for name, ids in found.items()}


def _logging() -> StructLoggingConfig:
    """JSON lines on standard error, or colours in a terminal. Requests that fail are logged where they are answered."""
    for chatty in ("alembic", "apscheduler", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    to_terminal = sys.stderr.isatty()
    return StructLoggingConfig(
        log_exceptions="never",
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr)
        if to_terminal
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
