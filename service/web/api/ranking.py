"""The heart: every way to run a workload in order, and the hours of one machine without its price."""

from __future__ import annotations

import asyncio

from litestar import get, post
from litestar.di import NamedDependency

from service.parameters import EstimatesRequest, estimates_request
from service.presentation.answers import MachineEstimate, machine_estimate
from service.ranking.option import Ranking
from service.web.caching import PRICES
from service.web.openapi import ESTIMATES_BODY, RANKING, RANKING_BODY, operation, problems
from service.web.services import Services


@get(
    "/ranking",
    opt=PRICES,
    tags=["ranking"],
    summary="Rank every way to run a workload",
    description="Everything is in the query, so that every ranking is a link."
    " What was considered is ranked or excluded with a reason; a filter is not an exclusion.",
    operation_class=operation(query=RANKING),
    responses=problems(400, 503),
)
async def get_ranking(ranking: NamedDependency[Ranking]) -> Ranking:
    return ranking


@post(
    "/ranking",
    status_code=200,
    tags=["ranking"],
    summary="Rank every way to run a workload that is in no catalogue",
    description="The names of the query; `workload` may be an object, and `rigs` a list of objects.",
    operation_class=operation(body=RANKING_BODY),
    responses=problems(400, 503),
)
async def post_ranking(posted_ranking: NamedDependency[Ranking]) -> Ranking:
    return posted_ranking


@post(
    "/estimates",
    status_code=200,
    tags=["ranking"],
    summary="Hours of a workload on given machines, without prices",
    description="A list in the order of `machines`; a machine that cannot run it has `excluded` with the reason."
    " A machine may pin any part of its `plan`: one that does not fit keeps its hours and says what it lacks.",
    operation_class=operation(body=ESTIMATES_BODY),
    responses=problems(400, 503),
)
async def post_estimates(
    services: NamedDependency[Services], json_body: NamedDependency[object]
) -> list[MachineEstimate]:
    return await _estimates(services, estimates_request(json_body, await services.vocabulary_of(json_body)))


async def _estimates(services: Services, asked: EstimatesRequest) -> list[MachineEstimate]:
    async with services.counting:
        return await asyncio.to_thread(_answers, services, asked)


def _answers(services: Services, asked: EstimatesRequest) -> list[MachineEstimate]:
    return [
        machine_estimate(machine, services.estimator.estimate(workload, machine, asked.method))
        for workload, machine in asked.questions
    ]


HANDLERS = [get_ranking, post_ranking, post_estimates]
