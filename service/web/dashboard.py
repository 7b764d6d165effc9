"""The pages: the same values as the API's, for people. Everything is a GET whose address holds the whole question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.template import TemplateConfig
from markupsafe import Markup, escape

from service.market import provider_name
from service.parameters import FieldError, InvalidParameters
from service.presentation import numbers, words
from service.presentation.chart import series
from service.presentation.numbers import TimeScale, time_scale
from service.ranking.option import CloudOffer, Option
from service.web.caching import PRICES
from service.web.form import Form, address, canonical, is_canonical
from service.web.services import AnyRequest, Services, parameters_of
from service.web.view import RankingView

HERE: Final = Path(str(files("service.web")))
MOST_OPTIONS: Final = 5000  # that one chart samples from


@get("/", include_in_schema=False, opt=PRICES)
async def ranking_page(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    parameters = parameters_of(request)
    if not is_canonical(parameters):
        return Redirect(address("/", canonical(parameters)), status_code=303)
    try:
        return Template("ranking.html", context={"view": await _view(services, parameters), "page": "ranking"})
    except InvalidParameters as invalid:
        view = await _view_of_errors(services, parameters, invalid.errors)
        return Template("ranking.html", context={"view": view, "page": "ranking"}, status_code=400)


@get("/option", include_in_schema=False, opt=PRICES)
async def option_page(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    parameters = parameters_of(request)
    asked = await services.asked_in_query(parameters)
    option = await services.option(asked, (parameters.get("option") or [""])[-1])
    back = address("/", canonical(parameters))
    if isinstance(option, Option):
        ranked = (await services.ranking(replace(asked, limit=1, offset=0))).ranked
        view = OptionView(
            option=option,
            ranked=ranked,
            workload=asked.workload.name,
            sort=asked.sort,
            now=services.clock(),
            back=back,
            provider_names=_provider_names(services),
        )
        return Template("option.html", context={"view": view})
    if option is None:
        heading, detail = "This offer is no longer there", "It is not among the current prices, or never was."
    else:
        heading, detail = f"{words.times(option.title)} cannot run this", option.detail
    context = {"heading": heading, "detail": detail, "back": back}
    return Template("gone.html", context=context, status_code=404 if option is None else 200)


@get("/api", include_in_schema=False)
async def api_page(request: AnyRequest) -> Template:
    return Template("api.html", context={"schema": request.app.openapi_schema.to_schema(), "page": "api"})


@get("/static/{version:str}/{name:str}", include_in_schema=False)
async def static_file(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A file of the package. Its address holds its fingerprint, so that it never has to be asked for twice."""
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFoundException
    is_this = version == asset.fingerprint
    cache = "public, max-age=31536000, immutable" if is_this else "no-cache"
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": cache})


# The views -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionView:
    """One option with its bill, its time and its memory."""

    option: Option
    ranked: int
    workload: str
    sort: str
    now: datetime
    back: str
    provider_names: Mapping[str, str]

    @property
    def scale(self) -> TimeScale:
        return time_scale([self.option.days.p50])

    def provider_name(self, slug: str) -> str:
        return self.provider_names.get(slug, slug)


async def _view(services: Services, parameters: Mapping[str, Sequence[str]]) -> RankingView:
    """Every option is asked for, and the table shows one page of them: the chart draws the same ranking."""
    asked = await services.asked_in_query(parameters)
    ranking = await services.ranking(replace(asked, limit=max(MOST_OPTIONS, asked.offset + asked.limit), offset=0))
    return RankingView(
        form=await _form(services, parameters),
        request=asked,
        ranking=ranking,
        now=services.clock(),
        newest=ranking.market.newest_price_at,
    )


async def _view_of_errors(
    services: Services, parameters: Mapping[str, Sequence[str]], errors: Sequence[FieldError]
) -> RankingView:
    newest = services.market.state.newest_price_at
    form = await _form(services, parameters, errors)
    return RankingView(form=form, now=services.clock(), newest=newest)


async def _form(services: Services, parameters: Mapping[str, Sequence[str]], errors: Sequence[FieldError] = ()) -> Form:
    return Form(
        given=parameters,
        catalogue=services.catalogue,
        offers=services.market.offers,
        workloads={slug: workload.name for slug, workload in services.catalogue.workloads.items()},
        provider_names=_provider_names(services),
        all_errors=errors,
    )


def _provider_names(services: Services) -> dict[str, str]:
    slugs = {*services.sources, *services.market.offers.provider.values}
    return {slug: provider_name(slug, services.sources) for slug in slugs}


# Files of the package ------------------------------------------------------------------------------------------------

MEDIA_TYPES: Final = {".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str

    @property
    def fingerprint(self) -> str:
        return blake2b(self.content, digest_size=6).hexdigest()


ASSETS: Final = {
    path.name: Asset(path.read_bytes(), MEDIA_TYPES[path.suffix]) for path in sorted((HERE / "static").iterdir())
}


def asset(name: str) -> str:
    return f"/static/{ASSETS[name].fingerprint}/{name}"


# Templates -----------------------------------------------------------------------------------------------------------


def machine(option: Option) -> str:
    return f"{option.machine.gpu_count}× {option.machine.gpu}"


def pricing_words(offer: CloudOffer) -> str:
    term = f" for {offer.term_months} months" if offer.term_months else ""
    return words.PRICING.get(offer.pricing, offer.pricing) + term


def source_words(source: str) -> str:
    return {
        "live": "read from the provider",
        "catalogue": "from another project's published list",
        "bundled": "came with this software",
    }.get(source, source)


def source_link(source: str | None) -> Markup:
    """A source in words; the address in it is a link."""
    if not source:
        return Markup("–")
    before, separator, rest = source.rpartition("https://")
    if not separator:
        return escape(source)
    return Markup('{}<a href="https://{}" rel="noreferrer">{}</a>').format(before, rest, rest)


def seconds(amount: float) -> str:
    return f"{amount:,.3f}" if amount >= 0.0005 else "<0.001"


GLOBALS: Final = {
    "age": numbers.age,
    "asset": asset,
    "availability": words.availability,
    "breakdown": words.breakdown,
    "date": numbers.date,
    "evidence": words.evidence,
    "gigabytes": numbers.gigabytes,
    "machine": machine,
    "moment": numbers.moment,
    "part_words": lambda item: words.PARTS.get(item, item),
    "plan": words.plan,
    "pricing_words": pricing_words,
    "reason": words.reason,
    "seconds": seconds,
    "series": series,
    "share": numbers.share,
    "source_link": source_link,
    "source_words": source_words,
    "times": words.times,
    "title": words.title,
    "usd": numbers.usd,
    "usd_interval": numbers.usd_interval,
    "usd_number": numbers.usd_number,
    "usd_rate": numbers.usd_rate,
}


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Jinja with autoescape, as Litestar sets it, and the words and numbers of `service.presentation`."""
    config = TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine)
    config.engine_instance.engine.globals.update(GLOBALS)
    config.engine_instance.engine.trim_blocks = True
    config.engine_instance.engine.lstrip_blocks = True
    return config


router = Router("/", route_handlers=[ranking_page, option_page, api_page, static_file])
