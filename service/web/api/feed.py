"""Price changes as an Atom feed, fetched again only when one came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import format_datetime
from hashlib import blake2b
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIType
from sqlalchemy.ext.asyncio import AsyncSession

from service.market import provider_name
from service.parameters import FieldError, InvalidParameters
from service.parameters.reader import Reader
from service.ranking.request import RankingRequest
from service.reports.feed import Entry, as_atom, entries_of
from service.reports.language import LANGUAGES, Words
from service.store.changes import PriceChange, price_changes
from service.web.openapi import operation, problems, query
from service.web.pages import last_of
from service.web.services import AnyRequest, Services, parameters_of

ATOM: Final = "application/atom+xml"
SINCE: Final = timedelta(days=30)
MOST_CHANGES: Final = 5000  # read for at most a hundred entries
LEAST_PERCENT: Final = 1.0
FILTERS: Final = ("gpu", "provider", "pricing")


@get(
    "/feeds/prices.atom",
    tags=["reports"],
    summary="Prices that moved, as an Atom feed",
    description="One entry per GPU, provider, purchase option and day. `ETag` and `If-None-Match` save the fetching.",
    operation_class=operation(
        query=FILTERS,
        changed={"pricing": {"default": None, "meaning": "purchase options to keep; all unless given"}},
        extra=[
            query("threshold_percent", "how far a price must have moved (default 1)", OpenAPIType.NUMBER, minimum=0),
            query("lang", "en or es"),
        ],
    ),
    responses={
        200: ResponseSpec(bytes, media_type=ATOM, description="The feed", generate_examples=False),
        **problems(400, 503),
    },
)
async def price_feed(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[bytes]:
    parameters = parameters_of(request)
    asked = await services.asked_in_query({name: parameters.get(name, ()) for name in FILTERS})
    given = {name for name in FILTERS if last_of(parameters, name)}
    least, language = _threshold(parameters)
    now = services.clock()
    changes = await price_changes(session, now - SINCE, now, least_percent=least, limit=MOST_CHANGES)
    kept = [each for each in changes if _is_wanted(each, asked, given)]
    names = {each.provider: provider_name(each.provider, services.sources) for each in kept}
    entries = entries_of(kept, names)
    body = as_atom(
        entries,
        words=Words(language),
        public_url=services.reports.maker.public_url,
        parameters=_canonical(parameters, least, language),
        began=now.replace(hour=0, minute=0, second=0, microsecond=0),
    )
    return _conditional(request, body, entries)


def _is_wanted(change: PriceChange, asked: RankingRequest, given: set[str]) -> bool:
    return (
        (not asked.gpus or change.gpu in asked.gpus)
        and (not asked.providers or change.provider in asked.providers)
        and ("pricing" not in given or change.pricing in asked.pricing)
    )


def _threshold(parameters: Mapping[str, Sequence[str]]) -> tuple[float, str]:
    reader = Reader({name: values[-1].strip() or None for name, values in parameters.items()}, from_text=True)
    least = reader.number("threshold_percent", most=1000)
    language = reader.choice("lang", LANGUAGES) or "en"
    if reader.errors:
        raise InvalidParameters([FieldError(error.field, error.message) for error in reader.errors])
    return LEAST_PERCENT if least is None else least, language


def _canonical(parameters: Mapping[str, Sequence[str]], least: float, language: str) -> dict[str, list[str]]:
    """The question in one spelling: it is part of the feed's id."""
    filters = {name: sorted({value.strip() for value in parameters.get(name, ()) if value.strip()}) for name in FILTERS}
    others = {
        "threshold_percent": [f"{least:g}"] if least != LEAST_PERCENT else [],
        "lang": [language] if language != "en" else [],
    }
    return {name: values for name, values in (filters | others).items() if values}


def _conditional(request: AnyRequest, body: bytes, entries: Sequence[Entry]) -> Response[bytes]:
    tag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=300", "Vary": "Accept-Encoding"}
    if entries:
        headers["Last-Modified"] = format_datetime(max(entry.last_change for entry in entries), usegmt=True)
    held = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
    if tag in held or "*" in held:
        return Response(b"", status_code=304, headers=headers, media_type=ATOM)
    return Response(body, media_type=f"{ATOM}; charset=utf-8", headers=headers)
