"""One option: where its hours, its memory and its money go, what to type, what it cost before, and on whose word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from litestar import Response, get
from litestar.di import NamedDependency

from service import store
from service.collect.rates import rates_at
from service.estimation.answer import Estimate, Infeasible
from service.estimation.estimate import Estimator
from service.estimation.explain import Explanation, explain
from service.estimation.hardware import Machine
from service.presentation.answers import OfferPrice, offer_price
from service.ranking.describe import rig_title
from service.ranking.option import ExclusionExample, Option
from service.ranking.request import RankingRequest
from service.web.caching import PAST_PRICES
from service.web.form import address
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.drawn import drawn
from service.web.site.option.charts import charts_of
from service.web.site.option.view import OptionView
from service.web.site.visit import Visit

MOST_PRICES: Final = 500  # of one offer, in its chart


@get("/option", include_in_schema=False, opt=PAST_PRICES)
async def option_page(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    visit = Visit.of(request, services)
    asked = await services.asked_in_query(visit.parameters)
    option_id = visit.given("option")
    found = await services.option(asked, option_id)
    if found is None:
        return await _gone(visit, option_id)
    view = await _view(visit, asked, found)
    twin = Twin("JSON", address("/api/v1/ranking", {**visit.question, "explain": ["true"]}))
    return visit.page("option.html", view, twins=[twin])


async def _gone(visit: Visit, option_id: str) -> Response[Any]:
    """When the offer was last seen, and at which price."""
    last = await _prices(visit, option_id, visit.now, 1)
    return visit.page("gone.html", last[0] if last else None, status=404)


async def _view(visit: Visit, asked: RankingRequest, found: Option | ExclusionExample) -> OptionView:
    services = visit.services
    ranking = await services.ranking(replace(asked, limit=1, offset=0))
    machine = _machine(visit, asked, found)
    estimate = _estimate(services, asked, machine) if machine else None
    prices = [] if found.kind == "local" else await _prices(visit, found.id, asked.as_of or visit.now, MOST_PRICES)
    view = OptionView(
        visit=visit,
        asked=asked,
        found=found,
        ranked=ranking.ranked,
        machine=machine,
        estimate=estimate,
        reference=_reference(services, asked),
        explanation=await _explanation(services, asked, found, machine, estimate),
        prices=tuple(reversed(prices)),
    )
    key = ("option", services.markets.version_with_past, found.id, visit.said, asked, len(prices))
    return replace(view, charts=await drawn(services, key, lambda: charts_of(view)))


async def _prices(visit: Visit, option_id: str, until: datetime, most: int) -> list[OfferPrice]:
    """What an offer cost before, newest first."""
    async with visit.services.session() as session:
        past = await store.prices_of_offer(session, option_id, datetime(2000, 1, 1, tzinfo=UTC), until, limit=most)
        if not past:
            return []
        rates = await rates_at(session, until, since=min(price.first_seen for price in past))
    return [offer_price(price, rates) for price in past]


def _machine(visit: Visit, asked: RankingRequest, found: Option | ExclusionExample) -> Machine | None:
    if found.kind == "local":
        return next((rig.machine for rig in asked.rigs if rig_title(rig) == found.title), None)
    offers = visit.services.market.offers
    row = offers.place.get(found.id)
    return None if row is None else offers.machine[row]


def _estimate(services: Services, asked: RankingRequest, machine: Machine) -> Estimate | None:
    """The hours with their parts. Of what does not fit: of the most frugal plan, pinned so that its parts are told."""
    found = services.estimator.estimate(asked.workload, machine, asked.method)
    if isinstance(found, Estimate):
        return found
    if found.estimate is None and found.reason == "out_of_memory":
        pinned = replace(asked.workload, plan=replace(asked.workload.plan, micro_batch=1))
        found = services.estimator.estimate(pinned, machine, asked.method)
    return found.estimate if isinstance(found, Infeasible) else found


def _reference(services: Services, asked: RankingRequest) -> tuple[Machine, Estimate] | None:
    """The machine that somebody measured this workload on."""
    measured = asked.workload.reference
    if measured is None or asked.workload.model is None:
        return None
    machine = Machine(gpu=measured.gpu, gpu_count=measured.gpu_count)
    found = services.estimator.estimate(asked.workload, machine, "model")
    return (machine, found) if isinstance(found, Estimate) else None


async def _explanation(
    services: Services,
    asked: RankingRequest,
    found: Option | ExclusionExample,
    machine: Machine | None,
    estimate: Estimate | None,
) -> Explanation | None:
    """The numbers behind an option by the model; beside the event loop, since every constant is tried anew."""
    if not isinstance(found, Option) or asked.method != "model" or machine is None or estimate is None:
        return None
    known = services.catalogue

    def explained() -> Explanation | None:
        return explain(Estimator(known.efficiencies, known.runs), asked.workload, machine, estimate)

    return await drawn(services, ("explanation", asked.workload, machine), explained)


HANDLERS: Final = [option_page]
