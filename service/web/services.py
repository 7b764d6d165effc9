"""What handlers are given: the parts of the running service, composed once in `service.app`, and the question asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.catalogue import Catalogue
from service.database import Database, DatabaseUnavailable
from service.estimation.workload import Workload
from service.market import Market, Markets, RememberingEstimator, current_ranking, find_option, sketched_ranking
from service.parameters import (
    OWN_WORKLOAD,
    FieldError,
    InvalidParameters,
    Vocabulary,
    ranking_request,
    ranking_request_from_body,
    saved_workload,
)
from service.presentation.answers import PriceSource
from service.ranking.option import ExclusionExample, Option, Ranking
from service.ranking.request import RankingRequest
from service.ranking.ways import kept
from service.reports.desk import Desk

AnyRequest: TypeAlias = Request[Any, Any, State]

REMEMBERED_RANKINGS: Final = 32  # with some 600 options each, about 1 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The running service."""

    catalogue: Catalogue
    database: Database
    markets: Markets
    estimator: RememberingEstimator
    sources: Mapping[str, PriceSource]  # by slug
    reports: Desk
    collect: Callable[[str, Callable[[int], object]], Awaitable[object]]  # a run now; it tells its id when it starts
    api_key: str
    clock: Callable[[], datetime]
    runs_of_gpu: Mapping[str, tuple[str, ...]]  # published runs behind the estimates, by GPU
    remembered: OrderedDict[Hashable, object] = field(default_factory=OrderedDict)  # what pages have drawn
    started: set[asyncio.Task[object]] = field(default_factory=set)  # collections that somebody asked for
    sketched: OrderedDict[Hashable, tuple[Ranking, tuple[Option, ...]]] = field(default_factory=OrderedDict)
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)  # one ranking at a time: they share the estimator

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction, committed at its end. Raises DatabaseUnavailable."""
        try:
            async with self.database.sessions.begin() as session:
                yield session
        except (IntegrityError, ProgrammingError, DataError):
            raise  # a mistake of ours, not an absence
        except (DBAPIError, OSError, TimeoutError) as error:
            raise DatabaseUnavailable(f"the database does not answer: {_first_line(error)}") from error

    async def vocabulary(self, workload: object = None) -> Vocabulary:
        """What a request may name. The database is only asked where its workload is not in the catalogue."""
        known = not isinstance(workload, str) or workload in (OWN_WORKLOAD, *self.catalogue.workloads)
        saved = {} if known else await self.saved_workloads()
        sell = [slug for slug, source in self.sources.items() if source.kind != "rates"]
        return Vocabulary.of(self.catalogue, self.market.offers, sell, saved)

    async def vocabulary_of(self, body: object) -> Vocabulary:
        return await self.vocabulary(body.get("workload") if isinstance(body, dict) else None)

    async def saved_workloads(self) -> dict[str, Workload]:
        """What users have added, by slug."""
        async with self.session() as session:
            rows = await store.saved_workloads(session)
        return {row.slug: saved_workload(row.slug, row.body, self.catalogue) for row in rows}

    async def asked_in_query(self, parameters: Mapping[str, Sequence[str]]) -> RankingRequest:
        vocabulary = await self.vocabulary(next(iter(parameters.get("workload", ())), None))
        return ranking_request(parameters, vocabulary, self.clock())

    async def asked_in_body(self, body: object) -> RankingRequest:
        return ranking_request_from_body(body, await self.vocabulary_of(body), self.clock())

    async def start_collection(self, slug: str) -> int:
        """Collect beside the caller; the id of the run once it has begun. Raises what keeps it from beginning."""
        begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def tell(run_id: int) -> None:
            if not begun.done():
                begun.set_result(run_id)

        task = asyncio.ensure_future(self.collect(slug, tell))
        self.started.add(task)
        task.add_done_callback(self.started.discard)
        waited: list[asyncio.Future[Any]] = [task, begun]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            await task
        return await begun

    async def send_report(self, subscription_id: str) -> str:
        """A report now; its id. It is sent beside the caller. Raises what keeps it from being made."""
        report_id = await self.reports.send_now(subscription_id)
        task = asyncio.ensure_future(self.reports.courier.deliver_due(report_id))
        self.started.add(task)
        task.add_done_callback(self.started.discard)
        return report_id

    @property
    def market(self) -> Market:
        """The prices of now; `service.app` has loaded them before anybody is answered."""
        assert self.markets.current is not None
        return self.markets.current

    @property
    def currencies(self) -> list[str]:
        """In which amounts can be shown."""
        return sorted(self.market.rates.currencies)

    async def ranking(self, request: RankingRequest) -> Ranking:
        """Arithmetic over all offers, beside the event loop: others are answered meanwhile."""
        market = await self.markets.at(request.as_of)
        async with self.counting:
            return await asyncio.to_thread(current_ranking, market, request, self.estimator, self.clock())

    async def sketched_ranking(self, request: RankingRequest, most: int) -> tuple[Ranking, tuple[Option, ...]]:
        """The ranking, with some of all its options for a picture; from memory where it was asked of these prices."""
        market, now = await self.markets.at(request.as_of), self.clock()
        key = (market.version, request, most, None if request.max_age_hours is None else f"{now:%Y-%m-%dT%H:%M}")
        if key in self.sketched:
            self.sketched.move_to_end(key)
            return self.sketched[key]
        async with self.counting:
            found = await asyncio.to_thread(sketched_ranking, market, request, self.estimator, now, most)
        self.sketched[key] = found
        while len(self.sketched) > REMEMBERED_RANKINGS:
            self.sketched.popitem(last=False)
        return found

    async def freeing_filter(self, request: RankingRequest) -> tuple[str, int] | None:
        """Where no cloud offer passes the filters: the one without which most would, and how many."""
        market, now = await self.markets.at(request.as_of), self.clock()
        if not len(market.offers) or kept(request, market.offers, now).any():
            return None
        passing = {name: int(kept(freed, market.offers, now).sum()) for name, freed in _freed(request).items()}
        name = max(passing, key=lambda name: passing[name])
        return (name, passing[name]) if passing[name] else None

    async def option(self, request: RankingRequest, option_id: str) -> Option | ExclusionExample | None:
        market = await self.markets.at(request.as_of)
        async with self.counting:
            return await asyncio.to_thread(find_option, market, request, self.estimator, self.clock(), option_id)


def _freed(request: RankingRequest) -> dict[str, RankingRequest]:
    """The question without each of its filters, by the parameter's name."""
    usual = RankingRequest(workload=request.workload, rigs=request.rigs)
    return {
        "gpu": replace(request, gpus=usual.gpus),
        "provider": replace(request, providers=usual.providers),
        "region": replace(request, regions=usual.regions),
        "cloud_country": replace(request, cloud_countries=usual.cloud_countries),
        "pricing": replace(request, pricing=usual.pricing),
        "min_gpus": replace(request, min_gpus=usual.min_gpus),
        "max_gpus": replace(request, max_gpus=usual.max_gpus),
        "max_age_hours": replace(request, max_age_hours=None),
    }


