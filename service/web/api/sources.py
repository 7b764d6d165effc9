"""Where prices come from: the providers and how they do, their runs, and what was set aside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.openapi.spec import OpenAPIType
from litestar.params import PathParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.parameters import FieldError, InvalidParameters
from service.parameters.reader import nearest
from service.presentation.answers import (
    ProviderAnswer,
    RejectionAnswer,
    RunAnswer,
    provider_answer,
    rejection_answer,
    run_answer,
    running,
)
from service.store.runs import LARGEST_ID
from service.web.openapi import NEEDS_KEY, PAGING, operation, problems, query
from service.web.pages import WHOLE_LIST, Items, asked_limit, asked_page, last_of
from service.web.security import require_key
from service.web.services import AnyRequest, Services, parameters_of

Slug = Annotated[str, PathParameter(description="of a provider")]
RunId = Annotated[int, PathParameter(description="as a list of runs, or the answer to a collection, names it")]


RUNS_ON_A_PAGE: Final = 50
NEWEST_FIRST: Final = {"limit": {"default": RUNS_ON_A_PAGE, "meaning": "rows on a page, 1 to 1000, newest first"}}
OF_PROVIDER: Final = query("provider", "only of this provider module (slug)")


@get(
    "/providers",
    tags=["prices"],
    summary="Every price source, how it does, and which secret it lacks",
    operation_class=operation(query=PAGING, changed={"limit": {"default": WHOLE_LIST}}),
    responses=problems(400, 503),
)
async def list_providers(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Items[ProviderAnswer]:
    page = await asked_page(services, parameters_of(request))
    states, now = await store.collectors(session), services.clock()
    return page.of([provider_answer(source, states.get(slug), now) for slug, source in services.sources.items()])


@post(
    "/providers/{name:str}/collect",
    status_code=202,
    tags=["prices"],
    summary="Collect from a provider now",
    guards=[require_key],
    security=NEEDS_KEY,
    operation_class=operation(),
    responses=problems(401, 404, 409, 503),
)
async def post_collection(name: Slug, services: NamedDependency[Services]) -> Response[Mapping[str, int | str]]:
    if name not in services.sources:
        raise NotFoundException(
            f"There is no provider {name!r}{nearest(name, services.sources)}; see /api/v1/providers."
        )
    run_id = await services.start_collection(name)
    url = f"/api/v1/runs/{run_id}"
    return Response({"run_id": run_id, "provider": name, "url": url}, headers={"Location": url})


@get(
    "/runs",
    tags=["prices"],
    summary="What each collection fetched, stored and set aside",
    operation_class=operation(query=PAGING, changed=NEWEST_FIRST, extra=[OF_PROVIDER]),
    responses=problems(400, 503),
)
async def list_runs(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Items[RunAnswer]:
    parameters = parameters_of(request)
    limit = await asked_limit(services, parameters, RUNS_ON_A_PAGE)
    collector = _provider(services, parameters)
    page = await store.runs(session, collector=collector, limit=limit, cursor=last_of(parameters, "cursor"))
    return Items(tuple(run_answer(run) for run in page.items), page.next_cursor)


@get(
    "/runs/{run_id:int}",
    tags=["prices"],
    summary="One collection; `running` until it is over",
    operation_class=operation(),
    responses=problems(404, 503),
)
async def get_run(
    run_id: RunId,
    session: NamedDependency[AsyncSession],
) -> RunAnswer:
    if not 0 < run_id <= LARGEST_ID:
        raise NotFoundException("There is no such run; see /api/v1/runs.")
    under_way = await store.run_is_under_way(session, run_id)  # asked first: it may end meanwhile
    run = await store.run(session, run_id)
    if run is not None:
        return run_answer(run, with_payload=True)
    if under_way:
        return running(run_id)
    raise NotFoundException(f"There is no run {run_id}; see /api/v1/runs.")


@get(
    "/rejections",
    tags=["prices"],
    summary="Offers that were set aside, as they were read, with the reason",
    operation_class=operation(
        query=PAGING,
        changed=NEWEST_FIRST,
        extra=[
            OF_PROVIDER,
            query("run", "only of this run", OpenAPIType.INTEGER, minimum=1),
            query("reason", "only with this reason, such as unknown_gpu"),
            query("newest", "only of each provider's newest run that was read", OpenAPIType.BOOLEAN, default=False),
        ],
    ),
    responses=problems(400, 503),
)
async def list_rejections(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Items[RejectionAnswer]:
    parameters = parameters_of(request)
    limit = await asked_limit(services, parameters, RUNS_ON_A_PAGE)
    page = await store.rejections(
        session,
        collector=_provider(services, parameters),
        run_id=_run_id(parameters),
        reason=last_of(parameters, "reason"),
        newest=_flag(parameters, "newest"),
        limit=limit,
        cursor=last_of(parameters, "cursor"),
    )
    return Items(tuple(rejection_answer(each, services.catalogue) for each in page.items), page.next_cursor)


HANDLERS = [list_providers, post_collection, list_runs, get_run, list_rejections]


# What is asked for ---------------------------------------------------------------------------------------------------


def _provider(services: Services, parameters: Mapping[str, Sequence[str]]) -> str | None:
    slug = last_of(parameters, "provider")
    if slug is not None and slug not in services.sources:
        raise InvalidParameters([FieldError("provider", f"{slug!r} is not known{nearest(slug, services.sources)}")])
    return slug


def _run_id(parameters: Mapping[str, Sequence[str]]) -> int | None:
    given = last_of(parameters, "run")
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", given) or not 0 < int(given) <= LARGEST_ID:
        raise InvalidParameters([FieldError("run", f"must be the id of a run, a whole number, not {given[:60]!r}")])
    return int(given)


def _flag(parameters: Mapping[str, Sequence[str]], name: str) -> bool:
    given = last_of(parameters, name)
    if given is not None and given.lower() not in ("true", "1", "false", "0"):
        raise InvalidParameters([FieldError(name, f"must be true or false, not {given[:60]!r}")])
    return given is not None and given.lower() in ("true", "1")
