"""What may be asked of the past: one offer, or days and GPUs, with the filters of a list of offers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from service.parameters.questions import ranking_request
from service.parameters.reader import FieldError, InvalidParameters
from service.parameters.vocabulary import Vocabulary

FILTERS: Final = ("gpu", "provider", "region", "pricing", "limit", "cursor")
DAYS_UNLESS_SAID: Final = 30
MOST_DAYS: Final = 400  # in one answer
OFFER_ID: Final = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Which prices of the past are asked for."""

    offer_id: str | None  # None: days and GPUs
    since: datetime
    until: datetime
    gpus: frozenset[str]
    providers: frozenset[str]
    regions: frozenset[str]
    pricing: frozenset[str]
    limit: int | None  # None: not said
    offset: int

    @property
    def moments(self) -> dict[date, datetime]:
        """When each day is looked at: its last second, as a ranking as of that day; today at the end asked for."""
        last = self.until.date()
        days = [last - timedelta(days=back) for back in range((last - self.since.date()).days + 1)]
        return {day: min(_end_of(day), self.until) for day in days}


def history_request(parameters: Mapping[str, Sequence[str]], vocabulary: Vocabulary, now: datetime) -> HistoryRequest:
    """A request from a query: every value is text, unknown names are ignored. Raises InvalidParameters."""
    errors: list[FieldError] = []
    offer_id = _offer_id(parameters, errors)
    until = _moment(parameters, "until", now, errors) or now
    unless_said = datetime.combine(until.date() - timedelta(days=DAYS_UNLESS_SAID - 1), time(), tzinfo=UTC)
    since = _moment(parameters, "since", now, errors)
    if offer_id is None:
        since = since or unless_said
    since = since or datetime(2000, 1, 1, tzinfo=UTC)  # an offer's history is short
    if since > until:
        errors.append(FieldError("since", "must not be after until"))
    elif offer_id is None and (until.date() - since.date()).days >= MOST_DAYS:
        errors.append(FieldError("since", f"must be at most {MOST_DAYS} days before until"))
    return _filtered(parameters, vocabulary, now, errors, offer_id, since, until)


def _filtered(
    parameters: Mapping[str, Sequence[str]],
    vocabulary: Vocabulary,
    now: datetime,
    errors: list[FieldError],
    offer_id: str | None,
    since: datetime,
    until: datetime,
) -> HistoryRequest:
    filters = {name: parameters.get(name, ()) for name in FILTERS}
    try:
        asked = ranking_request(filters, vocabulary, now)
    except InvalidParameters as invalid:
        raise InvalidParameters([*errors, *invalid.errors]) from invalid
    if errors:
        raise InvalidParameters(errors)
    given = {name for name in FILTERS if _last(parameters, name) is not None}
    return HistoryRequest(
        offer_id=offer_id,
        since=since,
        until=until,
        gpus=asked.gpus,
        providers=asked.providers,
        regions=asked.regions,
        pricing=frozenset(asked.pricing) if "pricing" in given else frozenset(),
        limit=asked.limit if "limit" in given else None,
        offset=asked.offset,
    )


def _offer_id(parameters: Mapping[str, Sequence[str]], errors: list[FieldError]) -> str | None:
    text = _last(parameters, "id")
    if text is not None and not OFFER_ID.fullmatch(text):
        errors.append(FieldError("id", "must be the id of an offer, as /api/v1/offers gives it"))
    return text


def _moment(
    parameters: Mapping[str, Sequence[str]], name: str, now: datetime, errors: list[FieldError]
) -> datetime | None:
    """A time, or a day: its first moment as a beginning, its last as an end. What is to come is now."""
    text = _last(parameters, name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        at = _end_of(at.date()) if name == "until" else at.replace(tzinfo=UTC)
    if at is None or at.tzinfo is None or at.year < 2000:
        errors.append(FieldError(name, "must be a day (2026-11-24) or an RFC 3339 time with its zone, since 2000"))
        return None
    return min(at.astimezone(UTC), now)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def _last(parameters: Mapping[str, Sequence[str]], name: str) -> str | None:
    return next((value.strip() for value in reversed(parameters.get(name, ())) if value.strip()), None)
