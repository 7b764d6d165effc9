"""When a condition is worth a report of its own: once, until it has clearly passed and some time has gone by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from service.ranking.option import Ranking
from service.reports.given import Fired, SourceState
from service.reports.subscription import Alert

ROUNDING: Final = 1e-9  # ten percent is ten percent
HYSTERESIS: Final = 0.03  # a price has passed its limit clearly when it is three percent beyond; flicker is not news


class AlertState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one alert."""

    armed: bool = True  # it may fire; not again before its condition has clearly passed
    fired_at: datetime | None = None
    baseline_usd: float | None = None  # change: the total that it was last told
    down: tuple[str, ...] = ()  # source_down: the sources that it was told of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What alerts look at."""

    ranking: Ranking
    sources: Sequence[SourceState]
    now: datetime


def check(
    alerts: Sequence[Alert], states: Mapping[str, AlertState], seen: Seen
) -> tuple[list[Fired], dict[str, AlertState]]:
    """Which alerts fire, and what is to be remembered of all of them."""
    fired, following = [], {}
    for alert in alerts:
        key = key_of(alert)
        outcome, following[key] = _check(alert, states.get(key, AlertState()), seen)
        if outcome:
            fired.append(outcome)
    return fired, following


def told(alerts: Sequence[Alert], states: Mapping[str, AlertState], total_usd: float | None) -> dict[str, AlertState]:
    """After any report: what changes from here on is measured from the total that it told."""
    following = dict(states)
    for alert in alerts:
        if alert.kind == "change" and total_usd is not None:
            key = key_of(alert)
            following[key] = msgspec.structs.replace(states.get(key, AlertState()), baseline_usd=total_usd)
    return following


def key_of(alert: Alert) -> str:
    """An alert that is changed is another one."""
    return f"{alert.kind}:{alert.usd or alert.percent or alert.hours or ''}"


def states_of(stored: Mapping[str, Any]) -> dict[str, AlertState]:
    return msgspec.convert(stored, dict[str, AlertState])


def _check(alert: Alert, state: AlertState, seen: Seen) -> tuple[Fired | None, AlertState]:
    if alert.kind == "source_down":
        return _source_down(alert, state, seen)
    if alert.kind == "change":
        return _change(alert, state, seen)
    return _below(alert, state, seen)


def _below(alert: Alert, state: AlertState, seen: Seen) -> tuple[Fired | None, AlertState]:
    """Something costs less than a limit: the total less than an amount, or renting less than the reader's machine."""
    pair = _total_and_limit(alert, seen.ranking)
    if pair is None:
        return None, state
    amount, limit = pair
    if amount >= limit * (1 + HYSTERESIS):
        return None, msgspec.structs.replace(state, armed=True)
    if amount >= limit or not state.armed or _is_cooling(alert, state, seen.now):
        return None, state
    fired = Fired(kind=alert.kind, limit_usd=limit)
    return fired, AlertState(armed=False, fired_at=seen.now)


def _total_and_limit(alert: Alert, ranking: Ranking) -> tuple[float, float] | None:
    cheapest = ranking.answer.cheapest
    if alert.kind == "total_below":
        return (cheapest.cost_usd.p50, alert.usd) if cheapest and alert.usd else None
    rig = min((option.cost_usd.p50 for option in ranking.answer.rigs), default=None)
    rented = min((o.cost_usd.p50 for o in ranking.options if o.offer and o.offer.available is not False), default=None)
    return None if rig is None or rented is None else (rented, rig)


def _change(alert: Alert, state: AlertState, seen: Seen) -> tuple[Fired | None, AlertState]:
    """Each firing moves the baseline, so that a price must move again as far; the cool-down stops a flicker."""
    cheapest = seen.ranking.answer.cheapest
    if cheapest is None or alert.percent is None:
        return None, state
    total = cheapest.cost_usd.p50
    if state.baseline_usd is None:
        return None, msgspec.structs.replace(state, baseline_usd=total)
    change = 100 * (total / state.baseline_usd - 1) if state.baseline_usd else 0.0
    if abs(change) < alert.percent - ROUNDING or _is_cooling(alert, state, seen.now):
        return None, state
    return Fired(kind="change", change_percent=change), AlertState(fired_at=seen.now, baseline_usd=total)


def _source_down(alert: Alert, state: AlertState, seen: Seen) -> tuple[Fired | None, AlertState]:
    """Sources that were read before and have not been for so long; each is told once, until it is back."""
    limit = timedelta(hours=alert.hours or 0)
    down = {
        s.slug: s for s in seen.sources if s.last_success and s.state != "off" and seen.now - s.last_success >= limit
    }
    still = tuple(slug for slug in state.down if slug in down)
    new = [slug for slug in down if slug not in still]
    state = msgspec.structs.replace(state, down=still)
    if not new or _is_cooling(alert, state, seen.now):
        return None, state
    silent = max((seen.now - _success(down[slug])) // timedelta(hours=1) for slug in new)
    fired = Fired(kind="source_down", hours=silent, sources=tuple(down[slug].name for slug in new))
    return fired, msgspec.structs.replace(state, down=(*still, *new), fired_at=seen.now)


def _success(source: SourceState) -> datetime:
    assert source.last_success is not None
    return source.last_success


def _is_cooling(alert: Alert, state: AlertState, now: datetime) -> bool:
    return state.fired_at is not None and now - state.fired_at < timedelta(hours=alert.cool_down_hours)