def _first_line(error: Exception) -> str:
    reason = str(error.orig if isinstance(error, DBAPIError) else error)
    return reason.splitlines()[0] if reason else type(error).__name__


# Dependencies --------------------------------------------------------------------------------------------------------


def provide_services(state: State) -> Services:
    services: Services = state.services
    return services


def parameters_of(request: AnyRequest) -> dict[str, list[str]]:
    """The query as every reader of parameters takes it."""
    return {name: request.query_params.getall(name) for name in request.query_params}


async def provide_body(request: AnyRequest) -> object:
    """The body as JSON. Whatever it is called: a request without a content type is read too."""
    try:
        return msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameters([FieldError("body", f"must be JSON: {error}")]) from error


async def provide_asked(request: AnyRequest, services: NamedDependency[Services]) -> RankingRequest:
    return await services.asked_in_query(parameters_of(request))


async def provide_ranking(services: NamedDependency[Services], asked: NamedDependency[RankingRequest]) -> Ranking:
    return await services.ranking(asked)


async def provide_posted_ranking(services: NamedDependency[Services], json_body: NamedDependency[object]) -> Ranking:
    return await services.ranking(await services.asked_in_body(json_body))


async def provide_session(services: NamedDependency[Services]) -> AsyncIterator[AsyncSession]:
    async with services.session() as session:
        yield session


DEPENDENCIES = {
    "services": Provide(provide_services, sync_to_thread=False),
    "json_body": Provide(provide_body),
    "asked": Provide(provide_asked),
    "ranking": Provide(provide_ranking),
    "posted_ranking": Provide(provide_posted_ranking),
    "session": Provide(provide_session),
}
