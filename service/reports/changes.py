"""What happened since the last report: in at most five lines, and as the offers that came and went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.ranking.option import Option
from service.reports.given import MOVED_PERCENT, Given, Moved, percent_of
from service.reports.report import CHANGES, LISTED, Change, OfferLine, Offers
from service.reports.shown import ShownOption


def changes(given: Given) -> tuple[Change, ...]:
    """First what it does to the answer, then the prices that moved; what has no room is counted."""
    if given.before is None:
        return ()
    every_move = given.moved()
    first = list(_about_the_answer(given))[:CHANGES] or ([_news(given, "same")] if every_move else [])
    winners = (given.ranking.answer.cheapest, given.cheapest_rented)
    told = {option.title for option in winners if option and _is_told(given, option, first)}
    moved = [move for move in every_move if move.option.title not in told]
    room = CHANGES - len(first)
    listed = moved if len(moved) <= room else moved[: max(room - 1, 0)]
    hidden = len(moved) - len(listed)
    more = [_news(given, "one_more_moved" if hidden == 1 else "more_moved", n=hidden)] if hidden and room else []
    return (*first, *(_price_line(given, move) for move in listed), *more)


def _is_told(given: Given, option: Option, lines: Sequence[Change]) -> bool:
    return any(given.words.title(option.title) in line.text for line in lines if line.direction != "news")


def _about_the_answer(given: Given) -> Iterator[Change]:
    cheapest, rented = given.ranking.answer.cheapest, given.cheapest_rented
    yield from _about(given, "cheapest", cheapest, given.before.cheapest if given.before else None)
    if cheapest and cheapest.kind == "local":
        yield from _about(given, "rent", rented, given.cheapest_rented_before)
    yield from _about_soonest(given)
    yield from _about_rigs(given)


def _about(given: Given, key: str, now: Option | None, before: ShownOption | None) -> Iterator[Change]:
    if now is None or before is None:
        return
    words, title = given.words, given.words.title(now.title)
    percent = percent_of(before.cost_usd.p50, now.cost_usd.p50)
    if abs(percent) >= MOVED_PERCENT:
        fell = percent < 0
        text = words.say(
            f"{key}_{'fell' if fell else 'rose'}",
            percent=words.percent(percent),
            cost=words.usd(now.cost_usd.p50),
            title=title,
            cause=_cause(given, now),
        )
        yield Change(direction="cheaper" if fell else "dearer", text=_capital(text))
    elif now.title != before.title and key == "cheapest":
        yield _news(given, "winner", title=title, before=words.title(before.title))


def _cause(given: Given, option: Option) -> str:
    """The price behind it; where that did not move, that it did not."""
    known = given.known(option)
    if known is None or known.offer is None or option.offer is None:
        return ""
    before, now = (given.words.usd_rate(offer.usd_per_hour) for offer in (known.offer, option.offer))
    return given.words.say("recounted" if before == now else "cause", before=before, now=now)


def _about_soonest(given: Given) -> Iterator[Change]:
    now, before = given.ranking.answer.soonest, given.before.soonest if given.before else None
    cheapest = given.ranking.answer.cheapest
    if now is None or before is None or (cheapest and cheapest.id == now.id):
        return
    words, scale = given.words, given.scale
    days, was = words.days(now.days.p50, scale), words.days(before.days.p50, scale)
    if now.title != before.title and days != was:
        cost = words.usd(now.cost_usd.p50)
        yield _news(given, "soonest_now", title=words.title(now.title), days=days, cost=cost, before=was)
    elif days != was:
        yield _news(given, "soonest_moved", days=days, before=was)


def _about_rigs(given: Given) -> Iterator[Change]:
    words = given.words
    for option in given.ranking.answer.rigs:
        known = given.known(option)
        if known and known.rank and known.rank != option.rank:
            key = "rig_up" if option.rank < known.rank else "rig_down"
            place, was = words.place(option.rank), words.place(known.rank)
            yield _news(given, key, gpu=words.short(option), place=place, was=was)


def _price_line(given: Given, move: Moved) -> Change:
    """With what it means for the reader's run."""
    words = given.words
    text = words.say(
        "price_moved",
        title=words.title(move.option.title),
        percent=words.signed_percent(move.percent),
        before=words.usd_rate(move.before),
        now=words.usd_rate(move.now),
        cost=words.usd(move.option.cost_usd.p50),
        place=words.place(move.option.rank),
    )
    return Change(direction="cheaper" if move.percent < 0 else "dearer", text=text)


def _news(given: Given, key: str, **slots: object) -> Change:
    return Change(direction="news", text=_capital(given.words.say(key, **slots)))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Offers that came and went -------------------------------------------------------------------------------------------


def appeared(given: Given) -> Offers:
    """Offers that were first seen after the last report. A window moves too, so being new to it is not enough."""
    if given.before is None:
        return Offers()
    since, known = given.before.made_at, given.before.options
    new = [o for o in given.ranking.options if o.offer and o.title not in known and o.offer.first_seen > since]
    return _offers(given, new)


def vanished(given: Given) -> Offers:
    """What the last report showed and nobody offers any more; what fell out of the ranking has not vanished."""
    known = given.before.options.values() if given.before else ()
    return _offers(given, [option for option in known if option.kind == "cloud" and option.title not in given.offered])


def _offers(given: Given, options: Sequence[Option | ShownOption]) -> Offers:
    return Offers(lines=tuple(_offer_line(given, option) for option in options[:LISTED]), count=len(options))


def _offer_line(given: Given, option: Option | ShownOption) -> OfferLine:
    words, title, cost = given.words, given.words.title(option.title), option.cost_usd.p50
    days = words.days(option.days.p50, given.scale)
    text = words.say("offer_line", title=title, cost=words.usd(cost), days=days)
    return OfferLine(title=title, cost_usd=cost, text=text)
