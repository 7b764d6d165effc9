"""How rents moved, who is cheapest now, and the data itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from service import store
from service.collect.rates import rates_at
from service.parameters import FieldError, InvalidParameters
from service.presentation import words
from service.presentation.charts import history, scale
from service.presentation.charts.drawing import Drawing
from service.presentation.charts.history import Day
from service.presentation.language import Language
from service.ranking.option import CloudOffer
from service.ranking.request import cursor_of
from service.rates import Rates
from service.store import DayOfGpu
from service.store.changes import PriceChange, price_changes
from service.store.history import UnreadDay, days_unread
from service.web.api.prices import asked_offers
from service.web.caching import PAST_PRICES
from service.web.form import address
from service.web.frame import Twin
from service.web.openapi import CSV, OFFER_FILTERS, PARQUET
from service.web.services import AnyRequest, Services
from service.web.site.drawn import drawn, remembered
from service.web.site.visit import Visit

RANGES: Final = {"7d": 7, "30d": 30, "90d": 90, "1y": 366, "all": None}
RANGE_UNLESS_SAID: Final = "30d"
MOST_CHARTS: Final = 4
MOST_DAYS: Final = 400  # that are looked at; of a longer past, days evenly apart
ON_A_PAGE: Final = 50
WEEK: Final = timedelta(days=7)
LEAST_MOVE: Final = 1.0  # percent: a smaller one is no move
MOVERS: Final = 10


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


RANGE_WORDS: Final = {
    "7d": _("7 days"),
    "30d": _("30 days"),
    "90d": _("90 days"),
    "1y": _("1 year"),
    "all": _("all"),
}


@get("/prices", include_in_schema=False, opt=PAST_PRICES)
async def prices_page(request: AnyRequest, services: NamedDependency[Services]) -> Template:
    visit = Visit.of(request, services)
    chosen = _range(visit)
    found, paging = await asked_offers(services, visit.parameters)
    filters = {name: values for name in OFFER_FILTERS if (values := visit.all_given(name))}
    narrowed = tuple((name, tuple(values)) for name, values in filters.items() if name not in ("limit", "cursor"))
    about = (services.markets.version_with_past, visit.now.date(), narrowed)
    gpus = _gpus(visit, found)
    past = await remembered(services, ("past", about, chosen), lambda: _past(visit, chosen, gpus))
    view = PricesView(
        visit=visit,
        range=chosen,
        offers=await drawn(services, ("offers", about), lambda: _cheapest_first(found)),
        limit=paging.limit if "limit" in filters else ON_A_PAGE,
        offset=paging.offset,
        gpus=gpus,
        days=past.days,
        unread=past.unread,
        movers=await remembered(services, ("movers", about), lambda: _movers(visit)),
    )
    key = ("prices", about, chosen, visit.said)
    view = replace(view, charts=await drawn(services, key, lambda: _charts(view)))
    twins = [
        Twin("JSON", address("/api/v1/offers", filters)),
        Twin("CSV", address("/api/v1/offers", {**filters, "format": ["csv"]}), CSV),
        Twin("Parquet", address("/api/v1/offers", {**filters, "format": ["parquet"]}), PARQUET),
    ]
    return visit.page("prices.html", view, name="prices", twins=twins)


def _cheapest_first(found: Sequence[CloudOffer]) -> list[CloudOffer]:
    """By the price of one GPU; what is known to be out of stock comes last."""
    return sorted(found, key=lambda offer: (offer.available is False, per_gpu(offer), offer.provider, offer.id))


def per_gpu(offer: CloudOffer) -> float:
    return offer.usd_per_hour / offer.gpu_count


# The past ------------------------------------------------------------------------------------------------------------


def _range(visit: Visit) -> str:
    chosen = visit.given("range") or RANGE_UNLESS_SAID
    if chosen not in RANGES:
        raise InvalidParameters([FieldError("range", f"must be one of {', '.join(RANGES)}, not {chosen[:60]!r}")])
    return chosen


def _gpus(visit: Visit, found: Sequence[CloudOffer]) -> list[str]:
    """Those that are asked for, else those that are offered most, as many as are drawn."""
    asked = [visit.services.catalogue.gpu(name).name for name in visit.all_given("gpu")]
    offered = [name for name, _count in Counter(offer.gpu for offer in found).most_common(MOST_CHARTS)]
    return list(dict.fromkeys(asked or offered))[:MOST_CHARTS]


@dataclass(frozen=True, slots=True)
class Past:
    """Each GPU's days, oldest first, and on which of them which of its sources could not be read."""

    days: Mapping[str, Sequence[DayOfGpu]] = field(default_factory=dict)
    unread: Mapping[str, Sequence[UnreadDay]] = field(default_factory=dict)


