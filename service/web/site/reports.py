"""Reports that went out; and with the installation's key, who gets them: seen, added, paused, removed.

The key is typed into a form and sent with every step of it: no cookie keeps it, and no address holds it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.response import Template
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.parameters import PARAMETERS, FieldError, InvalidParameters
from service.presentation.language import Language
from service.reports import keeping
from service.reports.desk import NowhereToSend
from service.reports.keeping import ReportAnswer, SubscriptionAnswer, report_answer, subscription_answer
from service.reports.language import words
from service.reports.subscription import OURS_ALONE, Schedule
from service.web.form import address
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.visit import Visit

REPORTS: Final = 25
MOST_SUBSCRIPTIONS: Final = 200  # on the page; the API lists all
ADDRESSED_BY: Final = {  # a bucket needs six words: the API takes them
    "email": "to",
    "webhook": "url",
    "slack": "url",
    "discord": "url",
    "telegram": "chat_id",
    "apprise": "url",
    "file": "path",
}


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


KINDS: Final = {
    "email": _("e-mail"),
    "webhook": _("webhook"),
    "slack": "Slack",
    "discord": "Discord",
    "telegram": "Telegram",
    "file": _("file on the server"),
    "s3": "S3",
    "apprise": "Apprise",
}
HINTS: Final = {  # what an address is, for each
    "email": _("Such as you@example.org"),
    "webhook": _("A web address, https://…"),
    "slack": _("The webhook's address, https://hooks.slack.com/services/…"),
    "discord": _("The webhook's address, https://discord.com/api/webhooks/…"),
    "telegram": _("The chat's number, or its @name"),
    "apprise": _("As Apprise writes it, such as pover://user@token"),
    "file": _("A path in the data directory's folder reports, such as d32/latest.html"),
}
EVERY: Final = {
    "daily": _("every day"),
    "weekly": _("every Monday"),
    "monthly": _("on the first of the month"),
    "": _("never: alerts only"),
}
REASONS: Final = {"schedule": _("on schedule"), "alert": _("alert"), "asked": _("asked for")}
DELIVERIES: Final = {
    "sent": _("{n} sent"),
    "waiting": _("{n} waiting"),
    "failed": _("{n} failed"),
    "cancelled": _("{n} cancelled"),
}
FIELDS: Final = {  # what the API calls them, and the field of the form that says it
    "name": "name",
    "schedule": "every",
    "schedule.every": "every",
    "schedule.at": "at",
    "schedule.time_zone": "time_zone",
    "language": "language",
    "destinations": "target",
}
LABELS: Final = {
    "key": _("Key"),
    "name": _("Name"),
    "every": _("Schedule"),
    "at": _("At"),
    "time_zone": _("Time zone"),
    "language": _("Language"),
    "kind": _("Send to"),
    "target": _("Address"),
    "token": _("Token of the bot"),
    "total_below": _("The cheapest way costs less than, $"),
    "change": _("The cheapest way changes by, %"),
    "source_down": _("A source is silent for, hours"),
}


@get("/reports", include_in_schema=False)
async def reports_page(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Template:
    visit = Visit.of(request, services)
    return _page(visit, await _view(visit, session))


@post("/reports", include_in_schema=False, status_code=200)
async def reports_form(request: AnyRequest, services: NamedDependency[Services]) -> Template:
    """What the forms of the page send, each with the key."""
    visit = Visit.of(request, services)
    form = await request.form()
    typed = {name: str(form.get(name) or "").strip() for name in form}
    if not hmac.compare_digest(typed.get("key", "").encode(), services.api_key.encode()):
        async with services.session() as session:
            return _page(visit, await _view(visit, session, typed=typed, refused=True), status=401)
    try:
        done = await _do(visit, typed)
        errors: Sequence[FieldError] = ()
    except InvalidParameters as invalid:
        done, errors = Done(), [FieldError(_field(error.field), error.message) for error in invalid.errors]
    async with services.session() as session:
        view = await _view(visit, session, typed=typed if errors else {"key": typed["key"]}, open_=True)
    return _page(visit, replace(view, done=done, errors=errors), status=400 if errors else 200)


def _page(visit: Visit, view: ReportsView, status: int = 200) -> Template:
    answer = visit.page("reports.html", view, name="reports", twins=[Twin("JSON", "/api/v1/reports")], status=status)
    answer.headers["Cache-Control"] = "no-store"
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="rig-or-rent"'
    return answer


async def _view(
    visit: Visit,
    session: AsyncSession,
    *,
    typed: Mapping[str, str] | None = None,
    refused: bool = False,
    open_: bool = False,
) -> ReportsView:
    page = await store.reports(session, limit=REPORTS, cursor=visit.given("cursor") or None)
    kept = (await store.subscriptions(session, limit=MOST_SUBSCRIPTIONS)).items if open_ else ()
    return ReportsView(
        visit=visit,
        reports=[report_answer(row, "", with_errors=open_) for row in page.items],
        next_cursor=page.next_cursor,
        subscriptions=[subscription_answer(row) for row in kept],
        typed=typed or {},
        refused=refused,
        is_open=open_,
    )


# What the forms do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was just done, to be said above everything."""

    words: str = ""
    secret: str = ""  # of a webhook, made by us: told this once
    report_id: str = ""


