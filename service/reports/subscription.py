"""Who wants which report, when and where: read from what users write, with an error for every field at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from service.parameters import FieldError, InvalidParameters, Vocabulary, ranking_request_from_body
from service.parameters.reader import Reader, nearest, shown
from service.ranking.request import RankingRequest
from service.reports.destinations import Destination, destinations_of
from service.reports.language import LANGUAGES, Words
from service.store import StoredSubscription

AlertKind = Literal["total_below", "cheaper_than_rig", "change", "source_down"]
Every = Literal["daily", "weekly", "monthly"]

MOST_ALERTS: Final = 10
MOST_NAME: Final = 100
MOST_RANKING_BYTES: Final = 16_000
COOL_DOWN_HOURS: Final = 24.0
THRESHOLD_PERCENT: Final = 3.0
ZONE: Final = "UTC"
OURS_ALONE: Final = ("as_of", "explain", "limit", "cursor")  # a report is of now, and shows what it shows
FIELDS: Final = (
    *("name", "ranking", "schedule", "alerts", "destinations"),
    *("language", "threshold_percent", "only_changes", "paused"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When, in the reader's own time."""

    cron: str
    time_zone: str = ZONE

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after a moment. A local time that a spring skips is made up for, an autumn's repeats not."""
        try:
            following = next(CronSim(self.cron, moment.astimezone(self.zone)))
        except StopIteration:  # the 30th of February: nothing within 50 years
            return None
        return following.astimezone(UTC)

    def in_words(self, words: Words) -> str:
        fixed = re.fullmatch(r"(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\*|\d)", self.cron)
        if fixed is None or (fixed[3] != "*" and fixed[4] != "*"):
            return words.say("cron", cron=self.cron, zone=self.time_zone)
        at = f"{int(fixed[2]):02}:{int(fixed[1]):02}"
        if fixed[4] != "*":
            day = words.say("weekdays").split(",")[int(fixed[4])]
            return words.say("weekly", day=day, at=at, zone=self.time_zone)
        if fixed[3] != "*":
            return words.say("monthly", day=fixed[3], at=at, zone=self.time_zone)
        return words.say("daily", at=at, zone=self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that is worth a report of its own."""

    kind: AlertKind
    usd: float | None = None  # total_below
    percent: float | None = None  # change
    hours: float | None = None  # source_down
    cool_down_hours: float = COOL_DOWN_HOURS

    def as_json(self) -> dict[str, Any]:
        said = {"kind": self.kind, "usd": self.usd, "percent": self.percent, "hours": self.hours}
        return {name: value for name, value in said.items() if value is not None} | {
            "cool_down_hours": self.cool_down_hours
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a reader asked for."""

    name: str
    ranking: Mapping[str, Any]  # as the API takes it
    schedule: Schedule | None  # None: alerts only
    time_zone: str = ZONE
    alerts: tuple[Alert, ...] = ()
    destinations: tuple[Destination, ...] = ()
    language: str = "en"
    threshold_percent: float = THRESHOLD_PERCENT
    only_changes: bool = False  # no report on schedule where nothing changed
    paused: bool = False

    @classmethod
    def of(cls, row: StoredSubscription) -> Subscription:
        """As it is kept; where it goes is not part of it."""
        return cls(
            name=row.name,
            ranking=row.ranking,
            schedule=Schedule(cron=row.cron, time_zone=row.time_zone) if row.cron else None,
            time_zone=row.time_zone,
            alerts=tuple(msgspec.convert(row.alerts, list[Alert])),
            language=row.language,
            threshold_percent=row.threshold_percent,
            only_changes=row.only_changes,
            paused=row.paused,
        )

    @property
    def words(self) -> Words:
        return Words(self.language)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A subscription with what is not kept: the question that its ranking is."""

    subscription: Subscription
    request: RankingRequest = field(repr=False)


def subscription_of(body: object, vocabulary: Vocabulary, now: datetime) -> Asked:
    """A subscription from a JSON body. Raises InvalidParameters with every field at fault."""
    if not isinstance(body, dict):
        raise InvalidParameters([FieldError("body", "must be a JSON object")])
    reader = Reader(body)
    _refuse_unknown(reader)
    request = _request(reader, vocabulary, now)
    schedule, zone = _schedule(reader)
    alerts = tuple(_alerts(reader))
    if schedule is None and not alerts and not any(e.field.startswith(("schedule", "alerts")) for e in reader.errors):
        reader.wrong(
            "schedule", 'must say when, such as {"cron": "0 8 * * 1", "time_zone": "Europe/Madrid"}, or alerts'
        )
    if request is not None:
        _fitting(reader, alerts, request)
    subscription = Subscription(
        name=_name(reader),
        ranking=body.get("ranking") or {},
        schedule=schedule,
        time_zone=zone,
        alerts=alerts,
        destinations=destinations_of(reader),
        language=reader.choice("language", LANGUAGES) or "en",
        threshold_percent=_or(reader.number("threshold_percent", most=1000), THRESHOLD_PERCENT),
        only_changes=reader.flag("only_changes") or False,
        paused=reader.flag("paused") or False,
    )
    if reader.errors or request is None:
        raise InvalidParameters(reader.errors)
    return Asked(subscription=subscription, request=request)


def request_of(ranking: Mapping[str, Any], vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    """The question of a subscription that was kept. Raises InvalidParameters: the catalogue may have changed.

    A provider or region that sells nothing just now is no mistake of the reader.
    """
    kept = replace(
        vocabulary,
        providers={*vocabulary.providers, *_texts(ranking.get("provider"))},
        regions={*vocabulary.regions, *_texts(ranking.get("region"))},
        cloud_countries={*vocabulary.cloud_countries, *(text.upper() for text in _texts(ranking.get("cloud_country")))},
    )
    return ranking_request_from_body(dict(ranking), kept, now)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


# Fields --------------------------------------------------------------------------------------------------------------

READ_ONLY: Final = ("id", "created_at", "next_at", "last_sent_at", "last_report_id", "problem", "deliveries")


def _refuse_unknown(reader: Reader) -> None:
    """A misspelled field would be a subscription that does something else."""
    for name in reader.given:
        if name not in FIELDS and name not in READ_ONLY:
            reader.wrong(str(name)[:60], f"is no field of a subscription{nearest(name, FIELDS)}")


def _name(reader: Reader) -> str:
    reader.missing("name", "must be given: it stands in every report")
    name = reader.text("name") or ""
    if len(name) > MOST_NAME:
        reader.wrong("name", f"must have at most {MOST_NAME} characters")
    if not name.isprintable():
        reader.wrong("name", "must be one line without control characters")
    return name


def _request(reader: Reader, vocabulary: Vocabulary, now: datetime) -> RankingRequest | None:
    given = reader.given.get("ranking")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        reader.wrong("ranking", f"must be an object of the ranking's parameters, not {shown(given)}")
        return None
    for name in OURS_ALONE:
        if given.get(name) is not None:
            reader.wrong(f"ranking.{name}", "is not for reports: a report is of now")
    if len(msgspec.json.encode(given)) > MOST_RANKING_BYTES:
        reader.wrong("ranking", f"must be at most {MOST_RANKING_BYTES:,} bytes of JSON")
        return None
    try:
        return ranking_request_from_body(
            {name: value for name, value in given.items() if name not in OURS_ALONE}, vocabulary, now
        )
    except InvalidParameters as invalid:
        for error in invalid.errors:
            reader.wrong(f"ranking.{error.field}", error.message)
        return None


def _schedule(reader: Reader) -> tuple[Schedule | None, str]:
    given = reader.given.get("schedule")
    if isinstance(given, str):
        given = {"every": given}
    if given is None:
        return None, ZONE
    if not isinstance(given, dict):
        reader.wrong("schedule", f"must be an object, not {shown(given)}")
        return None, ZONE
    nested = reader.nested("schedule", given)
    zone = _zone(nested)
    cron = _cron(nested) if nested.has("cron") else _preset(nested)
    if cron is None:
        return None, zone
    schedule = Schedule(cron=cron, time_zone=zone)
    if schedule.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None:
        nested.wrong("cron", f"never comes: {shown(cron)}")
        return None, zone
    return schedule, zone


def _zone(reader: Reader) -> str:
    name = reader.text("time_zone") or ZONE
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there; a path; a folder
        from zoneinfo import available_timezones

        reader.wrong("time_zone", f"{shown(name)} is no known time zone{nearest(name, available_timezones())}")
        return ZONE
    return name


def _cron(reader: Reader) -> str | None:
    if reader.has("every"):
        reader.wrong("every", "must not stand beside cron")
    text = reader.text("cron")
    if text is None:
        return None
    text = " ".join(text.split())
    if len(text.split()) != 5:
        reader.wrong("cron", f"must have five fields, such as 0 8 * * 1, not {shown(text)}")
        return None
    try:
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        reader.wrong("cron", f"cannot be read ({str(error).lower()}): {shown(text)}")
        return None
    return text


def _preset(reader: Reader) -> str | None:
    """Every day, every Monday, the first of every month; at eight unless said otherwise."""
    reader.missing("every", f"must be one of {', '.join(get_args(Every))}; or give a cron expression in cron")
    every = reader.choice("every", get_args(Every))
    at = reader.text("at") or "08:00"
    clock = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if clock is None:
        reader.wrong("at", f"must be a time of day such as 08:00, not {shown(at)}")
        return None
    minute, hour = int(clock[2]), int(clock[1])
    days = {"daily": "* * *", "weekly": "* * 1", "monthly": "1 * *"}
    return f"{minute} {hour} {days[every]}" if every else None


def _alerts(reader: Reader) -> Sequence[Alert]:
    found = []
    for nested in reader.objects("alerts", MOST_ALERTS) or []:
        nested.missing("kind", f"must be one of {', '.join(get_args(AlertKind))}")
        kind = nested.choice("kind", get_args(AlertKind))
        needed = {"total_below": "usd", "change": "percent", "source_down": "hours"}.get(kind)
        if needed:
            nested.missing(needed, f"must be given for {kind}")
        usd = nested.number("usd", above=0, most=1e9)
        percent = nested.number("percent", least=0.1, most=1000)
        hours = nested.number("hours", least=0.25, most=24 * 365)
        cool_down = _or(nested.number("cool_down_hours", most=24 * 365), COOL_DOWN_HOURS)
        if kind:
            found.append(Alert(kind=kind, usd=usd, percent=percent, hours=hours, cool_down_hours=cool_down))
    return found


def _fitting(reader: Reader, alerts: Sequence[Alert], request: RankingRequest) -> None:
    for number, alert in enumerate(alerts):
        if alert.kind == "cheaper_than_rig" and not request.rigs:
            reader.wrong(f"alerts[{number}].kind", "cheaper_than_rig needs a rig in ranking.rig")


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
