"""One report: everything that its forms show, in the reader's language, and nothing that only one of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Reason = Literal["schedule", "alert", "asked", "preview"]
Direction = Literal["cheaper", "dearer", "news"]

CHANGES: Final = 5  # lines, at most: a mail is read in a minute
TOP: Final = 10
LISTED: Final = 5  # new and vanished offers by name; the rest as a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that happened since the last report, in one line."""

    direction: Direction
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One option of the top ten."""

    rank: int
    was_rank: int | None  # None: not in the report before, or there was none
    title: str
    detail: str  # price per hour and its age, or the electricity price
    is_yours: bool
    days: float
    days_text: str
    cost_usd: float
    cost_text: str
    change_usd: float | None  # of the cost, since the last report
    change_text: str  # empty: not worth a word
    url: str
    is_old: bool  # its price


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLine:
    """An offer that appeared or vanished."""

    title: str
    cost_usd: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Offers of one kind: the first few, and how many there are."""

    lines: tuple[OfferLine, ...] = ()
    count: int = 0

    @property
    def rest(self) -> int:
        return self.count - len(self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    at: datetime
    median_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """What one GPU rents for by the hour on demand: the middle of all current offers."""

    gpu: str
    median_usd: float  # per GPU and hour
    least_usd: float
    offers: int
    change_percent: float | None  # since the last report; None: not known
    text: str
    points: tuple[Point, ...]  # oldest first, the last is now


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """A price source that failed or is old."""

    slug: str
    state: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What changed, and what it means for one reader's run."""

    id: str
    subscription_id: str | None  # None: a preview of no subscription
    subscription: str  # its name
    reason: Reason
    alert: str | None  # kind of the alert that fired
    language: str
    made_at: datetime
    about: str  # the workload, and the day in the reader's time zone
    since: datetime | None  # when the report before was made; None: there was none
    since_text: str  # its date in the reader's time zone
    workload: str
    method: str
    subject: str
    preheader: str
    sentences: tuple[str, ...]  # the answer
    warnings: tuple[str, ...]  # what keeps the answer from being sure
    cheapest_usd: float | None
    changes: tuple[Change, ...]
    top: tuple[Row, ...]
    appeared: Offers
    vanished: Offers
    medians: tuple[Median, ...]
    break_even: str | None  # empty section: neither known nor moved
    bill_heading: str
    bill: tuple[str, ...]  # of the first rented option, line by line with its sources
    sources: tuple[SourceLine, ...]
    prices_age: str
    credits: tuple[str, ...]  # whom licences say to name
    newest_price_at: datetime | None
    oldest_price_at: datetime | None
    why: str  # you get this
    ranking_url: str
    report_url: str

    @property
    def has_news(self) -> bool:
        return bool(self.changes or self.appeared.count or self.vanished.count)

    @property
    def tells_all(self) -> bool:
        """Medians and break-even too: where there is news, and the first time."""
        return self.has_news or self.since is None
