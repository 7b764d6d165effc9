"""Prices of the past from a CSV of daily snapshots, so that a new installation has a past; each says whose word it is.

The columns are those of GPU rental price data by gpurentalprices.com, CC BY 4.0: date, provider, gpu, vram_gb, usd_hr
(of one GPU), kind, min_gpus, fetched_date (where a price was carried forward from an earlier day).

A price holds from the snapshot that shows it first to the next one that does not, and the last snapshot ends with its
day: nothing of a file is ever current. What an earlier file said of a day stands.
"""

from __future__ import annotations

import asyncio
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from providers.base import Offer, PurchaseOption
from providers.gpurentalprices import ATTRIBUTION, PARTS_ONLY, SLUGS, TIERS
from providers.words import in_usual_form
from service import store
from service.catalogue import Catalogue
from service.checks import CollectedRun, Observation, Previous, Rejection, SkuKey, check, medians
from service.collect.claim import Sessions, claimed
from service.collect.run import prior

COLLECTOR: Final = "history"
COLUMNS: Final = ("date", "provider", "gpu", "vram_gb", "usd_hr", "kind", "min_gpus", "fetched_date")
KINDS: Final = ("on-demand", "secure", "community", "spot", "serverless")
SOURCE_URL: Final = "https://gpurentalprices.com"


class NoHistory(ValueError):
    """The file is no table of past prices: one sentence says why."""


class BadRow(NamedTuple):
    """A row that can't be read, by its line in the file."""

    line: int
    message: str


class PastOffer(NamedTuple):
    """An offer as a snapshot of a day shows it."""

    day: date
    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A file as it was read."""

    offers: Sequence[PastOffer]
    bad_rows: Sequence[BadRow]
    left_out: int  # rows of what rents no machine: serverless, and cards priced without their machine

    @property
    def days(self) -> list[date]:
        return sorted({past.day for past in self.offers})


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a file."""

    run_id: int
    rows: int
    left_out: int
    first_day: date | None
    last_day: date | None
    providers: int
    opened: int  # prices that were not known before
    rejected: int
    bad_rows: Sequence[BadRow]


async def import_history(
    content: str,
    *,
    sessions: Sessions,
    catalogue: Catalogue,
    now: datetime,
    source_url: str = SOURCE_URL,
    attribution: str = ATTRIBUTION,
) -> Imported:
    """Remember what a file says of days that no file said anything of. Raises NoHistory, AlreadyCollecting."""
    history = read_history(content, now.astimezone(UTC).date())
    by_day, rejections = await asyncio.to_thread(believed, history, catalogue, source_url, attribution, now)
    async with claimed(sessions, COLLECTOR) as run_id:
        async with sessions() as session:
            held = await store.spans_held(session, COLLECTOR)
        spans = list(spans_of(by_day, held))
        run = CollectedRun(
            collector=COLLECTOR,
            source="history",
            started_at=now,
            duration_s=0,
            bytes_fetched=len(content.encode()),
            offers=len(history.offers),
            observations=tuple(seen for day in by_day.values() for seen in day),
            rejections=rejections,
            set_aside=None if by_day else "no row was believable",
        )
        async with sessions.begin() as session:
            stored = await store.save_history(session, run, spans, run_id)
    return _imported(history, by_day, stored, len(rejections))


def _imported(
    history: History, by_day: Mapping[date, Sequence[Observation]], stored: store.StoredRun, rejected: int
) -> Imported:
    days = history.days
    return Imported(
        run_id=stored.id,
        rows=len(history.offers) + history.left_out + len(history.bad_rows),
        left_out=history.left_out,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        providers=len({seen.provider for day in by_day.values() for seen in day}),
        opened=stored.opened,
        rejected=rejected,
        bad_rows=history.bad_rows,
    )


# Reading -------------------------------------------------------------------------------------------------------------


def read_history(content: str, today: date) -> History:
    """The rows of a file, and those that can't be read. Raises NoHistory when it has none of the columns we need."""
    reader = csv.DictReader(content.removeprefix("\ufeff").splitlines())
    missing = [name for name in COLUMNS[:6] if name not in (reader.fieldnames or ())]
    if missing:
        raise NoHistory(f"no column {missing[0]!r}; needed are {', '.join(COLUMNS[:6])}")
    offers, bad_rows, left_out = list[PastOffer](), list[BadRow](), 0
    try:
        for row in reader:
            try:
                if _rents_no_machine(row):
                    left_out += 1
                else:
                    offers.append(_offer(row, today))
            except ValueError as error:
                bad_rows.append(BadRow(reader.line_num, str(error)))
    except csv.Error as error:
        raise NoHistory(f"line {reader.line_num}: {error}") from error
    return History(offers=offers, bad_rows=bad_rows, left_out=left_out)


