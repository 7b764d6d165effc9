"""What the ranking page shows: the ranking, its sentences and chart, and the links from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from markupsafe import Markup

from service.presentation.chart import NARROW, WIDE, Box, Chart, cost_against_days
from service.presentation.numbers import TimeScale, time_scale
from service.presentation.words import Sentence, answer_sentences, page_title
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest, cursor_of
from service.web.form import NAMES, OF_PAGES, PRICINGS, Chip, Form, address, canonical

SERIES_WORDS = {"yours": "your machine", **{name: words.split(" (")[0].lower() for name, words in PRICINGS.items()}}
STRIP_PIXELS = 96


@dataclass(frozen=True, kw_only=True)
class RankingView:
    """One page of one ranking, of which `ranking` holds every option: the chart draws them all."""

    form: Form
    now: datetime
    newest: datetime | None  # when the newest price was seen
    request: RankingRequest | None = None  # None: the form has errors
    ranking: Ranking | None = None

    # Words -----------------------------------------------------------------------------------------------------------

    @property
    def heading(self) -> str:
        if self.request is None:
            return "Rig or rent?"
        return f"Train {self.request.workload.name}: rig or rent?"

    @property
    def title(self) -> str:
        if self.ranking is None:
            fields = len({error.field for error in self.form.all_errors})
            return f"check {fields} field{'s' if fields > 1 else ''}"
        return page_title(self.ranking, self.scale)

    @cached_property
    def sentences(self) -> list[Sentence]:
        if self.ranking is None or self.request is None:
            return []
        return answer_sentences(self.ranking, self.request, self.scale, self.now)

    @cached_property
    def scale(self) -> TimeScale:
        return time_scale(option.days.p50 for option in self.rows)

    @property
    def excluded(self) -> int:
        return self.ranking.considered - self.ranking.ranked if self.ranking else 0

    # The chart -------------------------------------------------------------------------------------------------------

    @cached_property
    def chart(self) -> Chart | None:
        return self._drawn(WIDE)

    @property
    def narrow_chart(self) -> Chart | None:
        return self._drawn(NARROW)

    def _drawn(self, box: Box) -> Chart | None:
        if self.ranking is None or self.request is None:
            return None
        limits = self.request.deadline_days, self.request.budget_usd
        return cost_against_days(self.ranking.options, self.scale, *limits, box)

    @property
    def series(self) -> list[tuple[str, str]]:
        drawn = {point.series for point in self.chart.points} if self.chart else set()
        return [(name, words) for name, words in SERIES_WORDS.items() if name in drawn]

    # The table -------------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> Sequence[Option]:
        if self.ranking is None or self.request is None:
            return ()
        return self.ranking.options[self.request.offset : self.request.offset + self.request.limit]

    @property
    def first(self) -> int:
        return self.request.offset + 1 if self.request and self.rows else 0

    @property
    def last(self) -> int:
        return self.request.offset + len(self.rows) if self.request else 0

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
        return Markup(' <span aria-hidden="true">▲</span>') if is_it else Markup("")

    # Links -----------------------------------------------------------------------------------------------------------

    @cached_property
    def _question(self) -> Mapping[str, Sequence[str]]:
        return canonical(self.form.given)

    @cached_property
    def links(self) -> Mapping[str, str | None]:
        sorts = {f"sort_{by}": self._link(sort=None if by == "cost" else by) for by in ("cost", "days", "score")}
        return {
            "json": address("/api/v1/ranking", self._question),
            "previous": self._page(-1) if self.first > 1 else None,
            "next": self._page(1) if self.ranking and self.last < self.ranking.ranked else None,
            **sorts,
        }

    def _link(self, **changed: str | None) -> str:
        return address("/", self._question, cursor=None, **changed)

    def _page(self, pages: int) -> str | None:
        if self.request is None:
            return None
        offset = max(0, self.request.offset + pages * self.request.limit)
        return address("/", self._question, cursor=cursor_of(offset) if offset else None)

    def option_link(self, option: Option) -> str:
        return address("/option", self._question, cursor=None, option=option.id)

    @property
    def ignored(self) -> list[str]:
        """Names in the address that mean nothing here."""
        return sorted(set(self.form.given) - {*NAMES, *OF_PAGES})

    @property
    def ways_out(self) -> list[Chip]:
        """Where a limit leaves nothing: the question without it."""
        if self.ranking is None or self.ranking.ranked:
            return []
        limits = {"deadline_days": "Drop the deadline", "budget_usd": "Drop the budget"}
        return [Chip(words, self._link(**{name: None})) for name, words in limits.items() if name in self._question]

    @property
    def chips(self) -> list[Chip]:
        return self.form.chips
