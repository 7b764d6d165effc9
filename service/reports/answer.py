"""The answer in sentences: the cheapest way, the soonest, the reader's machines, what is unsure, and the break-even."""

from __future__ import annotations

from collections.abc import Iterator

from service.presentation.words import HIGHEST_USD_PER_KWH
from service.ranking.option import Option
from service.reports.given import Given


def sentences(given: Given) -> Iterator[str]:
    cheapest, soonest = given.ranking.answer.cheapest, given.ranking.answer.soonest
    if cheapest is None or soonest is None:
        yield given.words.say("nothing")
    elif cheapest.id == soonest.id:
        yield _winner(given, "both", cheapest, _cost_spread(given, cheapest))
    else:
        yield _cheapest(given, cheapest)
        yield _winner(given, "soonest", soonest, _days_spread(given, soonest))
    yield from _rigs(given)
    yield from _rigs_too_small(given)


def _cheapest(given: Given, option: Option) -> str:
    if option.kind == "cloud":
        return _winner(given, "cheapest_cloud", option, _cost_spread(given, option))
    wear = option.cost_usd.p50 - option.cost_breakdown_usd.get("electricity", option.cost_usd.p50)
    if wear < 0.005:
        return _winner(given, "cheapest_local", option, _cost_spread(given, option))
    return _winner(given, "cheapest_worn", option, "", wear=given.words.usd(wear, option.cost_usd.p50))


def _winner(given: Given, key: str, option: Option, spread: str, **slots: str) -> str:
    return given.words.say(
        key,
        title=given.words.title(option.title),
        cost=given.words.usd(option.cost_usd.p50),
        days=given.words.days(option.days.p50, given.scale),
        spread=spread,
        **slots,
    )


def _cost_spread(given: Given, option: Option) -> str:
    span = given.words.usd_range(option.cost_usd)
    return f" ({span})" if span else ""


def _days_spread(given: Given, option: Option) -> str:
    span = given.words.days_range(option.days, given.scale)
    return f" ({span})" if span else ""


def _rigs(given: Given) -> Iterator[str]:
    """Those that have not been named as the winner."""
    words, answer = given.words, given.ranking.answer
    winners = {option.id for option in (answer.cheapest, answer.soonest) if option}
    for option in answer.rigs:
        if option.id not in winners:
            yield words.say(
                "rig",
                gpu=words.short(option),
                days=words.days(option.days.p50, given.scale),
                cost=words.usd(option.cost_usd.p50),
                place=words.place(option.rank),
                total=words.count(given.ranking.ranked),
            )


def _rigs_too_small(given: Given) -> Iterator[str]:
    words = given.words
    for left in given.ranking.excluded:
        for example in left.examples:
            if example.kind == "local" and example.lacks_gb:
                gpu = words.title(example.title).partition(words.title(" at home"))[0]
                yield words.say("rig_lacks", gpu=gpu, gb=f"{example.lacks_gb:.1f}")


def warnings(given: Given) -> Iterator[str]:
    """What keeps the answer from being sure."""
    words, cheapest = given.words, given.ranking.answer.cheapest
    if not given.ranking.market.offers:
        yield words.say("no_prices")
    if cheapest and cheapest.offer and cheapest.offer.stale:
        yield words.say("stale", age=words.age(cheapest.offer.observed_at, given.now))
    offers = [option.offer for option in given.ranking.options if option.offer]
    if offers and all(offer.source == "bundled" for offer in offers):
        newest = max(offer.observed_at for offer in offers)
        yield words.say("bundled", date=words.date(newest, given.reader.zone))
    if given.ranking.method == "ratio":
        yield words.say("ratio")


def break_even(given: Given) -> str | None:
    """Where owning and renting cost the same. None: there is nothing to compare."""
    words, even = given.words, given.ranking.break_even
    local = next((o for o in given.ranking.answer.rigs if even and o.id == even.best_local), None)
    if even is None or local is None or local.rig is None or even.best_cloud is None:
        return None
    gpu, crossing = words.short(local), even.electricity_usd_per_kwh
    if crossing is None:
        return words.say("break_even_always")
    if crossing > HIGHEST_USD_PER_KWH:
        return words.say("break_even_never", usd=words.usd_rate(HIGHEST_USD_PER_KWH), gpu=gpu)
    now, own = words.usd_rate(crossing), words.usd_rate(local.rig.electricity_usd_per_kwh)
    was = given.before.break_even_usd_per_kwh if given.before else None
    if was is not None and words.usd_rate(was) != now:
        return words.say("break_even_moved", gpu=gpu, usd=now, before=words.usd_rate(was), own=own)
    return words.say("break_even", gpu=gpu, usd=now, own=own)