async def _do(visit: Visit, typed: Mapping[str, str]) -> Done:
    action, subscription_id = typed.get("action", ""), typed.get("subscription", "")
    said = visit.said
    if action == "subscribe":
        return await _subscribe(visit, typed)
    if action not in ("send", "pause", "resume", "remove"):
        return Done()
    if action == "send":
        try:
            return Done(
                words=said.text(_("The report is made and on its way.")),
                report_id=await visit.services.send_report(subscription_id),
            )
        except NowhereToSend:
            return Done(words=said.text(_("Everybody has unsubscribed from it: nothing was sent.")))
    async with visit.services.session() as session:
        if action == "remove":
            await keeping.remove(session, subscription_id)
            return Done(words=said.text(_("The subscription is removed; its reports stay.")))
        await keeping.pause(session, visit.services.reports, subscription_id, paused=action == "pause")
    return Done(
        words=said.text(_("The subscription is paused.") if action == "pause" else _("The subscription goes on."))
    )


async def _subscribe(visit: Visit, typed: Mapping[str, str]) -> Done:
    async with visit.services.session() as session:
        answer = await keeping.create(session, visit.services.reports, subscription_body(visit, typed))
    secret = next((str(each["secret"]) for each in answer.destinations if each.get("secret", "***") != "***"), "")
    return Done(words=visit.said.text(_("Subscribed: “{name}”."), name=answer.name), secret=secret)


def subscription_body(visit: Visit, typed: Mapping[str, str]) -> dict[str, Any]:
    """The form as the API's body."""
    kind = typed.get("kind", "") or "email"
    destination = {"kind": kind, ADDRESSED_BY.get(kind, "url"): typed.get("target", "")}
    if kind == "telegram":
        destination["token"] = typed.get("token", "")
    body: dict[str, Any] = {
        "name": typed.get("name", ""),
        "ranking": ranking_body(visit.question),
        "alerts": _alerts(typed),
        "destinations": [{name: value for name, value in destination.items() if value}],
        "language": typed.get("language", "") or visit.said.code,
    }
    if typed.get("every"):
        schedule = {"every": typed["every"], "at": typed.get("at", ""), "time_zone": typed.get("time_zone", "")}
        body["schedule"] = {name: value for name, value in schedule.items() if value}
    return body


def _alerts(typed: Mapping[str, str]) -> list[dict[str, Any]]:
    amounts = (("total_below", "usd"), ("change", "percent"), ("source_down", "hours"))
    errors, found = [], []
    for kind, unit in amounts:
        if text := typed.get(kind, ""):
            number = _number(text)
            if number is None:
                errors.append(FieldError(kind, f"must be a number, not {text[:60]!r}"))
            found.append({"kind": kind, unit: number})
    if errors:
        raise InvalidParameters(errors)
    return [*found, {"kind": "cheaper_than_rig"}] if typed.get("cheaper_than_rig") else found


