"""One reader's visit of a page: the running service, what was asked, and the language to answer in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from litestar.response import Template

from service.market import provider_name
from service.parameters import InvalidParameters
from service.presentation.language import Language
from service.web.form import address, canonical
from service.web.frame import Twin, page, reader_of
from service.web.services import AnyRequest, Services, parameters_of
from service.web.site.drawn import script_address

Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What every page beside the ranking is given."""

    request: AnyRequest
    services: Services
    parameters: Parameters
    said: Language
    now: datetime

    @classmethod
    def of(cls, request: AnyRequest, services: Services) -> Visit:
        """Raises InvalidParameters where the language or the currency is none of ours."""
        said, errors = reader_of(request)
        if errors:
            raise InvalidParameters(errors)
        return cls(
            request=request,
            services=services,
            parameters=parameters_of(request),
            said=said,
            now=services.clock(),
        )

    # What was asked --------------------------------------------------------------------------------------------------

    def given(self, name: str) -> str:
        """The last value of a parameter; empty where there is none."""
        return next(reversed(self.all_given(name)), "")

    def all_given(self, name: str) -> list[str]:
        return [value.strip() for value in self.parameters.get(name, ()) if value.strip()]

    # Links -----------------------------------------------------------------------------------------------------------

    @cached_property
    def question(self) -> Parameters:
        """The ranking's parameters in their shortest form, with the language and the currency asked for."""
        return canonical(self.parameters)

    def link(self, path: str, **changed: str | None) -> str:
        """A page with the same question."""
        return address(path, self.question, **{"cursor": None, **changed})

    def here(self, **changed: str | None) -> str:
        """This page with some of its own parameters changed."""
        kept = {name: self.all_given(name) for name in self.parameters if self.all_given(name)}
        return address(self.request.url.path, kept, **changed)

    # Names -----------------------------------------------------------------------------------------------------------

    def provider_name(self, slug: str) -> str:
        return provider_name(slug, self.services.sources)

    def country(self, code: str) -> str:
        known = self.services.catalogue.electricity.get(code.upper())
        return self.said.country(code.upper(), known.name if known else None)

    # The answer ------------------------------------------------------------------------------------------------------

    def page(
        self, template: str, view: object, *, name: str = "", twins: Sequence[Twin] = (), status: int = 200, **more: Any
    ) -> Template:
        context = {"view": view, "visit": self, "vega": script_address(), **more}
        return page(self.request, template, context, name=name, spoken=self.said, twins=twins, status=status)