def _rents_no_machine(row: Mapping[str, str | None]) -> bool:
    return row["kind"] == "serverless" or row["provider"] in PARTS_ONLY


def _offer(row: Mapping[str, str | None], today: date) -> PastOffer:
    """Raises ValueError, with the column and what would be right."""
    day = _day(row, "date", today)
    kind, provider = _text(row, "kind"), _text(row, "provider").lower()
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind[:40]!r}")
    count = int(_number(row, "min_gpus")) if row.get("min_gpus") else 1
    seen = _day(row, "fetched_date", day) if row.get("fetched_date") else day
    offer = Offer(
        instance_type=_text(row, "gpu"),
        gpu=in_usual_form(_text(row, "gpu"), provider),
        gpu_count=count,
        gpu_memory_gb=float(_number(row, "vram_gb")) if row["vram_gb"] else None,
        price_per_hour=_number(row, "usd_hr") * count,
        currency="USD",
        pricing=PurchaseOption.SPOT if kind == "spot" else PurchaseOption.ON_DEMAND,
        tier=kind if kind in TIERS else None,
        count_is_derived=not row.get("min_gpus"),
        provider=SLUGS.get(provider, provider),
        observed_at=_midnight(seen),
    )
    return PastOffer(day, offer)


def _text(row: Mapping[str, str | None], name: str) -> str:
    value = (row[name] or "").strip()
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def _number(row: Mapping[str, str | None], name: str) -> Decimal:
    text = _text(row, name)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{name} must be a number, not {text[:40]!r}") from error
    if not number.is_finite() or not 0 < number < 1_000_000:
        raise ValueError(f"{name} must be a number above 0, not {text[:40]!r}")
    return number


def _day(row: Mapping[str, str | None], name: str, latest: date) -> date:
    text = _text(row, name)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a day such as 2026-07-05, not {text[:40]!r}") from error
    if day > latest:
        raise ValueError(f"{name} must not be after {latest}, as {day} is")
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


# Belief --------------------------------------------------------------------------------------------------------------


def believed(
    history: History, catalogue: Catalogue, source_url: str, attribution: str, today: datetime
) -> tuple[dict[date, tuple[Observation, ...]], tuple[Rejection, ...]]:
    """What can be true of each day, by the same checks as a run of today; and one rejection of each kind of row."""
    offers: defaultdict[date, list[Offer]] = defaultdict(list)
    for past in history.offers:
        offers[past.day].append(past.offer)
    by_day: dict[date, tuple[Observation, ...]] = {}
    rejections: dict[tuple[str, str, str | None], Rejection] = {}
    known = medians(prior(catalogue, today))  # the list that ships is dated later than a file of the past
    for day, listed in sorted(offers.items()):
        now = _midnight(day) + timedelta(days=1)
        checked = check(
            listed,
            collector=COLLECTOR,
            source="history",
            pricing_page=source_url,
            catalogue=catalogue,
            known=known,
            previous=Previous(),
            now=now,
        )
        by_day[day] = tuple(replace(seen, attribution=attribution) for seen in checked.observations)
        for each in checked.rejections:
            rejections.setdefault((each.reason, each.detail, each.offer.provider), each)
    return {day: seen for day, seen in by_day.items() if seen}, tuple(rejections.values())


# Prices from when to when --------------------------------------------------------------------------------------------


def spans_of(
    by_day: Mapping[date, Sequence[Observation]], held: Mapping[SkuKey, Sequence[store.Held]]
) -> Iterator[store.Span]:
    """The prices of a file that holds these snapshots, without what is known already."""
    days = sorted(by_day)
    ends = {day: _midnight(later) for day, later in zip(days, [*days[1:], days[-1] + timedelta(days=1)], strict=True)}
    history: defaultdict[SkuKey, list[tuple[date, Observation]]] = defaultdict(list)
    for day in days:
        for seen in by_day[day]:
            if not _is_held(held.get(seen.key, ()), _midnight(day)):
                history[seen.key].append((day, seen))
    for sold, snapshots in history.items():
        yield from _spans(snapshots, ends, held.get(sold, ()))


def _is_held(spans: Sequence[store.Held], at: datetime) -> bool:
    return any(span.since <= at < span.until for span in spans)


def _spans(
    snapshots: Sequence[tuple[date, Observation]], ends: Mapping[date, datetime], held: Sequence[store.Held]
) -> Iterator[store.Span]:
    span: store.Span | None = None
    for day, seen in snapshots:
        begins = _midnight(day)
        end = min([ends[day], *(known.since for known in held if known.since > begins)])
        if span and span.closed_at == begins and span.seen.last_price == seen.last_price:
            span = span._replace(last_seen=max(span.last_seen, seen.observed_at), closed_at=end)
            continue
        if span:
            yield span
        span = store.Span(replace(seen, observed_at=begins), max(begins, seen.observed_at), end)
    if span:
        yield span
