"""The composition root: the only module that knows every other. `create_app` is what a server runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.logging.config import StructLoggingConfig
from litestar.plugins.prometheus import PrometheusConfig
from litestar.plugins.structlog import StructlogConfig, StructlogPlugin

from providers import discover
from service.catalogue import Catalogue, load
from service.collect import all_sources, collect_bundled_if_needed, make_client
from service.collector import Collector
from service.database import open_database
from service.estimation.estimate import Estimator
from service.market import Markets, RememberingEstimator
from service.parameters.vocabulary import DEFAULT_WORKLOAD
from service.presentation.answers import source_of
from service.presentation.charts import drawing
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
        await asyncio.to_thread(_warm_up, services)
        stack.push_async_callback(end, services.started)
        _start(stack, markets.follow(), "market")
        if settings.scheduler:
            _start(stack, services.reports.work(), "reports")
            jobs = partial(jobs_of, collector, services.reports)
            await stack.enter_async_context(running_schedule(jobs, connect=database.connect, clock=clock))
        yield services


def _warm_up(services: Services) -> None:
    """The first ranking waits for no estimate, and the first chart for no engine."""
    preset = services.catalogue.workloads[DEFAULT_WORKLOAD]
    services.estimator.of_machines(preset, "model", services.markets.current.machines)
    drawing.warm_up()


def _start(stack: AsyncExitStack, work: Coroutine[object, object, None], name: str) -> None:
    """A task that lives as long as the process."""
    stack.push_async_callback(end, [asyncio.create_task(work, name=name)])


async def jobs_of(collector: Collector, desk: Desk) -> Sequence[Job]:
    """All that is done on schedule; reports are made beside it, by every process."""
    return [*await collector.jobs(), Job(name="old reports", interval=FORGETTING, run=desk.forget_old)]


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
