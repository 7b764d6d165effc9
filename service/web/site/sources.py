"""Which providers feed this, how they do, what was set aside and why; and every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from service import store
from service.collect.history import COLLECTOR
from service.parameters import FieldError, InvalidParameters
from service.parameters.reader import nearest
from service.presentation.answers import (
    ProviderAnswer,
    RejectionAnswer,
    RunAnswer,
    provider_answer,
    rejection_answer,
    run_answer,
)
from service.presentation.language import Language
from service.web.form import address
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.visit import Visit

RUNS: Final = 25
EXAMPLES: Final = 12  # of what was set aside, of one provider
ORDER: Final = ("failing", "stale", "ok", "waiting", "off")


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


STATES: Final = {
    "ok": _("fresh"),
    "stale": _("old"),
    "failing": _("failing"),
    "waiting": _("not asked yet"),
    "off": _("off"),
}
OUTCOMES: Final = {
    "ok": _("read"),
    "running": _("running"),
    "set_aside": _("set aside"),
    "failed": _("failed"),
}
MARKS: Final = {
    "ok": "●",
    "stale": "⚠",
    "failing": "✕",
    "waiting": "○",
    "off": "○",
    "running": "…",
    "set_aside": "⚠",
    "failed": "✕",
}
REASONS: Final = {
    "unknown_gpu": _("GPU not known"),
    "implausible": _("price not plausible"),
    "unexplained_jump": _("price jumped without explanation"),
    "spot_not_cheaper": _("spot dearer than on demand"),
    "unknown_currency": _("currency not known"),
    "not_positive": _("price of zero or less"),
    "not_finite": _("price is no number"),
    "fractional_gpu": _("part of a GPU"),
    "bad_count": _("impossible number of GPUs"),
    "bad_country": _("country not known"),
    "bad_date": _("impossible date"),
    "bad_instance_type": _("no name"),
    "bad_provider": _("seller not known"),
    "bad_region": _("impossible region"),
    "bad_term": _("impossible term"),
    "bad_upfront": _("impossible payment in advance"),
    "too_long": _("too long a text"),
}
KINDS: Final = {
    "live": _("asks the provider"),
    "catalogue": _("another project's list"),
    "bundled": _("came with this software"),
    "rates": _("exchange rates"),
}


@get("/sources", include_in_schema=False)
async def sources_page(request: AnyRequest, services: NamedDependency[Services]) -> Template:
    visit = Visit.of(request, services)
    chosen = _provider(visit)
    async with services.session() as session:
        states = await store.collectors(session)
        runs = await store.runs(session, collector=chosen, limit=RUNS, cursor=visit.given("cursor") or None)
        rejected = await store.rejections(session, collector=chosen, newest=True, limit=EXAMPLES) if chosen else None
        view = SourcesView(
            visit=visit,
            chosen=chosen,
            sources=[provider_answer(source, states.get(slug), visit.now) for slug, source in services.sources.items()],
            runs=[run_answer(run) for run in runs.items],
            next_cursor=runs.next_cursor,
            rejected=[rejection_answer(each, services.catalogue) for each in rejected.items] if rejected else [],
        )
    twins = [Twin("JSON", "/api/v1/providers"), Twin(visit.said.text(_("runs as JSON")), view.runs_href)]
    return visit.page("sources.html", view, name="sources", twins=twins)


def _provider(visit: Visit) -> str | None:
    slug = visit.given("source")
    if slug and slug not in visit.services.sources:
        message = f"{slug[:60]!r} is not known{nearest(slug, visit.services.sources)}"
        raise InvalidParameters([FieldError("source", message)])
    return slug or None


def state_of(source: ProviderAnswer) -> str:
    """The API's state; but nobody is blamed for what was never asked."""
    return "waiting" if source.state == "stale" and source.last_run is None else source.state


@dataclass(frozen=True, kw_only=True)
class SourcesView:
    visit: Visit
    chosen: str | None  # the one source that the page is about; None: all
    sources: Sequence[ProviderAnswer]
    runs: Sequence[RunAnswer]
    next_cursor: str | None
    rejected: Sequence[RejectionAnswer]

    @property
    def said(self) -> Language:
        return self.visit.said

    @cached_property
    def rows(self) -> list[ProviderAnswer]:
        """What needs a look first."""
        shown = [source for source in self.sources if self.chosen in (None, source.slug)]
        return sorted(shown, key=lambda source: (ORDER.index(state_of(source)), source.name.lower()))

    @property
    def summary(self) -> str:
        """12 fresh, 1 failing, 30 off for want of a key."""
        counts = Counter(state_of(source) for source in self.sources)
        forms = {
            "failing": (_("{n} failing"), _("{n} failing")),
            "stale": (_("{n} old"), _("{n} old")),
            "ok": (_("{n} fresh"), _("{n} fresh")),
            "waiting": (_("{n} not asked yet"), _("{n} not asked yet")),
            "off": (_("{n} off"), _("{n} off")),
        }
        return ", ".join(self.said.count(*forms[state], counts[state]) for state in ORDER if counts[state])

    @property
    def offers(self) -> int:
        return sum(source.offers for source in self.sources)

    @property
    def bad(self) -> list[ProviderAnswer]:
        return [source for source in self.rows if source.state in ("failing", "stale") and source.last_run]

    def state(self, source: ProviderAnswer) -> str:
        return state_of(source)

    def words(self, state: str) -> str:
        return self.said.text(STATES[state])

    def outcome(self, state: str) -> str:
        return self.said.text(OUTCOMES[state])

    def mark(self, state: str) -> str:
        return MARKS[state]

    def every(self, source: ProviderAnswer) -> str:
        return self.said.text(_("every {time}"), time=self.said.lasting(timedelta(hours=source.interval_hours)))

    def kind(self, kind: str | None) -> str:
        return self.said.text(KINDS.get(kind or "", kind or ""))

    def reason(self, reason: str) -> str:
        return self.said.text(REASONS.get(reason, reason.replace("_", " ")))

    def name(self, slug: str | None) -> str:
        if slug == COLLECTOR:
            return self.said.text(_("a file of past prices"))
        return next((source.name for source in self.sources if source.slug == slug), slug or "")

    def source_href(self, slug: str | None) -> str:
        return self.visit.link("/sources", source=slug)

    @property
    def all_href(self) -> str:
        return self.visit.link("/sources")

    @property
    def runs_href(self) -> str:
        return address("/api/v1/runs", {"provider": [self.chosen]} if self.chosen else {})

    @property
    def rejections_href(self) -> str:
        return address("/api/v1/rejections", {"provider": [self.chosen or ""], "newest": ["true"]})

    @property
    def next_href(self) -> str | None:
        return self.visit.here(cursor=self.next_cursor) + "#runs" if self.next_cursor else None


HANDLERS: Final = [sources_page]
