"""How durations and axes are scaled, and English numbers for those who read nothing else: rounding happens here
and in `service.presentation.language`, and nowhere before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from service.estimation.answer import Interval
from service.presentation.language import ENGLISH, Language, spanned

HOURS_PER_DAY = 24

usd: Final = ENGLISH.usd
usd_number: Final = ENGLISH.usd_number
usd_interval: Final = ENGLISH.usd_interval
usd_rate: Final = ENGLISH.usd_rate
share: Final = ENGLISH.share
gigabytes: Final = ENGLISH.gigabytes
compact: Final = ENGLISH.compact
date: Final = ENGLISH.date
moment: Final = ENGLISH.moment
age: Final = ENGLISH.age


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The unit and the decimals that every duration of one page shares, so that a column can be compared by eye."""

    unit: Literal["days", "hours"]
    decimals: int
    language: Language = ENGLISH

    @property
    def heading(self) -> str:
        """The unit as a column's heading."""
        return self.language.text("Days") if self.unit == "days" else self.language.say("Hours")

    @property
    def name(self) -> str:
        """The unit within a sentence."""
        return self.language.text("days") if self.unit == "days" else self.language.say("hours")

    def of(self, days: float) -> float:
        return days if self.unit == "days" else days * HOURS_PER_DAY

    def number(self, days: float) -> str:
        """In a column: with the decimals that all its rows share."""
        return self.language.number(self.of(days), self.decimals)

    def interval(self, days: Interval) -> str:
        """The likely range in a column, or nothing where rounding leaves none."""
        return spanned(self.number(days.p10), self.number(days.p90))

    def words(self, days: float) -> str:
        """In a sentence: as precise as its size deserves, and nobody counts weeks in hours."""
        scale = self._for_sentences(days)
        number = scale.number(days)
        n = 1 if number == "1" else 2
        if scale.unit == "days":
            return self.language.count("{n} day", "{n} days", n, n=number)
        return self.language.count("{n} hour", "{n} hours", n, n=number)

    def range_in_words(self, days: Interval) -> str:
        return self._for_sentences(days.p50).interval(days)

    def _for_sentences(self, days: float) -> TimeScale:
        unit: Literal["days", "hours"] = "days" if days >= 4 else self.unit
        amount = days if unit == "days" else days * HOURS_PER_DAY
        return TimeScale(unit, 0 if amount >= 9.95 else 1 if amount >= 0.95 else 2, self.language)


def time_scale(days: Iterable[float], language: Language = ENGLISH) -> TimeScale:
    """Hours when most listed options take less than two days; a decimal for all when the shortest needs it."""
    listed = list(days) or [10.0]
    unit: Literal["days", "hours"] = "hours" if median(listed) < 2 else "days"
    shortest = min(listed) * (HOURS_PER_DAY if unit == "hours" else 1)
    return TimeScale(unit, 0 if shortest >= 10 else 1 if shortest >= 0.1 else 2, language)


def ticks(low: float, high: float) -> list[float]:
    """1-2-5 steps that enclose a positive range, for a log axis; thinned to at most about eight."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        steps = [m * 10.0**exponent for exponent in range(first - 1, last + 2) for m in mantissas]
        below = max((step for step in steps if step <= low), default=steps[0])
        above = min((step for step in steps if step >= high), default=steps[-1])
        chosen = [step for step in steps if below <= step <= above]
        if len(chosen) <= 9:
            return chosen
    return chosen


def even_ticks(high: float) -> list[float]:
    """Even steps from zero to beyond `high`, for a linear axis."""
    rough = high / 6
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough)
    return [step * place for place in range(math.ceil(high / step) + 1)]


def tick_label(value: float, language: Language = ENGLISH) -> str:
    if value >= 1 and value == int(value):
        return language.number(value)
    return f"{value:g}".replace(".", language.decimal)
