"""How a report is made: pure, from what is given; the parts that need thought have rooms of their own."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from service.presentation.language import language
from service.presentation.words import part, unit
from service.ranking.option import Option
from service.reports.answer import break_even, sentences, warnings
from service.reports.changes import appeared, changes, vanished
from service.reports.given import Fired, Given, SourceState, clipped
from service.reports.medians import told_medians
from service.reports.report import TOP, Report, Row, SourceLine
from service.reports.subject import preheader, subject

HEADING = 50  # characters of a name in a heading


def compose(given: Given) -> Report:
    """The report of this moment."""
    reader, ranking, before, words = given.reader, given.ranking, given.before, given.words
    cheapest = ranking.answer.cheapest
    since = words.date(before.made_at, reader.zone) if before else ""
    medians = tuple(told_medians(given))
    changed, new, gone = changes(given), appeared(given), vanished(given)
    no_news = () if changed or new.count or gone.count or not before else (words.say("no_news", date=since),)
    return Report(
        id=reader.report_id,
        subscription_id=reader.subscription_id,
        subscription=reader.name,
        reason=reader.reason,
        alert=reader.fired.kind if reader.fired else None,
        language=words.code,
        made_at=given.now,
        about=words.say("about", workload=given.workload, date=words.date(given.now, reader.zone)),
        since=before.made_at if before else None,
        since_text=since,
        workload=given.workload,
        method=ranking.method,
        subject=subject(given),
        preheader=preheader(given, medians),
        sentences=(*sentences(given), *no_news),
        warnings=tuple(warnings(given)),
        cheapest_usd=cheapest.cost_usd.p50 if cheapest else None,
        changes=changed,
        top=tuple(_row(given, option) for option in ranking.options[:TOP]),
        appeared=new,
        vanished=gone,
        medians=medians,
        break_even=break_even(given),
        bill_heading=_bill_heading(given),
        bill=tuple(_bill(given)),
        sources=tuple(_sources(given)),
        prices_age=_prices_age(given),
        credits=_credits(given),
        newest_price_at=ranking.market.newest_price_at,
        oldest_price_at=ranking.market.oldest_price_at,
        why=_why(given),
        ranking_url=_url(given, ""),
        report_url=f"{reader.public_url}/reports/{reader.report_id}",
    )


# The top ten ---------------------------------------------------------------------------------------------------------


def _row(given: Given, option: Option) -> Row:
    words, known, cost = given.words, given.known(option), option.cost_usd.p50
    change = cost - known.cost_usd.p50 if known else None
    return Row(
        rank=option.rank,
        was_rank=known.rank if known else None,
        title=words.title(option.title),
        detail=_detail(given, option),
        is_yours=option.kind == "local",
        days=option.days.p50,
        days_text=words.days(option.days.p50, given.scale),
        cost_usd=cost,
        cost_text=words.usd(cost),
        change_usd=change,
        change_text=_change_text(given, change, cost),
        url=_url(given, "option", option=option.id),
        is_old=bool(option.offer and option.offer.stale),
    )


def _change_text(given: Given, change: float | None, cost: float) -> str:
    if change is not None:
        return given.words.signed_usd(change, cost)
    return given.words.say("new") if given.before else ""


def _detail(given: Given, option: Option) -> str:
    words = given.words
    if option.rig:
        return words.say("electricity", usd=words.usd_rate(option.rig.electricity_usd_per_kwh))
    if option.offer is None:
        return ""
    usd = words.usd_rate(option.offer.usd_per_hour)
    if option.offer.source == "bundled":
        return words.say("bundled_price", usd=usd, date=words.date(option.offer.observed_at, given.reader.zone))
    return words.say("seen", usd=usd, age=words.age(option.offer.observed_at, given.now))


def _url(given: Given, path: str, **more: str) -> str:
    query = {name: value for name, value in given.reader.ranking.items() if _fits_a_query(value)}
    encoded = urlencode(query | more, doseq=True)
    return f"{given.reader.public_url}/{path}" + (f"?{encoded}" if encoded else "")


def _fits_a_query(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float)


def _bill_heading(given: Given) -> str:
    words, rented = given.words, given.rented
    return words.say("bill_head", title=clipped(words.title(rented.title), HEADING)) if rented else ""


def _bill(given: Given) -> Iterator[str]:
    """What the first rented option charges for, each on whose word."""
    if given.rented is None:
        return
    words, said = given.words, language(given.words.code)
    for line in given.rented.bill or ():
        yield words.say(
            "bill_line",
            item=part(line.item, said),
            quantity=said.number(line.quantity, 1),
            unit=unit(line.unit, said),
            price=words.usd_rate(line.usd_per_unit),
            usd=words.usd(line.usd, given.rented.cost_usd.p50),
            source=said.retell(line.source or ""),
        )


# Sources and reasons -------------------------------------------------------------------------------------------------


def _sources(given: Given) -> Iterator[SourceLine]:
    for source in given.sources:
        text = _source_text(given, source)
        if text:
            yield SourceLine(slug=source.slug, state=source.state, text=text)


def _source_text(given: Given, source: SourceState) -> str | None:
    """None: nothing is wrong with it."""
    words = given.words
    age = words.age(source.last_success, given.now) if source.last_success else None
    if source.state == "failing":
        key = "source_failing_since" if age else "source_failing"
        return words.say(key, source=source.name, age=age, detail=clipped(source.detail or "", 120))
    if source.state == "stale" and age:
        return words.say("source_stale", source=source.name, age=age)
    return None


def _prices_age(given: Given) -> str:
    market = given.ranking.market
    if market.newest_price_at is None:
        return ""
    age = given.words.age(market.newest_price_at, given.now)
    return given.words.say("prices_age", n=given.words.count(market.offers), age=age)


def _credits(given: Given) -> tuple[str, ...]:
    """Whom the licences of the prices shown say to name."""
    offers = [option.offer for option in given.ranking.options[:TOP] if option.offer]
    named = dict.fromkeys(offer.attribution for offer in offers if offer.attribution)
    return tuple(given.words.say("credit", credit=credit) for credit in named)


def _why(given: Given) -> str:
    reader = given.reader
    if reader.fired:
        return given.words.say("why_alert", name=reader.name, alert=_alert(given, reader.fired))
    key = "why_schedule" if reader.reason == "schedule" else "why_asked"
    return given.words.say(key, name=reader.name, schedule=reader.schedule)


def _alert(given: Given, fired: Fired) -> str:
    """The condition that is met."""
    return given.words.say(
        f"alert_{fired.kind}",
        limit=given.words.usd(fired.limit_usd),
        percent=given.words.signed_percent(fired.change_percent),
        hours=fired.hours,
        sources=", ".join(fired.sources),
    )
