"""How amounts, times and shares are written: rounding happens here and nowhere before."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Literal

from service.estimation.answer import Interval

HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The unit and the decimals that every duration of one page shares, so that a column can be compared by eye."""

    unit: Literal["days", "hours"]
    decimals: int

    def of(self, days: float) -> float:
        return days if self.unit == "days" else days * HOURS_PER_DAY

    def number(self, days: float) -> str:
        """In a column: with the decimals that all its rows share."""
        return f"{self.of(days):,.{self.decimals}f}"

    def interval(self, days: Interval) -> str:
        """The likely range in a column, or nothing where rounding leaves none."""
        return _range(self.number(days.p10), self.number(days.p90))

    def words(self, days: float) -> str:
        """In a sentence: as precise as its size deserves, and nobody counts weeks in hours."""
        scale = self._for_sentences(days)
        number = scale.number(days)
        return f"{number} {scale.unit[:-1] if number == '1' else scale.unit}"

    def range_in_words(self, days: Interval) -> str:
        return self._for_sentences(days.p50).interval(days)

    def _for_sentences(self, days: float) -> TimeScale:
        unit: Literal["days", "hours"] = "days" if days >= 4 else self.unit
        amount = days if unit == "days" else days * HOURS_PER_DAY
        return TimeScale(unit, 0 if amount >= 9.95 else 1 if amount >= 0.95 else 2)


def time_scale(days: Iterable[float]) -> TimeScale:
    """Hours when most listed options take less than two days; a decimal for all when the shortest needs it."""
    listed = list(days) or [10.0]
    unit: Literal["days", "hours"] = "hours" if median(listed) < 2 else "days"
    shortest = min(listed) * (HOURS_PER_DAY if unit == "hours" else 1)
    return TimeScale(unit, 0 if shortest >= 10 else 1 if shortest >= 0.1 else 2)


def usd(amount: float, like: float | None = None) -> str:
    """A total: cents below $20, whole dollars above. `like` is the amount whose decimals are shared."""
    sign = "−" if amount < 0 else ""
    return f"{sign}${_total(abs(amount), amount if like is None else like)}"


def usd_number(amount: float, like: float | None = None) -> str:
    """A total without its unit, for columns whose header has it."""
    return _total(amount, amount if like is None else like)


def usd_interval(amount: Interval, unit: bool = True) -> str:
    """`$350–452`, or nothing where rounding leaves no range."""
    span = _range(_total(amount.p10, amount.p50), _total(amount.p90, amount.p50))
    return f"${span}" if span and unit else span


def usd_rate(amount: float) -> str:
    """A price per hour or per kWh: two decimals, three below ten cents."""
    return f"${amount:,.{3 if 0 < amount < 0.10 else 2}f}"


def share(probability: float | None) -> str:
    """A probability in whole percent; the ends say that they are not certain."""
    if probability is None:
        return "–"
    if probability < 0.01:
        return "<1%"
    return ">99%" if probability > 0.99 else f"{probability:.0%}"


def gigabytes(amount: float) -> str:
    return f"{amount:,.1f}" if amount < 100 else f"{amount:,.0f}"


def compact(count: float) -> str:
    """`37.6 B`, `124 M`: counts of tokens and parameters."""
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            scaled = count / size
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}".removesuffix(".0") + f" {suffix}"
    return f"{count:.0f}"


def date(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def moment(at: datetime) -> str:
    return f"{date(at)}, {at:%H:%M} UTC"


def age(at: datetime, now: datetime) -> str:
    """`23 min`, `3 h`: how old something is, below two days; the date beyond."""
    passed = now - at
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(hours=48):
        return f"{passed // timedelta(hours=1)} h ago"
    return date(at)


def ticks(low: float, high: float) -> list[float]:
    """1-2-5 steps that enclose a positive range, for a log axis; thinned to at most about eight."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        steps = [m * 10.0**exponent for exponent in range(first, last + 1) for m in mantissas]
        below = max((step for step in steps if step <= low), default=steps[0])
        above = min((step for step in steps if step >= high), default=steps[-1])
        chosen = [step for step in steps if below <= step <= above]
        if len(chosen) <= 9:
            return chosen
    return chosen


def tick_label(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _total(amount: float, like: float) -> str:
    return f"{amount:,.{2 if abs(like) < 20 else 0}f}"


def _range(low: str, high: str) -> str:
    return "" if low == high else f"{low}–{high}"
