"""Makes one report: asks the market, looks up what the last report showed, composes, and writes all its forms."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.catalogue import Catalogue
from service.database import Database
from service.estimation.workload import Workload
from service.market import Market, Markets, RememberingEstimator, current_ranking, find_option, load_market
from service.parameters import Vocabulary, saved_workload
from service.presentation.answers import PriceSource, provider_answer
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest
from service.reports.alerts import Seen
from service.reports.chart import as_png
from service.reports.compose import compose
from service.reports.given import Fired, For, Given, GpuPrices, SourceState, first_rented
from service.reports.lines import UNSUBSCRIBE
from service.reports.mail_page import as_html
from service.reports.markdown import as_markdown
from service.reports.medians import gpu_prices, medians_of
from service.reports.plain import as_text
from service.reports.report import Reason, Report
from service.reports.shown import Shown
from service.reports.subscription import Subscription, request_of
from service.store import StoredReport, StoredSubscription

LOOKED_AT: Final = 200  # options whose prices may have moved
KEPT: Final = 50  # options of the ranking that a report keeps
REMEMBERED: Final = 256  # rankings of one market
HISTORY: Final = tuple(timedelta(days=days) for days in range(30, 0, -3))  # at which medians are drawn
A_MOMENT: Final = timedelta(seconds=5)  # for which the answers of the database are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A report in all its forms."""

    report: Report
    slot: str
    ranking: Ranking
    html: str
    text: str
    markdown: str
    chart: bytes | None

    def stored(self) -> StoredReport:
        report = self.report
        assert report.subscription_id is not None, "a preview is not kept"
        return StoredReport(
            id=report.id,
            subscription_id=report.subscription_id,
            subscription=report.subscription,
            slot=self.slot,
            reason=report.reason,
            made_at=report.made_at,
            language=report.language,
            subject=report.subject,
            value=self.value(),
            ranking=as_json(replace(self.ranking, options=self.ranking.options[:KEPT])),
            html=self.html,
            text=self.text,
            markdown=self.markdown,
            chart=self.chart,
        )

    def value(self) -> dict[str, Any]:
        return as_json(self.report)


def as_json(value: object) -> dict[str, Any]:
    """As the API writes it."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return plain


def id_of(subscription_id: str, slot: str) -> str:
    """The same for the same report, whoever makes it and however often."""
    return blake2b(f"{subscription_id} {slot}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Everything that reports are made from."""

    database: Database
    catalogue: Catalogue
    markets: Markets
    estimator: RememberingEstimator
    sources: Mapping[str, PriceSource]
    clock: Callable[[], datetime]
    public_url: str
    _memory: Memory = field(default_factory=lambda: Memory())

    @property
    def market(self) -> Market:
        return self.markets.current

    @property
    def is_ready(self) -> bool:
        return self.markets.is_loaded

    async def vocabulary(self, session: AsyncSession) -> Vocabulary:
        """What a subscription may name, asked of the database just now."""
        rows = await store.saved_workloads(session)
        saved: dict[str, Workload] = {row.slug: saved_workload(row.slug, row.body, self.catalogue) for row in rows}
        return Vocabulary.of(self.catalogue, self.market.offers, self.sources, saved)

    async def request_of(self, session: AsyncSession, ranking: Mapping[str, Any], now: datetime) -> RankingRequest:
        """The question of a subscription. Raises InvalidParameters.

        A thousand that are due together ask the database once: what it knew a moment ago will do.
        """
        if self._memory.is_old(now, self.market):
            self._memory.vocabulary = await self.vocabulary(session)
            self._memory.sources = await self._source_states(session, now)
            self._memory.asked_at, self._memory.asked_of = now, self.market
        assert self._memory.vocabulary is not None
        return request_of(ranking, self._memory.vocabulary, now)

    async def report_for(
        self,
        session: AsyncSession,
        row: StoredSubscription,
        reason: Reason,
        now: datetime,
        *,
        slot: str,
        fired: Fired | None = None,
    ) -> Made:
        """The report of a subscription. Raises InvalidParameters where its question has lost its sense."""
        before = await self.last_shown(session, row)
        subscription = Subscription.of(row)
        return await self.made(session, subscription, row.id, reason, now, slot=slot, before=before, fired=fired)

    async def made(
        self,
        session: AsyncSession,
        subscription: Subscription,
        subscription_id: str | None,
        reason: Reason,
        now: datetime,
        *,
        slot: str,
        before: Shown | None = None,
        fired: Fired | None = None,
    ) -> Made:
        request = await self.request_of(session, subscription.ranking, now)
        ranking, rented = await self._answered(request, now)
        given = Given(
            reader=self._reader(subscription, subscription_id, reason, slot, request.sort, fired),
            ranking=ranking,
            rented=rented,
            before=before,
            prices=await self.gpu_prices(now),
            sources=self._memory.sources,
            offered=self._memory.titles(self.market),
            now=now,
        )
        return await asyncio.to_thread(_written, given, slot)

    def _reader(
        self,
        subscription: Subscription,
        subscription_id: str | None,
        reason: Reason,
        slot: str,
        sort: str,
        fired: Fired | None,
    ) -> For:
        words = subscription.words
        schedule = subscription.schedule
        return For(
            report_id=id_of(subscription_id or "preview", slot),
            subscription_id=subscription_id,
            name=subscription.name,
            words=words,
            zone=subscription.zone,
            schedule=schedule.in_words(words) if schedule else words.say("only_alerts"),
            threshold_percent=subscription.threshold_percent,
            ranking=subscription.ranking,
            sort=sort,
            public_url=self.public_url,
            reason=reason,
            fired=fired,
        )

    async def seen(self, session: AsyncSession, subscription: Subscription, now: datetime) -> Seen:
        """What the alerts of a subscription look at."""
        request = await self.request_of(session, subscription.ranking, now)
        relevant = [state for state in self._memory.sources if not request.providers or state.slug in request.providers]
        return Seen(ranking=await self.ranking(request, now), sources=relevant, now=now)

    async def ranking(self, request: RankingRequest, now: datetime) -> Ranking:
        """The ranking of now."""
        return (await self._answered(request, now))[0]

    async def _answered(self, request: RankingRequest, now: datetime) -> Answered:
        """Many subscriptions ask the same question: it is answered once per market."""
        return await self._memory.answered(
            self.market, replace(request, as_of=None, explain=False, limit=LOOKED_AT, offset=0), self.estimator, now
        )

    async def _source_states(self, session: AsyncSession, now: datetime) -> tuple[SourceState, ...]:
        """How the price sources do."""
        states = await store.collectors(session)
        answers = [provider_answer(source, states.get(slug), now) for slug, source in self.sources.items()]
        return tuple(
            SourceState(
                slug=answer.slug,
                name=answer.name,
                state=answer.state,
                detail=answer.detail,
                last_success=answer.last_success,
            )
            for answer in answers
        )

    async def gpu_prices(self, now: datetime) -> tuple[GpuPrices, ...]:
        """What GPUs rent for now, and on days of the last month."""
        if self._memory.prices_of != (self.market.version, now.date()):
            history = [await self._medians_at(_evening(now - ago)) for ago in HISTORY]
            self._memory.prices = gpu_prices(self.market, history)
            self._memory.prices_of = (self.market.version, now.date())
        return self._memory.prices

    async def _medians_at(self, at: datetime) -> tuple[datetime, Mapping[str, float]]:
        known = self._memory.medians
        if at not in known:
            async with self.database.engine.connect() as connection:
                market = await load_market(connection, self.catalogue, at)
            known[at] = medians_of(market)
            while len(known) > 4 * len(HISTORY):
                known.popitem(last=False)
        return at, known[at]

    async def shown_a_week_ago(self, session: AsyncSession, subscription: Subscription, now: datetime) -> Shown | None:
        """What a report would have shown then. None: there were no prices yet."""
        then = now - timedelta(days=7)
        async with self.database.engine.connect() as connection:
            market = await load_market(connection, self.catalogue, then, self.sources)
        if not len(market.offers):
            return None
        request = await self.request_of(session, subscription.ranking, now)
        asked = replace(request, as_of=then, explain=False, limit=KEPT, offset=0)
        ranking = await asyncio.to_thread(current_ranking, market, asked, self.estimator, now)
        return Shown.of_ranking(ranking, then, medians_of(market))

    async def last_shown(self, session: AsyncSession, row: StoredSubscription) -> Shown | None:
        if row.last_report_id is None:
            return None
        last = await session.get(StoredReport, row.last_report_id)
        return Shown.of_report(last) if last else None


