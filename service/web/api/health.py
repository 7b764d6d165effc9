"""Whether the service is well: for whoever restarts it, sends it readers, or watches it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.plugins.prometheus import PrometheusController
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.ranking.option import MarketState
from service.web.openapi import problems
from service.web.services import Services


@dataclass(frozen=True, slots=True)
class Alive:
    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The age of prices is said and changes nothing: old prices with their dates are still an answer."""

    status: Literal["ok"]
    market: MarketState
    newest_price_age_s: float | None
    oldest_price_age_s: float | None


@get("/health/live", tags=["service"], summary="Whether the process answers")
async def live() -> Alive:
    return Alive()


@get(
    "/health/ready",
    tags=["service"],
    summary="Whether database, migrations and market are there; the age of prices stands in the answer",
    responses=problems(503),
)
async def ready(services: NamedDependency[Services], session: NamedDependency[AsyncSession]) -> Ready:
    await session.execute(text("SELECT 1"))
    market, now = services.market.state, services.clock()
    return Ready(
        status="ok",
        market=market,
        newest_price_age_s=_age(market.newest_price_at, now),
        oldest_price_age_s=_age(market.oldest_price_at, now),
    )


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


class Metrics(PrometheusController):
    """What Litestar counts of requests, and what the service counts of itself."""

    include_in_schema = False


router = Router("/", route_handlers=[live, ready, Metrics])
