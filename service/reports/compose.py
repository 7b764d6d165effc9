"""How a report is made: pure, from the ranking of now, what the last report showed, and what is known of prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from service.presentation.numbers import TimeScale, time_scale
from service.presentation.words import HIGHEST_USD_PER_KWH
from service.ranking.option import Option, Ranking
from service.reports.language import Words
from service.reports.report import (
    CHANGES,
    LISTED,
    TOP,
    Change,
    Median,
    OfferLine,
    Offers,
    Point,
    Reason,
    Report,
    Row,
    SourceLine,
)

MOVED_PERCENT = 0.5  # a total that moved less is told as unchanged
SUBJECT_LENGTH = 60
MEDIANS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOption:
    """What a report before said of an option."""

    rank: int
    title: str
    kind: str
    gpu: str
    cost_usd: float
    days: float
    usd_per_hour: float | None  # None: a rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the last report showed."""

    made_at: datetime
    options: Mapping[str, ShownOption]  # by title: the same thing to a reader, whatever its id
    cheapest: ShownOption | None = None
    soonest: ShownOption | None = None
    break_even_usd_per_kwh: float | None = None
    medians: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPrices:
    """The on-demand prices of one GPU now, and their median on days before."""

    gpu: str
    median_usd: float
    least_usd: float
    offers: int
    history: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    slug: str
    name: str
    state: str  # ok, stale, failing, off
    detail: str | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that fired, with what its subject says."""

    kind: str  # total_below, cheaper_than_rig, change, source_down
    limit_usd: float = 0.0
    change_percent: float = 0.0
    hours: int = 0
    sources: tuple[str, ...] = ()  # names


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """Whom a report is for, and why it is made."""

    report_id: str
    subscription_id: str | None
    name: str
    words: Words
    zone: ZoneInfo
    schedule: str  # in words
    threshold_percent: float
    ranking: Mapping[str, object]  # the parameters as the API takes them
    sort: str
    public_url: str
    reason: Reason
    fired: Fired | None = None


def compose(
    reader: For,
    ranking: Ranking,
    before: Shown | None,
    prices: Sequence[GpuPrices],
    sources: Sequence[SourceState],
    offered: Set[str],  # the titles of all current offers
    now: datetime,
) -> Report:
    """The report of this moment."""
    return _Composer(reader, ranking, before, prices, sources, offered, now).report()


def shown_option(option: Option) -> ShownOption:
    return ShownOption(
        rank=option.rank,
        title=option.title,
        kind=option.kind,
        gpu=option.machine.gpu,
        cost_usd=option.cost_usd.p50,
        days=option.days.p50,
        usd_per_hour=option.offer.usd_per_hour if option.offer else None,
    )


@dataclass(frozen=True, slots=True)
class _Composer:
    reader: For
    ranking: Ranking
    before: Shown | None
    prices: Sequence[GpuPrices]
    sources: Sequence[SourceState]
    offered: Set[str]
    now: datetime

    # The whole -------------------------------------------------------------------------------------------------------

    def report(self) -> Report:
        reader, ranking = self.reader, self.ranking
        cheapest = ranking.answer.cheapest
        medians = tuple(self._medians())
        return Report(
            id=reader.report_id,
            subscription_id=reader.subscription_id,
            subscription=reader.name,
            reason=reader.reason,
            alert=reader.fired.kind if reader.fired else None,
            language=self.words.code,
            made_at=self.now,
            since=self.before.made_at if self.before else None,
            since_text=self.words.date(self.before.made_at, reader.zone) if self.before else "",
            workload=self._workload(),
            method=ranking.method,
            subject=self._subject(),
            preheader=self._preheader(medians),
            sentences=tuple(self._sentences()),
            warnings=tuple(self._warnings()),
            cheapest_usd=cheapest.cost_usd.p50 if cheapest else None,
            changes=self._changes(),
            top=tuple(self._row(option) for option in ranking.options[:TOP]),
            appeared=self._appeared(),
            vanished=self._vanished(),
            medians=medians,
            break_even=self._break_even(),
            sources=tuple(self._sources()),
            prices_age=self._prices_age(),
            newest_price_at=ranking.market.newest_price_at,
            oldest_price_at=ranking.market.oldest_price_at,
            why=self._why(),
            ranking_url=self._url(""),
            report_url=f"{reader.public_url}/reports/{reader.report_id}",
        )

    @property
    def words(self) -> Words:
        return self.reader.words

    @property
    def scale(self) -> TimeScale:
        return time_scale(option.days.p50 for option in self.ranking.options[:TOP])

    def _workload(self) -> str:
        return str(self.ranking.workload.get("name") or self.ranking.workload.get("slug"))

    def _short_workload(self) -> str:
        """d32: what a subject has room for."""
        return _clipped(self._workload().removeprefix("nanochat "), 24)

    def _url(self, path: str) -> str:
        query = {name: value for name, value in self.reader.ranking.items() if _fits_a_query(value)}
        encoded = urlencode(query, doseq=True)
        return f"{self.reader.public_url}/{path}" + (f"?{encoded}" if encoded else "")

    # What changed ----------------------------------------------------------------------------------------------------

    def _known(self, option: Option) -> ShownOption | None:
        return self.before.options.get(option.title) if self.before else None

    def _price_change(self, option: Option) -> tuple[float, float, float] | None:
        """Percent, before, now of the price per hour, where it moved as far as the reader cares."""
        known = self._known(option)
        if known is None or known.usd_per_hour is None or option.offer is None:
            return None
        percent = _percent(known.usd_per_hour, option.offer.usd_per_hour)
        return (percent, known.usd_per_hour, option.offer.usd_per_hour) if self._matters(percent) else None

    def _matters(self, percent: float) -> bool:
        return abs(percent) >= max(self.reader.threshold_percent, 0.05)

    def _moved(self) -> list[tuple[Option, float, float, float]]:
        """The prices that moved, the widest first."""
        options = self.ranking.options
        changed = [(option, *change) for option in options if (change := self._price_change(option))]
        return sorted(changed, key=lambda moved: (-abs(moved[1]), moved[0].rank))

    def _changes(self) -> tuple[Change, ...]:
        if self.before is None:
            return ()
        first = list(self._about_the_answer())
        moved = self._moved()
        winners = (self.ranking.answer.cheapest, self._cheapest_rented())
        told = {option.title for option in winners if option and self._is_told(option, first)}
        rest = [each for each in moved if each[0].title not in told]
        room = CHANGES - len(first)
        lines = [self._price_line(*each) for each in (rest if len(rest) <= room else rest[: room - 1])]
        hidden = len(rest) - len(lines)
        if hidden > 0:
            key = "one_more_moved" if hidden == 1 else "more_moved"
            lines.append(self._news(key, n=hidden))
        return tuple(islice((*first, *lines), CHANGES))

    def _is_told(self, option: Option, lines: Sequence[Change]) -> bool:
        return any(self.words.title(option.title) in line.text for line in lines if line.direction != "news")

    def _about_the_answer(self) -> Iterator[Change]:
        yield from self._about("cheapest", self.ranking.answer.cheapest, self.before.cheapest if self.before else None)
        cheapest, rented = self.ranking.answer.cheapest, self._cheapest_rented()
        if cheapest and cheapest.kind == "local" and rented:
            yield from self._about("rent", rented, self._cheapest_rented_before())
        yield from self._about_soonest()
        yield from self._about_rigs()

    def _about(self, key: str, now: Option | None, before: ShownOption | None) -> Iterator[Change]:
        if now is None or before is None:
            return
        percent = _percent(before.cost_usd, now.cost_usd.p50)
        if abs(percent) >= MOVED_PERCENT:
            fell = percent < 0
            text = self.words.say(
                f"{key}_{'fell' if fell else 'rose'}",
                percent=self.words.percent(percent),
                cost=self.words.usd(now.cost_usd.p50),
                title=self.words.title(now.title),
                cause=self._cause(now),
            )
            yield Change(direction="cheaper" if fell else "dearer", text=_capital(text))
        elif now.title != before.title and key == "cheapest":
            yield self._news("winner", title=self.words.title(now.title), before=self.words.title(before.title))

    def _cause(self, option: Option) -> str:
        """The price behind it, where that is what moved."""
        known = self._known(option)
        if known is None or known.usd_per_hour is None or option.offer is None:
            return ""
        before, now = self.words.usd_rate(known.usd_per_hour), self.words.usd_rate(option.offer.usd_per_hour)
        return "" if before == now else self.words.say("cause", before=before, now=now)

    def _about_soonest(self) -> Iterator[Change]:
        now, before = self.ranking.answer.soonest, self.before.soonest if self.before else None
        cheapest = self.ranking.answer.cheapest
        if now is None or before is None or (cheapest and cheapest.id == now.id):
            return
        days, was = self.words.days(now.days.p50, self.scale), self.words.days(before.days, self.scale)
        if now.title != before.title and days != was:
            cost = self.words.usd(now.cost_usd.p50)
            yield self._news("soonest_now", title=self.words.title(now.title), days=days, cost=cost, before=was)
        elif days != was:
            yield self._news("soonest_moved", days=days, before=was)

    def _about_rigs(self) -> Iterator[Change]:
        for option in self.ranking.answer.rigs:
            known = self._known(option)
            if known and known.rank and known.rank != option.rank:
                key = "rig_up" if option.rank < known.rank else "rig_down"
                place, was = self.words.place(option.rank), self.words.place(known.rank)
                yield self._news(key, gpu=self.words.short(option), place=place, was=was)

    def _price_line(self, option: Option, percent: float, before: float, now: float) -> Change:
        text = self.words.say(
            "price_fell" if percent < 0 else "price_rose",
            title=self.words.title(option.title),
            percent=self.words.percent(percent),
            before=self.words.usd_rate(before),
            now=self.words.usd_rate(now),
        )
        return Change(direction="cheaper" if percent < 0 else "dearer", text=text)

    def _news(self, key: str, **slots: object) -> Change:
        return Change(direction="news", text=_capital(self.words.say(key, **slots)))

    def _cheapest_rented(self) -> Option | None:
        return next((o for o in self.ranking.options if o.offer and o.offer.available is not False), None)

    def _cheapest_rented_before(self) -> ShownOption | None:
        options = self.before.options.values() if self.before else ()
        return min((o for o in options if o.kind == "cloud"), key=lambda o: o.cost_usd, default=None)

    def _appeared(self) -> Offers:
        """Offers that were first seen after the last report. A window moves too, so being new to it is not enough."""
        if self.before is None:
            return Offers()
        since, known = self.before.made_at, self.before.options
        new = [o for o in self.ranking.options if o.offer and o.title not in known and o.offer.first_seen > since]
        lines = tuple(self._offer_line(option.title, option.cost_usd.p50) for option in new[:LISTED])
        return Offers(lines=lines, count=len(new))

    def _vanished(self) -> Offers:
        """What the last report showed and nobody offers any more; what fell out of the ranking has not vanished."""
        known = self.before.options.values() if self.before else ()
        gone = [option for option in known if option.kind == "cloud" and option.title not in self.offered]
        lines = tuple(self._offer_line(option.title, option.cost_usd) for option in gone[:LISTED])
        return Offers(lines=lines, count=len(gone))

    def _offer_line(self, title: str, cost: float) -> OfferLine:
        written = self.words.title(title)
        text = self.words.say("appeared_line", title=written, cost=self.words.usd(cost))
        return OfferLine(title=written, cost_usd=cost, text=text)

    # Subject and preheader -------------------------------------------------------------------------------------------

    def _subject(self) -> str:
        return _clipped(self._alert_subject() or self._news_subject(), SUBJECT_LENGTH)

    def _alert_subject(self) -> str | None:
        fired, cheapest = self.reader.fired, self.ranking.answer.cheapest
        if fired is None:
            return None
        if fired.kind == "source_down":
            key = "subject_source_down" if len(fired.sources) == 1 else "subject_sources_down"
            return self._about_workload(key, source=fired.sources[0], n=len(fired.sources) - 1, hours=fired.hours)
        if cheapest is None:
            return None
        cost = self.words.usd(cheapest.cost_usd.p50)
        if fired.kind == "total_below":
            return self._about_workload("subject_total_below", limit=self.words.usd(fired.limit_usd), cost=cost)
        if fired.kind == "change":
            key = "subject_change_down" if fired.change_percent < 0 else "subject_change_up"
            percent = self.words.percent(fired.change_percent)
            return self._about_workload(key, percent=percent, cost=cost, option=self.words.short(cheapest))
        return self._rig_is_beaten()

    def _rig_is_beaten(self) -> str | None:
        rig = min(self.ranking.answer.rigs, key=lambda option: option.cost_usd.p50, default=None)
        rented = self._cheapest_rented()
        if rig is None or rented is None:
            return None
        cloud, own = self.words.usd(rented.cost_usd.p50), self.words.usd(rig.cost_usd.p50)
        return self.words.say("subject_cheaper_than_rig", gpu=self.words.short(rig), cloud=cloud, rig=own)

    def _about_workload(self, key: str, **slots: object) -> str:
        return self.words.say(key, workload=self._short_workload(), **slots)

    def _news_subject(self) -> str:
        cheapest, soonest = self.ranking.answer.cheapest, self.ranking.answer.soonest
        if cheapest is None or soonest is None:
            return self._about_workload("subject_nothing")
        if self.before is None or self.before.cheapest is None:
            return self._first_subject(cheapest, soonest)
        return self._winner_subject(cheapest) or self._total_subject(cheapest) or self._rent_subject(cheapest)

    def _first_subject(self, cheapest: Option, soonest: Option) -> str:
        low, high = self.words.usd(cheapest.cost_usd.p50), self.words.usd(soonest.cost_usd.p50)
        key = "subject_first_one" if low == high else "subject_first"
        return self._about_workload(key, low=low, high=high)

    def _winner_subject(self, cheapest: Option) -> str | None:
        """Only where a machine of the reader's won or lost the first place."""
        was = self.before.cheapest if self.before else None
        if was is None or was.title == cheapest.title:
            return None
        if cheapest.kind == "local":
            return self._about_workload("subject_rig_first", gpu=self.words.short(cheapest))
        rig = next((option for option in self.ranking.answer.rigs if option.title == was.title), None)
        if rig is None:
            return None
        return self._about_workload("subject_rig_second", gpu=self.words.short(rig), place=self.words.place(rig.rank))

    def _total_subject(self, cheapest: Option) -> str | None:
        was = self.before.cheapest if self.before else None
        return self._moved_subject("subject", cheapest, was) if was else None

    def _rent_subject(self, cheapest: Option) -> str:
        """Where the reader's own machine stays cheapest, what renting costs is the news."""
        rented, was = self._cheapest_rented(), self._cheapest_rented_before()
        if cheapest.kind == "local" and rented and was:
            said = self._moved_subject("subject_rent", rented, was)
            if said:
                return said
        moved = len(self._moved())
        key = {0: "subject_unchanged", 1: "subject_one_moved"}.get(moved, "subject_moved")
        return self._about_workload(key, cost=self.words.usd(cheapest.cost_usd.p50), n=moved)

    def _moved_subject(self, key: str, option: Option, was: ShownOption) -> str | None:
        percent = _percent(was.cost_usd, option.cost_usd.p50)
        if abs(percent) < MOVED_PERCENT:
            return None
        cost = self.words.usd(option.cost_usd.p50)
        name = f"{key}_{'cheaper' if percent < 0 else 'dearer'}"
        short = self.words.short(option)
        return self._about_workload(name, percent=self.words.percent(percent), cost=cost, option=short)

    def _preheader(self, medians: Sequence[Median]) -> str:
        """The second fact; never what the subject says."""
        parts: list[str] = []
        soonest, cheapest = self.ranking.answer.soonest, self.ranking.answer.cheapest
        if soonest and cheapest and soonest.id != cheapest.id:
            days, cost = self.words.days(soonest.days.p50, self.scale), self.words.usd(soonest.cost_usd.p50)
            parts.append(self.words.say("pre_soonest", days=days, cost=cost))
        widest = max(medians, key=lambda median: abs(median.change_percent or 0), default=None)
        if widest and widest.change_percent and abs(widest.change_percent) >= MOVED_PERCENT:
            key = "pre_median_up" if widest.change_percent > 0 else "pre_median_down"
            parts.append(self.words.say(key, gpu=widest.gpu, percent=self.words.percent(widest.change_percent)))
        if newest := self.ranking.market.newest_price_at:
            parts.append(self.words.say("pre_prices", age=self.words.age(newest, self.now)))
        return " ".join(parts)

    # The answer ------------------------------------------------------------------------------------------------------

    def _sentences(self) -> Iterator[str]:
        cheapest, soonest = self.ranking.answer.cheapest, self.ranking.answer.soonest
        if cheapest is None or soonest is None:
            yield self.words.say("nothing")
        elif cheapest.id == soonest.id:
            yield self._winner("both", cheapest, self._cost_spread(cheapest))
        else:
            yield self._cheapest(cheapest)
            yield self._winner("soonest", soonest, self._days_spread(soonest))
        yield from self._rigs()

    def _cheapest(self, option: Option) -> str:
        if option.kind == "cloud":
            return self._winner("cheapest_cloud", option, self._cost_spread(option))
        wear = option.cost_usd.p50 - option.cost_breakdown_usd.get("electricity", option.cost_usd.p50)
        if wear < 0.005:
            return self._winner("cheapest_local", option, self._cost_spread(option))
        return self._winner("cheapest_worn", option, "", wear=self.words.usd(wear, option.cost_usd.p50))

    def _winner(self, key: str, option: Option, spread: str, **slots: str) -> str:
        return self.words.say(
            key,
            title=self.words.title(option.title),
            cost=self.words.usd(option.cost_usd.p50),
            days=self.words.days(option.days.p50, self.scale),
            spread=spread,
            **slots,
        )

    def _cost_spread(self, option: Option) -> str:
        span = self.words.usd_range(option.cost_usd)
        return f" ({span})" if span else ""

    def _days_spread(self, option: Option) -> str:
        span = self.words.days_range(option.days, self.scale)
        return f" ({span})" if span else ""

    def _rigs(self) -> Iterator[str]:
        winners = {option.id for option in (self.ranking.answer.cheapest, self.ranking.answer.soonest) if option}
        for option in self.ranking.answer.rigs:
            if option.id not in winners:
                yield self.words.say(
                    "rig",
                    gpu=self.words.short(option),
                    days=self.words.days(option.days.p50, self.scale),
                    cost=self.words.usd(option.cost_usd.p50),
                    place=self.words.place(option.rank),
                    total=self.words.count(self.ranking.ranked),
                )
        for left in self.ranking.excluded:
            for example in left.examples:
                if example.kind == "local" and example.lacks_gb:
                    gpu = self.words.title(example.title).partition(self.words.title(" at home"))[0]
                    yield self.words.say("rig_lacks", gpu=gpu, gb=f"{example.lacks_gb:.1f}")

    def _warnings(self) -> Iterator[str]:
        cheapest = self.ranking.answer.cheapest
        if not self.ranking.market.offers:
            yield self.words.say("no_prices")
        if cheapest and cheapest.offer and cheapest.offer.stale:
            yield self.words.say("stale", age=self.words.age(cheapest.offer.observed_at, self.now))
        offers = [option.offer for option in self.ranking.options if option.offer]
        if offers and all(offer.source == "bundled" for offer in offers):
            yield self.words.say("bundled")
        if self.ranking.method == "ratio":
            yield self.words.say("ratio")

    def _break_even(self) -> str | None:
        even = self.ranking.break_even
        local = next((o for o in self.ranking.answer.rigs if even and o.id == even.best_local), None)
        if even is None or local is None or local.rig is None or even.best_cloud is None:
            return None
        gpu, crossing = self.words.short(local), even.electricity_usd_per_kwh
        if crossing is None:
            return self.words.say("break_even_always")
        if crossing > HIGHEST_USD_PER_KWH:
            return self.words.say("break_even_never", usd=self.words.usd_rate(HIGHEST_USD_PER_KWH), gpu=gpu)
        now, own = self.words.usd_rate(crossing), self.words.usd_rate(local.rig.electricity_usd_per_kwh)
        was = self.before.break_even_usd_per_kwh if self.before else None
        if was is not None and self.words.usd_rate(was) != now:
            before = self.words.usd_rate(was)
            return self.words.say("break_even_moved", gpu=gpu, usd=now, before=before, own=own)
        return self.words.say("break_even", gpu=gpu, usd=now, own=own)

    # Tables ----------------------------------------------------------------------------------------------------------

    def _row(self, option: Option) -> Row:
        known, cost = self._known(option), option.cost_usd.p50
        change = cost - known.cost_usd if known else None
        return Row(
            rank=option.rank,
            was_rank=known.rank if known else None,
            title=self.words.title(option.title),
            detail=self._detail(option),
            is_yours=option.kind == "local",
            days=option.days.p50,
            days_text=self.words.days(option.days.p50, self.scale),
            cost_usd=cost,
            cost_text=self.words.usd(cost),
            change_usd=change,
            change_text=self._change_text(change, cost, is_new=self.before is not None and known is None),
            url=f"{self._url('option')}{'&' if '?' in self._url('option') else '?'}option={option.id}",
            is_old=bool(option.offer and option.offer.stale),
        )

    def _change_text(self, change: float | None, cost: float, *, is_new: bool) -> str:
        if change is None:
            return self.words.say("new") if is_new else ""
        return self.words.signed_usd(change, cost)

    def _detail(self, option: Option) -> str:
        if option.rig:
            return self.words.say("electricity", usd=self.words.usd_rate(option.rig.electricity_usd_per_kwh))
        if option.offer is None:
            return ""
        usd = self.words.usd_rate(option.offer.usd_per_hour)
        if option.offer.source == "bundled":
            return self.words.say("bundled_price", usd=usd)
        return self.words.say("seen", usd=usd, age=self.words.age(option.offer.observed_at, self.now))

    def _medians(self) -> Iterator[Median]:
        """Of the GPUs that the top ten rent, in its order; then of those offered most."""
        wanted = [option.machine.gpu for option in self.ranking.options[:TOP] if option.offer]
        by_gpu = {each.gpu: each for each in sorted(self.prices, key=lambda each: -each.offers)}
        for gpu in list(dict.fromkeys([*wanted, *by_gpu]))[:MEDIANS]:
            if gpu in by_gpu:
                yield self._median(by_gpu[gpu])

    def _median(self, each: GpuPrices) -> Median:
        was = (self.before.medians or {}).get(each.gpu) if self.before else None
        change = _percent(was, each.median_usd) if was else None
        said = change is not None and abs(change) >= 0.05
        median, least = self.words.usd_rate(each.median_usd), self.words.usd_rate(each.least_usd)
        percent = self.words.signed_percent(change) if change is not None else ""
        key = "median_changed" if said else "median"
        return Median(
            gpu=each.gpu,
            median_usd=each.median_usd,
            least_usd=each.least_usd,
            offers=each.offers,
            change_percent=change,
            text=self.words.say(key, gpu=each.gpu, median=median, percent=percent, least=least),
            points=(*each.history, Point(at=self.now, median_usd=each.median_usd)),
        )

    # Sources and reasons ---------------------------------------------------------------------------------------------

    def _sources(self) -> Iterator[SourceLine]:
        for source in self.sources:
            if source.state not in ("failing", "stale"):
                continue
            text = self._source_text(source)
            if text:
                yield SourceLine(slug=source.slug, state=source.state, text=text)

    def _source_text(self, source: SourceState) -> str | None:
        age = self.words.age(source.last_success, self.now) if source.last_success else None
        if source.state == "failing":
            detail = _clipped(source.detail or "", 120)
            key = "source_failing_since" if age else "source_failing"
            return self.words.say(key, source=source.name, age=age, detail=detail)
        return self.words.say("source_stale", source=source.name, age=age) if age else None

    def _prices_age(self) -> str:
        newest = self.ranking.market.newest_price_at
        if newest is None:
            return ""
        count = self.words.count(self.ranking.market.offers)
        return self.words.say("prices_age", n=count, age=self.words.age(newest, self.now))

    def _why(self) -> str:
        key = {"schedule": "why_schedule", "alert": "why_alert"}.get(self.reader.reason, "why_asked")
        return self.words.say(key, name=self.reader.name, schedule=self.reader.schedule)


def _percent(before: float, now: float) -> float:
    return 100 * (now / before - 1) if before > 0 else 0.0


def _clipped(text: str, most: int) -> str:
    """Cut at a word, with an ellipsis, where it is longer than a subject may be."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut.rsplit(' ', 1)[0].rstrip(' ,:;(') if ' ' in cut[most // 2 :] else cut}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fits_a_query(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) for item in value)
    return isinstance(value, str | int | float)
