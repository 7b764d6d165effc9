"""What a report is made from: its reader, the ranking of now, what was shown before, and what is known of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from service.presentation.numbers import TimeScale, time_scale
from service.ranking.option import Option, Ranking
from service.reports.language import Words
from service.reports.report import TOP, Point, Reason
from service.reports.shown import Shown, ShownOption

MOVED_PERCENT = 0.5  # a total that moved less is told as unchanged
SHORT_WORKLOAD = 24  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that fired, with what its subject says."""

    kind: str  # total_below, cheaper_than_rig, change, source_down
    limit_usd: float = 0.0
    change_percent: float = 0.0
    hours: int = 0
    sources: tuple[str, ...] = ()  # names


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """Whom a report is for, and why it is made."""

    report_id: str
    subscription_id: str | None
    name: str
    words: Words
    zone: ZoneInfo
    schedule: str  # in words
    threshold_percent: float
    ranking: Mapping[str, object]  # the parameters as the API takes them
    sort: str
    public_url: str
    reason: Reason
    fired: Fired | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPrices:
    """The on-demand prices of one GPU now, and their median on days before."""

    gpu: str
    median_usd: float
    least_usd: float
    offers: int
    history: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    slug: str
    name: str
    state: str  # ok, stale, failing, off
    detail: str | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All of it, and the few questions that several parts of a report ask."""

    reader: For
    ranking: Ranking
    before: Shown | None  # None: this is the first
    prices: Sequence[GpuPrices]
    sources: Sequence[SourceState]
    offered: Set[str]  # the titles of all current offers
    now: datetime
    rented: Option | None = None  # the first option that is rented, with its bill

    @property
    def words(self) -> Words:
        return self.reader.words

    @property
    def scale(self) -> TimeScale:
        return time_scale(option.days.p50 for option in self.ranking.options[:TOP])

    @property
    def workload(self) -> str:
        return str(self.ranking.workload.get("name") or self.ranking.workload.get("slug"))

    @property
    def short_workload(self) -> str:
        """d32: what a subject has room for."""
        return clipped(self.workload.removeprefix("nanochat "), SHORT_WORKLOAD)

    @property
    def cheapest_rented(self) -> Option | None:
        return first_rented(self.ranking)

    @property
    def cheapest_rented_before(self) -> ShownOption | None:
        options = self.before.options.values() if self.before else ()
        return min((o for o in options if o.kind == "cloud"), key=lambda o: o.cost_usd.p50, default=None)

    def known(self, option: Option) -> ShownOption | None:
        return self.before.options.get(option.title) if self.before else None

    def moved(self) -> list[Moved]:
        """The prices per hour that moved as far as the reader cares, in the order of the ranking."""
        return [move for option in self.ranking.options if (move := self._move(option))]

    def _move(self, option: Option) -> Moved | None:
        known = self.known(option)
        if known is None or known.offer is None or option.offer is None:
            return None
        before, now = known.offer.usd_per_hour, option.offer.usd_per_hour
        percent = percent_of(before, now)
        matters = abs(percent) >= max(self.reader.threshold_percent, 0.05)
        return Moved(option, percent, before, now) if matters else None


@dataclass(frozen=True, slots=True)
class Moved:
    """A price per hour that is another one now."""

    option: Option
    percent: float
    before: float
    now: float


def first_rented(ranking: Ranking) -> Option | None:
    """Of what is not known to be out of stock."""
    return next((o for o in ranking.options if o.offer and o.offer.available is not False), None)


def percent_of(before: float, now: float) -> float:
    return 100 * (now / before - 1) if before > 0 else 0.0


def clipped(text: str, most: int) -> str:
    """Cut at a word, with an ellipsis, where it is longer than a subject may be."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut.rsplit(' ', 1)[0].rstrip(' ,:;(') if ' ' in cut[most // 2 :] else cut}…"