Answered = tuple[Ranking, Option | None]  # and its first rented option, with the bill


def _answer(market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime) -> Answered:
    ranking = current_ranking(market, request, estimator, now)
    rented = first_rented(ranking)
    found = find_option(market, request, estimator, now, rented.id) if rented else None
    return ranking, found if isinstance(found, Option) else None


@dataclass(slots=True)
class Memory:
    """What several reports of one moment share."""

    market: Market | None = None
    rankings: OrderedDict[RankingRequest, Answered] = field(default_factory=OrderedDict)
    asked_at: datetime | None = None  # of the database
    asked_of: Market | None = None
    vocabulary: Vocabulary | None = None
    sources: tuple[SourceState, ...] = ()
    prices_of: tuple[str, object] | None = None
    prices: tuple[GpuPrices, ...] = ()
    medians: OrderedDict[datetime, Mapping[str, float]] = field(default_factory=OrderedDict)
    titles_of: Market | None = None
    offered: frozenset[str] = frozenset()
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def titles(self, market: Market) -> frozenset[str]:
        """Of everything that is offered."""
        if self.titles_of is not market:
            self.titles_of, self.offered = market, frozenset(market.offers.title.values)
        return self.offered

    def is_old(self, now: datetime, market: Market) -> bool:
        return self.asked_of is not market or self.asked_at is None or abs(now - self.asked_at) >= A_MOMENT

    async def answered(
        self, market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime
    ) -> Answered:
        async with self.counting:
            if self.market is not market:
                self.market = market
                self.rankings.clear()
            if request not in self.rankings:
                self.rankings[request] = await asyncio.to_thread(_answer, market, request, estimator, now)
                while len(self.rankings) > REMEMBERED:
                    self.rankings.popitem(last=False)
            return self.rankings[request]


def _written(given: Given, slot: str) -> Made:
    report, reader = compose(given), given.reader
    chart = as_png(report) if report.tells_all else None
    unsubscribe = UNSUBSCRIBE if reader.subscription_id else ""
    return Made(
        report=report,
        slot=slot,
        ranking=given.ranking,
        html=as_html(report, reader.sort, with_chart=chart is not None),
        text=as_text(report, reader.sort, unsubscribe),
        markdown=as_markdown(report, reader.sort),
        chart=chart,
    )


def _evening(at: datetime) -> datetime:
    """The end of that day, so that many reports ask for the same moment."""
    return at.astimezone(UTC).replace(hour=23, minute=59, second=59, microsecond=0)
