"""What is the same on every page: the reader's language and currency, the links between pages, the age of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from litestar.response import Template

from service.market import Market
from service.parameters import FieldError
from service.presentation.language import CODES, DEFAULT_CURRENCY, NAMES, Language, language, negotiated
from service.rates import UnknownCurrency
from service.web.form import Parameters, address, canonical
from service.web.services import AnyRequest, Services, parameters_of

PAGES: Final = (  # name, address; what each is called stands in base.html
    ("ranking", "/"),
    ("break-even", "/break-even"),
    ("prices", "/prices"),
    ("sources", "/sources"),
    ("reports", "/reports"),
    ("api", "/api"),
)


@dataclass(frozen=True)
class Twin:
    """The same content for programs."""

    words: str  # JSON, CSV
    href: str
    media_type: str = "application/json"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The frame of one page; templates know it as `frame`."""

    language: Language
    page: str  # which of PAGES is current; any other word: none of them
    path: str
    given: Parameters  # as they stand in the address
    now: datetime
    market: Market | None = None  # None: the database is not there
    twins: Sequence[Twin] = ()

    @cached_property
    def question(self) -> Mapping[str, Sequence[str]]:
        """What every link within the site carries on."""
        return canonical(self.given)

    def link(self, path: str, **changed: str | None) -> str:
        """A link within the site that keeps the question, the language and the currency."""
        return address(path, self.question, cursor=None, **changed)

    @property
    def pages(self) -> list[tuple[str, str]]:
        return [(name, self.link(path)) for name, path in PAGES]

    @property
    def languages(self) -> list[tuple[str, str, str]]:
        """Code, name and address of this very page in each language."""
        return [(code, NAMES[code], self.in_language(code)) for code in CODES]

    def in_language(self, code: str | None) -> str:
        return address(self.path, {name: list(values) for name, values in self.given.items()}, lang=code)

    @property
    def newest(self) -> datetime | None:
        return self.market.state.newest_price_at if self.market else None


def reader_of(request: AnyRequest) -> tuple[Language, list[FieldError]]:
    """The language and currency to write in, and what was wrong with those asked for."""
    wanted, currency = _last(request, "lang"), (_last(request, "currency") or DEFAULT_CURRENCY).upper()
    errors = []
    if wanted and wanted.split("-")[0].lower() not in CODES:
        errors.append(FieldError("lang", f"must be one of {', '.join(CODES)}, not {wanted[:60]!r}"))
        wanted = ""
    tag = negotiated(wanted, request.headers.get("accept-language", ""))
    services = _services(request)
    if services is None or currency == DEFAULT_CURRENCY:
        return language(tag), errors
    try:
        per_usd, day = services.market.shown_in(currency)
    except UnknownCurrency:
        errors.append(
            FieldError("currency", f"{currency[:60]!r} is not known; one of {', '.join(services.currencies)}")
        )
        return language(tag), errors
    return language(tag, currency, per_usd, day), errors


def _last(request: AnyRequest, name: str) -> str:
    values: list[str] = request.query_params.getall(name, [])
    return values[-1].strip() if values else ""


def frame_of(request: AnyRequest, page: str = "", twins: Sequence[Twin] = ()) -> Frame:
    """The frame of the page that answers this request."""
    services = _services(request)
    return Frame(
        language=reader_of(request)[0],
        page=page,
        path=request.url.path,
        given=parameters_of(request),
        now=services.clock() if services else datetime.now(UTC),
        market=services.market if services else None,
        twins=twins,
    )


def page(
    request: AnyRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    name: str = "",
    spoken: Language | None = None,
    twins: Sequence[Twin] = (),
    status: int = 200,
) -> Template:
    """A page in its frame. `spoken`: the reader's language, where the caller knows it already."""
    spoken = spoken or reader_of(request)[0]
    headers = {"Content-Language": spoken.tag}
    if twins:
        headers["Link"] = ", ".join(f'<{twin.href}>; rel="alternate"; type="{twin.media_type}"' for twin in twins)
    known = {"language": spoken, "page": name, "twins": twins}
    return Template(template, context={**known, **context}, status_code=status, headers=headers)


def _services(request: AnyRequest) -> Services | None:
    services: Services | None = request.app.state.get("services")
    return services
