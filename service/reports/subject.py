"""The subject of a report, which tells what changed with its number, and the preheader, which tells the second fact."""

from __future__ import annotations

from collections.abc import Sequence

from service.ranking.option import Option
from service.reports.given import MOVED_PERCENT, Fired, Given, clipped, percent_of
from service.reports.report import Median
from service.reports.shown import ShownOption

SUBJECT_LENGTH = 60


def subject(given: Given) -> str:
    fired = given.reader.fired
    return clipped((_of_alert(given, fired) if fired else None) or _of_news(given), SUBJECT_LENGTH)


def _say(given: Given, key: str, **slots: object) -> str:
    return given.words.say(key, workload=given.short_workload, **slots)


# An alert ------------------------------------------------------------------------------------------------------------


def _of_alert(given: Given, fired: Fired) -> str | None:
    """None: what it was about is no longer there."""
    words, cheapest = given.words, given.ranking.answer.cheapest
    if fired.kind == "source_down":
        key = "subject_source_down" if len(fired.sources) == 1 else "subject_sources_down"
        return _say(given, key, source=fired.sources[0], n=len(fired.sources) - 1, hours=fired.hours)
    if cheapest is None:
        return None
    cost = words.usd(cheapest.cost_usd.p50)
    if fired.kind == "total_below":
        return _say(given, "subject_total_below", limit=words.usd(fired.limit_usd), cost=cost)
    if fired.kind == "change":
        key = "subject_change_down" if fired.change_percent < 0 else "subject_change_up"
        percent = words.percent(fired.change_percent)
        return _say(given, key, percent=percent, cost=cost, option=words.short(cheapest))
    return _rig_is_beaten(given)


def _rig_is_beaten(given: Given) -> str | None:
    rig = min(given.ranking.answer.rigs, key=lambda option: option.cost_usd.p50, default=None)
    rented = given.cheapest_rented
    if rig is None or rented is None:
        return None
    cloud, own = given.words.usd(rented.cost_usd.p50), given.words.usd(rig.cost_usd.p50)
    return given.words.say("subject_cheaper_than_rig", gpu=given.words.short(rig), cloud=cloud, rig=own)


# News ----------------------------------------------------------------------------------------------------------------


def _of_news(given: Given) -> str:
    """The first of these that is news: the reader's machine won or lost, the total moved, renting moved, prices did."""
    cheapest, soonest = given.ranking.answer.cheapest, given.ranking.answer.soonest
    if cheapest is None or soonest is None:
        return _say(given, "subject_nothing")
    before = given.before.cheapest if given.before else None
    if before is None:
        return _first(given, cheapest, soonest)
    return (
        _winner(given, cheapest, before)
        or _moved(given, "subject", cheapest, before)
        or (_renting(given) if cheapest.kind == "local" else None)
        or _unchanged(given, cheapest)
    )


def _first(given: Given, cheapest: Option, soonest: Option) -> str:
    low, high = given.words.usd(cheapest.cost_usd.p50), given.words.usd(soonest.cost_usd.p50)
    return _say(given, "subject_first_one" if low == high else "subject_first", low=low, high=high)


def _winner(given: Given, cheapest: Option, before: ShownOption) -> str | None:
    """Only where a machine of the reader's won or lost the first place."""
    if before.title == cheapest.title:
        return None
    if cheapest.kind == "local":
        return _say(given, "subject_rig_first", gpu=given.words.short(cheapest))
    rig = next((option for option in given.ranking.answer.rigs if option.title == before.title), None)
    if rig is None:
        return None
    return _say(given, "subject_rig_second", gpu=given.words.short(rig), place=given.words.place(rig.rank))


def _renting(given: Given) -> str | None:
    """Where the reader's own machine stays cheapest, what renting costs is the news."""
    rented, before = given.cheapest_rented, given.cheapest_rented_before
    return _moved(given, "subject_rent", rented, before) if rented and before else None


def _moved(given: Given, key: str, option: Option, before: ShownOption) -> str | None:
    words = given.words
    percent = percent_of(before.cost_usd.p50, option.cost_usd.p50)
    if abs(percent) < MOVED_PERCENT:
        return None
    name = f"{key}_{'cheaper' if percent < 0 else 'dearer'}"
    cost = words.usd(option.cost_usd.p50)
    return _say(given, name, percent=words.percent(percent), cost=cost, option=words.short(option))


def _unchanged(given: Given, cheapest: Option) -> str:
    moved = len(given.moved())
    key = {0: "subject_unchanged", 1: "subject_one_moved"}.get(moved, "subject_moved")
    return _say(given, key, cost=given.words.usd(cheapest.cost_usd.p50), n=moved)


# The second fact -----------------------------------------------------------------------------------------------------


def preheader(given: Given, medians: Sequence[Median]) -> str:
    """Never what the subject says."""
    words, parts = given.words, []
    soonest, cheapest = given.ranking.answer.soonest, given.ranking.answer.cheapest
    if soonest and cheapest and soonest.id != cheapest.id:
        days, cost = words.days(soonest.days.p50, given.scale), words.usd(soonest.cost_usd.p50)
        parts.append(words.say("pre_soonest", days=days, cost=cost))
    widest = max(medians, key=lambda median: abs(median.change_percent or 0), default=None)
    if widest and widest.change_percent and abs(widest.change_percent) >= MOVED_PERCENT:
        key = "pre_median_up" if widest.change_percent > 0 else "pre_median_down"
        parts.append(words.say(key, gpu=widest.gpu, percent=words.percent(widest.change_percent)))
    if newest := given.ranking.market.newest_price_at:
        parts.append(words.say("pre_prices", age=words.age(newest, given.now)))
    return " ".join(parts)
