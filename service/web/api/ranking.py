"""The heart: every way to run a workload in order, and the hours of one machine without its price."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from service.estimation.estimate import Estimator
from service.estimation.explain import explain
from service.parameters import EstimatesRequest, estimates_request
from service.presentation.answers import MachineEstimate, machine_estimate
from service.presentation.rows import RankingRow, ranking_row
from service.ranking.option import Ranking
from service.web.api.exports import JSON, accepted, exported
from service.web.caching import PRICES
from service.web.openapi import ESTIMATES_BODY, FORMAT, RANKING, RANKING_BODY, operation, problems
from service.web.services import AnyRequest, Services


@get(
    "/ranking",
    opt=PRICES,
    tags=["ranking"],
    summary="Rank every way to run a workload",
    description="Everything is in the query, so that every ranking is a link."
    " What was considered is ranked or excluded with a reason; a filter is not an exclusion."
    " `Accept: text/csv` or `application/vnd.apache.parquet` gives the options of the page as a table.",
    operation_class=operation(query=RANKING, extra=[FORMAT]),
    responses={
        200: ResponseSpec(Ranking, description="The ranking", generate_examples=False),
        **problems(400, 406, 503),
    },
)
async def get_ranking(request: AnyRequest, ranking: NamedDependency[Ranking]) -> Response[Any]:
    form = accepted(request, "The ranking")
    if form == JSON:
        return Response(ranking, media_type=JSON)
    return exported(form, [ranking_row(option) for option in ranking.options], RankingRow, "ranking")


@post(
    "/ranking",
    status_code=200,
    tags=["ranking"],
    summary="Rank every way to run a workload that is in no catalogue",
    description="The names of the query; `workload` may be an object, `rigs` a list of objects, and `plan` an object of"
    " the settings that are pinned. A name that nobody reads is ignored; `notes` say so where it is near a known one.",
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
    " A machine may pin any part of its `plan`: one that does not fit keeps its hours and says what it lacks."
    " A `plan` beside the machines is for those that have none."
    " Parts are `micro_batch`, `activation_checkpointing`, `optimizer`, `offload`, `sharding`, `compiled`,"
    " `flash_attention`, and how the model is cut over GPUs: `tensor_parallel`, `pipeline_parallel` (with"
    " `virtual_stages`) and `context_parallel`, whose product has to divide the GPUs of the machine."
    " With `explain` (for at most 20 machines) each also says what a step computes and moves, at which rates, which"
    " constants decide it and which published runs are near.",
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
    explainer = Estimator(services.catalogue.efficiencies, services.catalogue.runs) if asked.explain else None
    answers = []
    for (workload, machine), notes in zip(asked.questions, asked.notes, strict=True):
        found = services.estimator.estimate(workload, machine, asked.method)
        why = explain(explainer, workload, machine, found) if explainer else None
        answers.append(machine_estimate(machine, found, why, notes))
    return answers


HANDLERS = [get_ranking, post_ranking, post_estimates]