def ranking_body(question: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A question in an address as the body of a request: numbers as numbers, yes as true, what repeats as a list."""
    body: dict[str, Any] = {}
    for parameter in PARAMETERS:
        values = question.get(parameter.name)
        if not values or parameter.name in OURS_ALONE or parameter.name in ("lang", "currency"):
            continue
        if parameter.repeats:
            body[parameter.name] = list(values)
        elif parameter.type in ("number", "whole"):
            body[parameter.name] = _number(values[-1])
        elif parameter.type == "flag":
            body[parameter.name] = {"true": True, "false": False}.get(values[-1], values[-1])
        else:
            body[parameter.name] = values[-1]
    return body


def _number(text: str) -> float | int | None:
    written = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        number = float(written)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


def _field(name: str) -> str:
    """The field of the form that an error of the API is about."""
    if name.startswith("destinations["):
        own = name.rpartition(".")[2]
        return own if own in ("kind", "token") else "target"
    if name.startswith("alerts["):
        return "total_below"
    return FIELDS.get(name, name)


# The view ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ReportsView:
    visit: Visit
    reports: Sequence[ReportAnswer]
    next_cursor: str | None
    subscriptions: Sequence[SubscriptionAnswer]
    typed: Mapping[str, str]
    refused: bool  # the key was wrong
    is_open: bool  # the key was right
    done: Done = field(default_factory=Done)
    errors: Sequence[FieldError] = ()

    @property
    def said(self) -> Language:
        return self.visit.said

    @property
    def has_errors(self) -> bool:
        return bool(self.errors) or self.refused

    def errors_of(self, name: str) -> list[str]:
        return [self.said.retell(error.message) for error in self.errors if error.field == name]

    @property
    def listed_errors(self) -> list[tuple[str, str, str]]:
        """Field, its label, and what is wrong."""
        return [(error.field, self.label(error.field), self.said.retell(error.message)) for error in self.errors]

    def label(self, name: str) -> str:
        return self.said.text(LABELS[name]) if name in LABELS else name

    def value(self, name: str, default: str = "") -> str:
        return self.typed.get(name) or default

    # What can be chosen ----------------------------------------------------------------------------------------------

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, self.said.text(KINDS[kind])) for kind in ADDRESSED_BY]

    @property
    def hints(self) -> list[tuple[str, str, str]]:
        """Each kind, its name, and what its address is."""
        return [(kind, words, self.said.text(HINTS[kind])) for kind, words in self.kinds]

    @property
    def every(self) -> list[tuple[str, str]]:
        return [(name, self.said.text(text)) for name, text in EVERY.items()]

    # What is there ---------------------------------------------------------------------------------------------------

    @property
    def here(self) -> str:
        return address("/reports", self.visit.question)

    @property
    def ranking_href(self) -> str:
        return self.visit.link("/")

    @cached_property
    def question(self) -> list[tuple[str, str]]:
        """What the reports would be about, where it differs from what is usual."""
        return [
            (name, ", ".join(map(str, value if isinstance(value, list) else [value])))
            for name, value in ranking_body(self.visit.question).items()
        ]

    def report_href(self, report_id: str) -> str:
        return f"/reports/{report_id}"

    def reason(self, reason: str) -> str:
        return self.said.text(REASONS.get(reason, reason))

    def kind(self, kind: str) -> str:
        return self.said.text(KINDS.get(kind, kind))

    def destination(self, shown: Mapping[str, Any]) -> str:
        where = shown.get("to") or shown.get("path") or shown.get("url") or shown.get("chat_id") or ""
        return f"{self.kind(str(shown['kind']))}: {where}"

    def schedule(self, subscription: SubscriptionAnswer) -> str:
        if subscription.schedule is None:
            return self.said.text(_("alerts only"))
        schedule = Schedule(cron=subscription.schedule["cron"], time_zone=subscription.schedule["time_zone"])
        return schedule.in_words(words(self.said.code))

    def ranking_link(self, subscription: SubscriptionAnswer) -> str:
        values = {name: value if isinstance(value, list) else [value] for name, value in subscription.ranking.items()}
        return address("/", {name: [str(each) for each in every] for name, every in values.items()})

    def deliveries(self, report: ReportAnswer) -> str:
        states = [delivery.state for delivery in report.deliveries]
        told = [self.said.text(form, n=states.count(state)) for state, form in DELIVERIES.items() if state in states]
        return ", ".join(told) or "–"

    @property
    def next_href(self) -> str | None:
        return address("/reports", {**self.visit.question, "cursor": [self.next_cursor]}) if self.next_cursor else None


HANDLERS: Final = [reports_page, reports_form]