async def _past(visit: Visit, chosen: str, gpus: Sequence[str]) -> Past:
    if not gpus:
        return Past()
    async with visit.services.session() as session:
        moments = _moments(visit.now, RANGES[chosen] or await _days_known(visit, session))
        since = min(moments.values())
        rates = await rates_at(session, visit.now, since)
        usd = _usd(moments, rates)
        kept = store.Chosen(
            gpus=gpus,
            providers=visit.all_given("provider"),
            regions=visit.all_given("region"),
            pricing=visit.all_given("pricing"),
        )
        found = await store.prices_by_day(session, moments, usd, kept)
        unread = await days_unread(session, since.replace(hour=0, minute=0, second=0), visit.now, kept)
    return Past(
        days={gpu: [day for day in reversed(found) if day.gpu == gpu] for gpu in gpus},
        unread={gpu: [each for each in unread if each.gpu == gpu] for gpu in gpus},
    )


def _moments(now: datetime, back: int) -> dict[date, datetime]:
    """When each day is looked at: its last second, today now."""
    step = -(-back // MOST_DAYS)
    days = [now.date() - timedelta(days=ago) for ago in range(0, back, step)]
    return {day: min(datetime.combine(day, time(23, 59, 59), tzinfo=UTC), now) for day in days}


async def _days_known(visit: Visit, session: Any) -> int:
    first = await store.first_price_at(session)
    return max((visit.now - first).days + 2, 7) if first else 7


def _usd(moments: Mapping[date, datetime], rates: Rates) -> dict[tuple[date, str], float]:
    return {
        (day, currency): float(rates.usd_per_unit(currency, at))
        for day, at in moments.items()
        for currency in {"USD", *rates.dated}
    }


# What moved ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A price that changed this week, in dollars per GPU and hour."""

    gpu: str
    provider: str
    pricing: str
    instance_type: str
    regions: int  # in how many the very same happened
    before_usd: float
    now_usd: float
    at: datetime

    @property
    def change(self) -> float:
        return self.now_usd / self.before_usd - 1


async def _movers(visit: Visit) -> list[Mover]:
    """The biggest first; the same change in many regions is one."""
    async with visit.services.session() as session:
        changes = await price_changes(session, visit.now - WEEK, visit.now, least_percent=LEAST_MOVE, limit=5000)
        rates = await rates_at(session, visit.now)
    same: defaultdict[tuple[Any, ...], list[PriceChange]] = defaultdict(list)
    for change in changes:
        same[change.gpu, change.provider, change.pricing, change.before, change.now].append(change)
    wanted = set(visit.all_given("gpu"))
    movers = [_mover(group, rates, visit.now) for group in same.values() if not wanted or group[0].gpu in wanted]
    return sorted(movers, key=lambda mover: (-abs(mover.change), mover.gpu, mover.provider))[:MOVERS]


def _mover(group: Sequence[PriceChange], rates: Rates, now: datetime) -> Mover:
    first = group[0]
    rate = float(rates.usd_per_unit(first.currency, now))
    return Mover(
        gpu=first.gpu,
        provider=first.provider,
        pricing=first.pricing,
        instance_type=first.instance_type,
        regions=len(group),
        before_usd=float(first.before) * rate,
        now_usd=float(first.now) * rate,
        at=first.at,
    )


# The view ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One GPU over the range."""

    gpu: str
    first: DayOfGpu
    last: DayOfGpu
    least: float
    most: float  # of the medians

    @property
    def change(self) -> float:
        return self.last.median / self.first.median - 1


@dataclass(frozen=True, kw_only=True)
class PricesView:
    visit: Visit
    range: str
    offers: Sequence[CloudOffer]  # all that pass the filters, the cheapest GPU first
    limit: int
    offset: int
    gpus: Sequence[str]
    days: Mapping[str, Sequence[DayOfGpu]]
    unread: Mapping[str, Sequence[UnreadDay]]
    movers: Sequence[Mover]
    charts: Mapping[str, Drawing] | None = None

    @property
    def said(self) -> Language:
        return self.visit.said

    @property
    def ranges(self) -> list[tuple[str, str, bool]]:
        """Words, link and whether it is this one."""
        return [
            (self.said.text(RANGE_WORDS[name]), self.visit.here(range=name, cursor=None), name == self.range)
            for name in RANGES
        ]

    @cached_property
    def summaries(self) -> list[Summary]:
        return [
            Summary(
                gpu=gpu,
                first=days[0],
                last=days[-1],
                least=min(day.minimum for day in days),
                most=max(day.median for day in days),
            )
            for gpu, days in self.days.items()
            if days
        ]

    def summary_words(self, summary: Summary) -> str:
        form = _("Median {now} an hour, from {least}; {change} since {day}, over {offers}.")
        return self.said.text(
            form,
            now=self.said.usd_rate(summary.last.median),
            least=self.said.usd_rate(summary.last.minimum),
            change=self.said.change(summary.change),
            day=self.said.date(summary.first.day),
            offers=self.said.count("{n} offer", "{n} offers", summary.last.offers),
        )

    def unread_words(self, gpu: str) -> str:
        """Which sources could not be read, and on how many days; empty where all could."""
        days = Counter(each.collector for each in self.unread[gpu])
        if not days:
            return ""
        names = [
            self.said.text(
                _("{source} on {days}"),
                source=self.visit.provider_name(collector),
                days=self.said.count("{n} day", "{n} days", count),
            )
            for collector, count in days.most_common()
        ]
        return self.said.text(_("Hatched: not read: {sources}."), sources=self.said.listed(names))

    def unread_on(self, day: DayOfGpu) -> str:
        return _sources(self, (each for each in self.unread[day.gpu] if each.day == day.day))

    def history_href(self, gpu: str) -> str:
        back = RANGES[self.range] or MOST_DAYS
        since = self.visit.now.date() - timedelta(days=min(back, MOST_DAYS) - 1)
        filters = {name: values for name in ("provider", "region", "pricing") if (values := self.visit.all_given(name))}
        return address("/api/v1/prices", {"gpu": [gpu], **filters, "since": [str(since)]})

    def gpu_href(self, gpu: str) -> str:
        return self.visit.link(f"/gpus/{gpu}", gpu=None)

    def option_href(self, offer_id: str) -> str:
        return self.visit.link("/option", option=offer_id)

    def pricing(self, name: str) -> str:
        return self.said.text(words.PRICING[name]) if name in words.PRICING else name

    # The table -------------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> Sequence[CloudOffer]:
        return self.offers[self.offset : self.offset + self.limit]

    @property
    def first(self) -> int:
        return self.offset + 1

    @property
    def last(self) -> int:
        return self.offset + len(self.shown)

    @property
    def previous_href(self) -> str | None:
        before = max(0, self.offset - self.limit)
        return self.visit.here(cursor=cursor_of(before) if before else None) if self.offset else None

    @property
    def next_href(self) -> str | None:
        return self.visit.here(cursor=cursor_of(self.last)) if self.last < len(self.offers) else None

    # The form --------------------------------------------------------------------------------------------------------

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What the form of filters sends along: the rest of the question."""
        own = ("gpu", "provider", "pricing", "cloud_country", "range", "cursor")
        return [(name, value) for name, values in self.visit.question.items() if name not in own for value in values]

    @property
    def gpu_names(self) -> list[str]:
        return sorted({gpu for gpu, _count in self.visit.services.market.offers.kind.values})

    @property
    def providers(self) -> list[tuple[str, str]]:
        slugs = self.visit.services.market.offers.provider.values
        return sorted(((slug, self.visit.provider_name(slug)) for slug in slugs), key=lambda pair: pair[1].lower())

    @property
    def pricings(self) -> list[tuple[str, str]]:
        return [(name, self.said.text(text)) for name, text in words.PRICING.items()]


# Its charts ----------------------------------------------------------------------------------------------------------


def _charts(view: PricesView) -> Mapping[str, Drawing]:
    """Small multiples: the same axes for all."""
    every = [day for days in view.days.values() for day in days]
    if not every:
        return {}
    said = view.said
    days = sorted({day.day for day in every})
    first, last = days[0], view.visit.now.date()
    frame = history.Frame(
        first=first,
        last=last,
        x_ticks=scale.days(first, last, said),
        y_ticks=scale.money(max(day.median for day in every) * 1.1, said, at_most=4),
        offers_title=said.text(_("offers")),
        step=min((after - before).days for before, after in pairwise(days)) if len(days) > 1 else 1,
    )
    return {gpu: _chart(view, days, frame) for gpu, days in view.days.items() if days}


def _chart(view: PricesView, days: Sequence[DayOfGpu], frame: history.Frame) -> Drawing:
    said = view.said
    found = [Day(day.day, day.minimum, day.median, day.offers, _day_words(day, view)) for day in days]
    last = days[-1]
    form = _("median {median}, from {least}")
    label = said.text(form, median=said.usd_rate(last.median), least=said.usd_rate(last.minimum))
    return history.by_day(found, frame, label, sorted({each.day for each in view.unread[last.gpu]}))


def _sources(view: PricesView, unread: Iterable[UnreadDay]) -> str:
    return ", ".join(view.visit.provider_name(each.collector) for each in unread)


def _day_words(day: DayOfGpu, view: PricesView) -> str:
    said = view.said
    form = _("{day}: median {median}, from {least}, {offers}")
    words = said.text(
        form,
        day=said.date(day.day),
        median=said.usd_rate(day.median),
        least=said.usd_rate(day.minimum),
        offers=said.count("{n} offer", "{n} offers", day.offers),
    )
    sources = view.unread_on(day)
    return f"{words}; {said.text(_('not read: {sources}'), sources=sources)}" if sources else words


HANDLERS: Final = [prices_page]
