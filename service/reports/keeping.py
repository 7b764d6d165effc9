"""Subscriptions as they are kept and told: made, changed, removed, unsubscribed from."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.parameters import FieldError, InvalidParameters
from service.parameters.reader import Reader
from service.reports.addresses import SETTING, why_refused
from service.reports.desk import Desk, subscription_row
from service.reports.destinations import APPRISE, Destination, Kept, destinations_of, with_kept_secrets
from service.reports.maker import as_json
from service.reports.sealing import Sealer, Unreadable
from service.reports.subscription import FIELDS, Subscription, subscription_of
from service.store import StoredDestination, StoredReport, StoredSubscription

MOST_SUBSCRIPTIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Received:
    """A subscription as one of its readers sees it."""

    subscription_id: str
    name: str
    paused: bool
    is_shared: bool  # others get it too: one of them must not silence it for all


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionAnswer:
    """A subscription as it is told to whoever has the key; secrets are `***`."""

    id: str
    name: str
    ranking: Mapping[str, Any]
    schedule: Mapping[str, str] | None
    alerts: tuple[Mapping[str, Any], ...]
    destinations: tuple[Mapping[str, Any], ...]
    language: str
    threshold_percent: float
    only_changes: bool
    paused: bool
    created_at: datetime
    next_at: datetime | None
    last_sent_at: datetime | None
    last_report_id: str | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """How a delivery goes."""

    kind: str
    state: str
    attempts: int
    sent_at: datetime | None
    next_attempt_at: datetime | None  # None: there is none
    error: str | None  # told to whoever has the key


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswer:
    """A report in a list."""

    id: str
    subscription_id: str
    subscription: str
    reason: str
    made_at: datetime
    language: str
    subject: str
    url: str
    deliveries: tuple[DeliveryAnswer, ...]


def subscription_answer(row: StoredSubscription, made: Mapping[int, str] | None = None) -> SubscriptionAnswer:
    """`made`: secrets that we made for its destinations, told this once."""
    return SubscriptionAnswer(
        id=row.id,
        name=row.name,
        ranking=row.ranking,
        schedule={"cron": row.cron, "time_zone": row.time_zone} if row.cron else None,
        alerts=tuple(row.alerts),
        destinations=tuple(_destination_answer(each, (made or {}).get(each.id)) for each in row.destinations),
        language=row.language,
        threshold_percent=row.threshold_percent,
        only_changes=row.only_changes,
        paused=row.paused,
        created_at=row.created_at,
        next_at=None if row.paused else row.next_at,
        last_sent_at=row.last_sent_at,
        last_report_id=row.last_report_id,
        problem=row.problem,
    )


def _destination_answer(row: StoredDestination, made_secret: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"id": row.id, "kind": row.kind, **row.shown}
    if made_secret:
        told["secret"] = made_secret
    if row.unsubscribed_at:
        told["unsubscribed_at"] = row.unsubscribed_at
    return told


def report_answer(row: StoredReport, public_url: str, *, with_errors: bool = False) -> ReportAnswer:
    return ReportAnswer(
        id=row.id,
        subscription_id=row.subscription_id,
        subscription=row.subscription,
        reason=row.reason,
        made_at=row.made_at,
        language=row.language,
        subject=row.subject,
        url=f"{public_url}/reports/{row.id}",
        deliveries=tuple(delivery_answer(each, with_errors=with_errors) for each in row.deliveries),
    )


def delivery_answer(row: store.StoredDelivery, *, with_errors: bool = False) -> DeliveryAnswer:
    return DeliveryAnswer(
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        sent_at=row.sent_at,
        next_attempt_at=row.next_attempt_at if row.state == "waiting" else None,
        error=row.error if with_errors else None,
    )


# Making, changing, removing ------------------------------------------------------------------------------------------


async def create(session: AsyncSession, desk: Desk, body: object) -> SubscriptionAnswer:
    """A new subscription. Raises InvalidParameters."""
    if await store.count_subscriptions(session) >= MOST_SUBSCRIPTIONS:
        raise InvalidParameters([FieldError("body", f"there are {MOST_SUBSCRIPTIONS:,} subscriptions, the most")])
    subscription = await _read(session, desk, body)
    row = StoredSubscription(id=secrets.token_hex(8), created_at=desk.maker.clock(), alert_states={})
    _write(row, subscription, desk.maker.clock())
    row.next_at = subscription.schedule.next_after(desk.maker.clock()) if subscription.schedule else None
    session.add(row)
    row.destinations = []
    made = await _write_destinations(session, row, subscription.destinations, desk.sealer)
    return subscription_answer(row, made)


async def read(session: AsyncSession, subscription_id: str) -> SubscriptionAnswer:
    """Raises NoSuchSubscription."""
    return subscription_answer(await subscription_row(session, subscription_id))


async def change(
    session: AsyncSession, desk: Desk, subscription_id: str, body: object, *, whole: bool
) -> SubscriptionAnswer:
    """Fields that are given take the place of those that were; with `whole`, the others get their defaults.

    Raises NoSuchSubscription, InvalidParameters.
    """
    row = await subscription_row(session, subscription_id, lock=True)
    if not isinstance(body, dict):
        raise InvalidParameters([FieldError("body", "must be a JSON object")])
    kept = [_kept(each, desk.sealer) for each in row.destinations]
    told = as_json(subscription_answer(row))
    fields = {name: told[name] for name in FIELDS}
    merged = with_kept_secrets(body if whole else fields | body, kept)
    subscription = await _read(session, desk, merged)
    before = Subscription.of(row).schedule
    _write(row, subscription, desk.maker.clock())
    if before != subscription.schedule or row.paused or row.next_at is None:
        row.next_at = subscription.schedule.next_after(desk.maker.clock()) if subscription.schedule else None
    made = {}
    if whole or "destinations" in body:
        made = await _write_destinations(session, row, subscription.destinations, desk.sealer)
    return subscription_answer(row, made)


async def pause(session: AsyncSession, desk: Desk, subscription_id: str, *, paused: bool) -> SubscriptionAnswer:
    """Raises NoSuchSubscription. What it missed while it was paused is not made up for."""
    row = await subscription_row(session, subscription_id, lock=True)
    _pause(row, paused, desk.maker.clock())
    return subscription_answer(row)


async def remove(session: AsyncSession, subscription_id: str) -> None:
    """Raises NoSuchSubscription. Its reports stay."""
    row = await subscription_row(session, subscription_id, lock=True)
    await store.outbox.cancel(session, [each.id for each in row.destinations])
    await session.delete(row)


async def unsubscribe(session: AsyncSession, destination_id: int, now: datetime) -> str | None:
    """Nothing more goes to this destination; the name of its subscription. None: it is gone already."""
    row = await store.destination(session, destination_id)
    if row is None:
        return None
    row.unsubscribed_at = row.unsubscribed_at or now
    await store.outbox.cancel(session, [row.id])
    if all(each.unsubscribed_at for each in row.subscription.destinations):
        row.subscription.paused = True
    return row.subscription.name


async def received(session: AsyncSession, destination_id: int) -> Received | None:
    """What comes to this destination. None: nothing any more."""
    row = await store.destination(session, destination_id)
    if row is None or row.unsubscribed_at:
        return None
    others = [each for each in row.subscription.destinations if each.id != row.id and not each.unsubscribed_at]
    return Received(row.subscription.id, row.subscription.name, paused=row.subscription.paused, is_shared=bool(others))


async def name_of(session: AsyncSession, destination_id: int) -> str | None:
    row = await store.destination(session, destination_id)
    return row.subscription.name if row else None


# Parts ---------------------------------------------------------------------------------------------------------------


async def _read(session: AsyncSession, desk: Desk, body: object) -> Subscription:
    """Every field at fault is named at once, addresses included."""
    vocabulary = await desk.maker.vocabulary(session)
    try:
        asked = subscription_of(body, vocabulary, desk.maker.clock())
    except InvalidParameters as invalid:
        raise InvalidParameters([*invalid.errors, *await _refused_addresses(desk, body)]) from invalid
    if errors := await _refused_addresses(desk, body):
        raise InvalidParameters(errors)
    return asked.subscription


async def _refused_addresses(desk: Desk, body: object) -> list[FieldError]:
    if desk.courier.senders.may_be_private or not isinstance(body, dict):
        return []
    errors = []
    given = body.get("destinations")
    for number, each in enumerate(given if isinstance(given, list) else []):
        for destination in destinations_of(Reader({"destinations": [each]})):
            reason = await _why_refused(destination)
            if reason:
                errors.append(FieldError(f"destinations[{number}].{destination.url_field}", reason))
    return errors


async def _why_refused(destination: Destination) -> str | None:
    if destination.kind == "apprise" and destination.lane not in APPRISE:
        return f"must be one of {', '.join(sorted(APPRISE))}; others may go anywhere, {SETTING} permits them"
    return await why_refused(destination.url) if destination.url else None


def _write(row: StoredSubscription, subscription: Subscription, now: datetime) -> None:
    row.name = subscription.name
    row.ranking = dict(subscription.ranking)
    row.cron = subscription.schedule.cron if subscription.schedule else None
    row.time_zone = subscription.schedule.time_zone if subscription.schedule else subscription.time_zone
    row.alerts = [alert.as_json() for alert in subscription.alerts]
    row.language = subscription.language
    row.threshold_percent = subscription.threshold_percent
    row.only_changes = subscription.only_changes
    row.problem = None
    row.alerts_checked_at = row.alerts_checked_market = None
    _pause(row, subscription.paused, now)


def _pause(row: StoredSubscription, paused: bool, now: datetime) -> None:
    if row.paused and not paused:
        schedule = Subscription.of(row).schedule
        row.next_at = schedule.next_after(now) if schedule else None
    row.paused = paused


async def _write_destinations(
    session: AsyncSession, row: StoredSubscription, wanted: Sequence[Destination], sealer: Sealer
) -> dict[int, str]:
    """Those that are there stay as they are, with what waits for them; the secrets that were made for new ones."""
    left = list(row.destinations)
    added: list[tuple[StoredDestination, Destination, str | None]] = []
    for destination in wanted:
        same = next((each for each in left if _is_same(each, destination, sealer)), None)
        if same:
            left.remove(same)
            continue
        secret = (
            secrets.token_urlsafe(24) if destination.kind == "webhook" and "secret" not in destination.secrets else None
        )
        kept = {**destination.secrets, **({"secret": secret} if secret else {})}
        stored = StoredDestination(
            kind=destination.kind, lane=destination.lane, shown=dict(destination.shown), sealed=sealer.seal(kept)
        )
        added.append((stored, destination, secret))
    await store.outbox.cancel(session, [each.id for each in left])
    for each in left:
        row.destinations.remove(each)
    row.destinations.extend(stored for stored, _, _ in added)
    await session.flush()
    return {stored.id: secret for stored, _, secret in added if secret}


def _is_same(row: StoredDestination, destination: Destination, sealer: Sealer) -> bool:
    if row.kind != destination.kind or row.shown != dict(destination.shown):
        return False
    try:
        return sealer.unseal(row.sealed) == dict(destination.secrets)
    except Unreadable:
        return False


def _kept(row: StoredDestination, sealer: Sealer) -> Kept:
    try:
        return Kept(id=row.id, kind=row.kind, shown=row.shown, secrets=sealer.unseal(row.sealed))
    except Unreadable:
        return Kept(id=row.id, kind=row.kind, shown=row.shown, secrets={})
