"""The pages: the same values as the API's, for people. Everything is a GET whose address holds the whole question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from service.market import provider_name
from service.parameters import FieldError, InvalidParameters
from service.presentation.chart import WIDE
from service.presentation.language import Language
from service.ranking.request import RankingRequest
from service.web import site
from service.web.aging import old_prices
from service.web.caching import PRICES
from service.web.charting import charts
from service.web.form import Form, address, canonical, is_canonical
from service.web.frame import Twin, page, reader_of
from service.web.services import AnyRequest, Services, parameters_of
from service.web.templating import ASSETS, template_config
from service.web.view import RankingView


@get("/", include_in_schema=False, opt=PRICES)
async def ranking_page(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    parameters = parameters_of(request)
    if not is_canonical(parameters):
        return Redirect(address("/", canonical(parameters)), status_code=303)
    language, errors = reader_of(request)
    try:
        asked = await services.asked_in_query(parameters)
    except InvalidParameters as invalid:
        return _ranking_of_errors(request, _form(services, parameters, language, [*invalid.errors, *errors]), services)
    if errors:
        return _ranking_of_errors(request, _form(services, parameters, language, errors), services)
    return _ranking_template(request, await _view(services, asked, _form(services, parameters, language)))


def _ranking_of_errors(request: AnyRequest, form: Form, services: Services) -> Template:
    return _ranking_template(request, RankingView(form=form, now=services.clock()), status=400)


def _ranking_template(request: AnyRequest, view: RankingView, status: int = 200) -> Template:
    twins = view.twins if view.ranking else ()
    context = {"view": view}
    return page(request, "ranking.html", context, name="ranking", spoken=view.language, twins=twins, status=status)


@get("/api", include_in_schema=False)
async def api_page(request: AnyRequest) -> Template:
    twins = [Twin("OpenAPI", "/schema/openapi.json", "application/vnd.oai.openapi+json")]
    return page(request, "api.html", {"schema": request.app.openapi_schema.to_schema()}, name="api", twins=twins)


@get("/static/{version:str}/{name:str}", include_in_schema=False)
async def static_file(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of the package. Its address holds its fingerprint, so that it never has to be asked for twice."""
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFoundException
    is_this = version == asset.fingerprint
    cache = "public, max-age=31536000, immutable" if is_this else "no-cache"
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": cache})


@get("/favicon.ico", include_in_schema=False)
async def favicon() -> Response[bytes]:
    """Some browsers ask for it whatever the page says."""
    return Response(ASSETS["icon.svg"].content, media_type=ASSETS["icon.svg"].media_type)


# The views -----------------------------------------------------------------------------------------------------------


async def _view(services: Services, asked: RankingRequest, form: Form) -> RankingView:
    """One page of the ranking for the table, and some of all its options for the chart."""
    ranking, drawn = await services.sketched_ranking(asked, WIDE.most_points)
    view = RankingView(
        form=form,
        request=asked,
        ranking=ranking,
        now=services.clock(),
        old=old_prices(services.market, services) if asked.as_of is None else (),
        freeing=await services.freeing_filter(asked),
    )
    return replace(view, charts=charts(drawn, ranking, asked, form, view.scale))


def _form(
    services: Services,
    parameters: Mapping[str, Sequence[str]],
    language: Language,
    errors: Sequence[FieldError] = (),
) -> Form:
    return Form(
        given=parameters,
        catalogue=services.catalogue,
        offers=services.market.offers,
        workloads={slug: workload.name for slug, workload in services.catalogue.workloads.items()},
        provider_names=_provider_names(services),
        currencies=services.currencies,
        language=language,
        all_errors=errors,
    )


def _provider_names(services: Services) -> dict[str, str]:
    slugs = {*services.sources, *services.market.offers.provider.values}
    return {slug: provider_name(slug, services.sources) for slug in slugs}


router = Router("/", route_handlers=[ranking_page, api_page, static_file, favicon, *site.HANDLERS])

__all__ = ["router", "template_config"]
