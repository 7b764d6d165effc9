"""What the ranking page shows: the ranking, its sentences and chart, and the links from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from markupsafe import Markup

from service.presentation.chart import Chart
from service.presentation.language import Language
from service.presentation.language import marked as _
from service.presentation.numbers import TimeScale, time_scale
from service.presentation.words import Sentence, answer_sentences, page_title, tied, title
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest, cursor_of
from service.web.aging import OldPrices
from service.web.form import NAMES, Chip, Form, address, for_programs
from service.web.frame import Twin

OF_PAGES: Final = ("option", "range", "format")  # of other pages than the ranking; none of the question
SERIES_WORDS: Final = {
    "yours": _("your machine"),
    "on_demand": _("on demand"),
    "spot": _("spot"),
    "reserved": _("reserved"),
}
STRIP_PIXELS: Final = 96
SORTED_BY: Final = {"cost": _("by cost"), "days": _("by days"), "score": _("by score")}


@dataclass(frozen=True, kw_only=True)
class RankingView:
    """One page of one ranking, of which `ranking` holds every option: the chart draws them all."""

    form: Form
    now: datetime
    request: RankingRequest | None = None  # None: the form has errors
    ranking: Ranking | None = None
    charts: tuple[Chart | None, Chart | None] = (None, None)  # for wide screens and for narrow ones
    old: Sequence[OldPrices] = ()
    freeing: tuple[str, int] | None = None  # no cloud offer passes: the filter that leaves out most, and how many

    @property
    def language(self) -> Language:
        return self.form.language

    # Words -----------------------------------------------------------------------------------------------------------

    @property
    def heading(self) -> str:
        if self.request is None:
            return self.language.text("Rig or rent?")
        name = self.language.retell(self.request.workload.name)
        return self.language.text("Train {workload}: rig or rent?", workload=name)

    @property
    def title(self) -> str:
        if self.ranking is None:
            fields = len({error.field for error in self.form.all_errors})
            return self.language.count("check {n} field", "check {n} fields", fields)
        return page_title(self.ranking, self.scale)

    @cached_property
    def sentences(self) -> list[Sentence]:
        if self.ranking is None or self.request is None:
            return []
        return answer_sentences(self.ranking, self.request, self.scale, self.now)

    @cached_property
    def scale(self) -> TimeScale:
        return time_scale((option.days.p50 for option in self.rows), self.language)

    @property
    def excluded(self) -> int:
        return self.ranking.considered - self.ranking.ranked if self.ranking else 0

    @property
    def sorted_words(self) -> str:
        return self.language.text(SORTED_BY[self.request.sort]) if self.request else ""

    @property
    def announcement(self) -> str:
        """What a screen reader says after an update."""
        if self.ranking is None:
            return self.title
        options = self.language.count("{n} option.", "{n} options.", self.ranking.ranked)
        cheapest = self.ranking.answer.cheapest
        if cheapest is None:
            return options
        form = _("{options} Cheapest: {title}, {cost}.")
        cost = self.language.usd(cheapest.cost_usd.p50)
        return self.language.text(form, options=options, title=title(cheapest, self.language), cost=cost)

    # The chart -------------------------------------------------------------------------------------------------------

    @property
    def chart(self) -> Chart | None:
        return self.charts[0]

    @property
    def narrow_chart(self) -> Chart | None:
        return self.charts[1]

    @property
    def series(self) -> list[tuple[str, str]]:
        drawn = {point.series for point in self.chart.points} if self.chart else set()
        return [(name, self.language.text(words)) for name, words in SERIES_WORDS.items() if name in drawn]

    @property
    def axes(self) -> list[tuple[str, list[tuple[str, str | None]]]]:
        """Each axis with its two kinds; the one that is drawn has no link."""
        if self.chart is None:
            return []
        kinds = {"log": self.language.text("log"), "linear": self.language.text("linear")}
        return [
            (words, [(said, None if kind == now else self._link(**{name: kind})) for kind, said in kinds.items()])
            for name, words, now in (
                ("x", self.scale.heading, self.chart.days_kind),
                ("y", self.language.text("Cost"), self.chart.usd_kind),
            )
        ]

    # The table -------------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> Sequence[Option]:
        if self.ranking is None or self.request is None:
            return ()
        return self.ranking.options[self.request.offset : self.request.offset + self.request.limit]

    @property
    def first(self) -> int:
        return self.request.offset + 1 if self.request and self.rows else 0

    @cached_property
    def ties(self) -> frozenset[str]:
        """The options that the answer cannot tell apart by their cost, where the table is sorted by it."""
        if self.ranking is None or self.request is None or self.request.sort != "cost":
            return frozenset()
        return frozenset(each.option.id for each in tied(self.ranking))

    @property
    def last(self) -> int:
        return self.request.offset + len(self.rows) if self.request else 0

    @property
    def shows_score(self) -> bool:
        return self.request is not None and bool(self.request.usd_per_day or self.request.sort == "score")

    @cached_property
    def _range(self) -> tuple[float, float]:
        low = min((max(option.cost_usd.p10, 0.01) for option in self.rows), default=1.0)
        high = max((option.cost_usd.p90 for option in self.rows), default=10.0)
        return math.log(low), max(math.log(max(high, 0.01)), math.log(low) + 0.1)

    def strip(self, option: Option) -> list[float]:
        """P10, P50 and P90 of its cost in pixels, on a log scale that all rows share."""
        low, high = self._range
        costs = (option.cost_usd.p10, option.cost_usd.p50, option.cost_usd.p90)
        along = ((math.log(max(cost, 0.01)) - low) / (high - low) for cost in costs)
        return [round(2 + min(max(part, 0.0), 1.0) * (STRIP_PIXELS - 4), 1) for part in along]

    def provider_name(self, slug: str) -> str:
        return self.form.provider_names.get(slug, slug)

    def sorted_by(self, sort: str) -> Markup:
        is_it = self.request is not None and self.request.sort == sort
        return Markup(' aria-sort="ascending"') if is_it else Markup("")

    def arrow(self, sort: str) -> Markup:
        is_it = self.request is not None and self.request.sort == sort
        return Markup('<span aria-hidden="true">▲</span>') if is_it else Markup("")

    # Links -----------------------------------------------------------------------------------------------------------

    @property
    def _question(self) -> Mapping[str, Sequence[str]]:
        return self.form.shortest

    @cached_property
    def links(self) -> Mapping[str, str | None]:
        sorts = {f"sort_{by}": self._link(sort=None if by == "cost" else by) for by in ("cost", "days", "score")}
        return {
            "previous": self._page(-1) if self.first > 1 else None,
            "next": self._page(1) if self.ranking and self.last < self.ranking.ranked else None,
            "now": self._link(as_of=None),
            "sources": address("/sources", self._question, cursor=None),
            "break_even": address("/break-even", self._question, cursor=None),
            **sorts,
        }

    @property
    def twins(self) -> list[Twin]:
        question = for_programs(self._question)
        return [
            Twin("JSON", address("/api/v1/ranking", question)),
            Twin("CSV", address("/api/v1/ranking", question, format="csv"), "text/csv"),
        ]

    def _link(self, **changed: str | None) -> str:
        return address("/", self._question, **{"cursor": None, **changed})

    def _page(self, pages: int) -> str | None:
        if self.request is None:
            return None
        offset = max(0, self.request.offset + pages * self.request.limit)
        return address("/", self._question, cursor=cursor_of(offset) if offset else None)

    @cached_property
    def _option_address(self) -> str:
        base = address("/option", self._question, cursor=None)
        return f"{base}{'&' if '?' in base else '?'}option="

    def option_link(self, option: Option) -> str:
        return self.option_address + option.id

    @property
    def option_address(self) -> str:
        """What an option's id is put behind."""
        return self._option_address

    @property
    def ignored(self) -> list[str]:
        """Names in the address that mean nothing here."""
        return sorted(set(self.form.given) - {*NAMES, *OF_PAGES})

    @property
    def ways_out(self) -> list[Chip]:
        """Where nothing is left: the question without one of its limits, or without the filter that keeps most away."""
        if self.ranking is None:
            return []
        say = self.language.text
        if self.freeing:
            name, offers = self.freeing
            words = say(
                "Drop this filter: {filter} ({options})",
                filter=self.form.label(name),
                options=self.language.count("{n} option", "{n} options", offers),
            )
            return [Chip(words, self._link(**{name: None}))]
        if self.ranking.ranked:
            return []
        limits = {"deadline_days": say("Drop the deadline"), "budget_usd": say("Drop the budget")}
        return [Chip(words, self._link(**{name: None})) for name, words in limits.items() if name in self._question]

    @property
    def chips(self) -> list[Chip]:
        return self.form.chips
