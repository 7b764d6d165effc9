"""What is known: accelerators with their sources, workloads, electricity."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from service import store
from service.catalogue import UnknownGpu
from service.estimation.workload import Workload
from service.parameters import FieldError, InvalidParameters, workload_from_body
from service.presentation.answers import ElectricityPrice, GpuAnswer, electricity_price, gpu_answer
from service.ranking.describe import described_workload
from service.web.caching import PRICES
from service.web.openapi import NEEDS_KEY, PAGING, WORKLOAD_BODY, operation, problems
from service.web.pages import WHOLE_LIST, Items, asked_page
from service.web.security import require_key
from service.web.services import AnyRequest, Services, parameters_of

GpuName = Annotated[str, PathParameter(description="its name in the catalogue, or a spelling: rtx4070")]
Slug = Annotated[str, PathParameter(description="of a preset, or of a workload that was added")]
SLUG = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}")
LIST = operation(query=PAGING, changed={"limit": {"default": WHOLE_LIST, "meaning": "rows on a page, 1 to 1000"}})


@get(
    "/gpus",
    opt=PRICES,
    tags=["catalogue"],
    summary="Every accelerator that is known, with what it rents for now",
    operation_class=LIST,
    responses=problems(400),
)
async def list_gpus(request: AnyRequest, services: NamedDependency[Services]) -> Items[GpuAnswer]:
    page = await asked_page(services, parameters_of(request))
    return page.of(_gpu_answers(services, sorted(services.catalogue.sheets)))


@get(
    "/gpus/{name:str}",
    opt=PRICES,
    tags=["catalogue"],
    summary="One accelerator by its name or any of its spellings",
    operation_class=operation(),
    responses=problems(404),
)
async def get_gpu(
    name: GpuName,
    services: NamedDependency[Services],
) -> GpuAnswer:
    try:
        return _gpu_answers(services, [services.catalogue.gpu(name).name])[0]
    except UnknownGpu as unknown:
        raise NotFoundException(str(unknown)) from unknown


@get(
    "/workloads",
    tags=["catalogue"],
    summary="The presets, and the workloads that were added",
    operation_class=LIST,
    responses=problems(400, 503),
)
async def list_workloads(request: AnyRequest, services: NamedDependency[Services]) -> Items[Mapping[str, Any]]:
    page = await asked_page(services, parameters_of(request))
    known = {**services.catalogue.workloads, **await services.saved_workloads()}
    return page.of([described_workload(workload) for workload in known.values()])


@get(
    "/workloads/{slug:str}",
    tags=["catalogue"],
    summary="One workload",
    operation_class=operation(),
    responses=problems(404, 503),
)
async def get_workload(
    slug: Slug,
    services: NamedDependency[Services],
) -> Mapping[str, Any]:
    vocabulary = await services.vocabulary(slug)
    workload = vocabulary.workload(slug)
    if workload is None:
        raise NotFoundException(f"There is no workload {slug!r}; see /api/v1/workloads.")
    return described_workload(workload)


@post(
    "/workloads",
    tags=["catalogue"],
    summary="Add a workload, to be ranked by its slug",
    description="A workload as in the body of a ranking, with a `slug` of its own. It is never replaced.",
    guards=[require_key],
    security=NEEDS_KEY,
    operation_class=operation(body=WORKLOAD_BODY),
    responses=problems(400, 401, 409, 503),
)
async def post_workload(
    services: NamedDependency[Services], json_body: NamedDependency[object]
) -> Response[Mapping[str, Any]]:
    workload = _new_workload(json_body, workload_from_body(json_body, await services.vocabulary()), services)
    async with services.session() as session:
        await store.add_workload(session, str(workload.slug), dict(json_body))  # type: ignore[call-overload]
    return Response(described_workload(workload), headers={"Location": f"/api/v1/workloads/{workload.slug}"})


@get(
    "/electricity",
    tags=["catalogue"],
    summary="What a household pays for a kWh, and what the grid emits for it, by country",
    operation_class=LIST,
    responses=problems(400),
)
async def list_electricity(request: AnyRequest, services: NamedDependency[Services]) -> Items[ElectricityPrice]:
    page = await asked_page(services, parameters_of(request))
    return page.of([electricity_price(known) for known in services.catalogue.electricity.values()])


HANDLERS = [list_gpus, get_gpu, list_workloads, get_workload, post_workload, list_electricity]


# Their parts ---------------------------------------------------------------------------------------------------------


def _gpu_answers(services: Services, names: Iterable[str]) -> list[GpuAnswer]:
    offers = services.market.offers
    counts = Counter(offers.gpu.column)
    # What can be had comes before what is known to be out of stock
    preferred = np.lexsort([offers.usd_per_hour / offers.gpu_count, offers.known_unavailable])
    gpus, first = np.unique(offers.gpu.codes[preferred], return_index=True)
    cheapest = {offers.gpu.values[gpu]: int(preferred[row]) for gpu, row in zip(gpus, first, strict=True)}
    return [
        gpu_answer(
            services.catalogue.sheets[name],
            services.runs_of_gpu.get(name, ()),
            counts[name],
            offers.row(cheapest[name]) if name in cheapest else None,
        )
        for name in names
    ]


def _new_workload(body: object, workload: Workload, services: Services) -> Workload:
    """With its slug checked: the body's own, or its name as one."""
    given = body.get("slug") if isinstance(body, dict) else None
    slug = given if isinstance(given, str) else re.sub(r"[^a-z0-9.]+", "-", workload.name.lower()).strip("-.")
    if (given is not None and not isinstance(given, str)) or not SLUG.fullmatch(slug):
        message = "must be 1 to 80 lower-case letters, digits, points or hyphens, such as my-7b"
        raise InvalidParameters([FieldError("slug", message)])
    if slug in services.catalogue.workloads:
        raise store.WorkloadExists(f"there is a workload {slug} already")
    return replace(workload, slug=slug)
