"""The market of now, followed as prices change and age, and a few markets of the past."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import func, select

from service.catalogue import Catalogue
from service.database import Database, again_and_again
from service.market.pricing import Market, ProviderFacts, load_market, market_of
from service.rates import shipped_rates
from service.store import CHANNEL, CurrentPrices, Run

log = structlog.get_logger()

AGING = timedelta(minutes=10)  # how often a market is loaded again although nothing changed, because prices age
SETTLING = timedelta(seconds=1)  # several runs that end together are one change
RECONNECTING = timedelta(seconds=5)
REMEMBERED_DAYS = 8  # markets of the past, each about 20 MB with 60,000 prices


class Markets:
    """The market of now, loaded again when prices change, and a few markets of the past."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        providers: Mapping[str, ProviderFacts],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        settling: timedelta = SETTLING,
        reconnecting: timedelta = RECONNECTING,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._providers = providers
        self._clock = clock
        self._settling = settling
        self._reconnecting = reconnecting
        self._current: Market | None = None
        self._runs: tuple[int, ...] = ()  # how many runs the current market was loaded after, and the newest
        self._empty = market_of(CurrentPrices.none(), set(), catalogue, clock(), providers, shipped_rates())
        self._past: OrderedDict[datetime, Market] = OrderedDict()
        self._loading = asyncio.Lock()

    @property
    def current(self) -> Market:
        """The market of now; empty until it is first loaded."""
        return self._current or self._empty

    @property
    def version_with_past(self) -> str:
        """Changes with any run: a file of the past leaves the prices of now as they are."""
        return "-".join([self.current.version, *map(str, self._runs)])

    @property
    def is_loaded(self) -> bool:
        return self._current is not None

    async def refresh(self) -> Market:
        """Load the market of now again. Raises DatabaseUnavailable; the old one stays then."""
        async with self._loading:
            runs = await self._stored_runs()
            if runs != self._runs:
                self._past.clear()  # a file of the past, or a day's exchange rates, may have changed them too
            self._runs = runs
            market = await self._load(self._clock())
            if self._current is None or market.version != self._current.version:
                self._current = market
            return self._current

    async def at(self, moment: datetime | None) -> Market:
        """The market of this moment; None: of now."""
        if moment is None:
            return self._current or await self.refresh()
        if moment not in self._past:
            self._past[moment] = await self._load(moment)
        self._past.move_to_end(moment)
        while len(self._past) > REMEMBERED_DAYS:
            self._past.popitem(last=False)
        return self._past[moment]

    async def follow(self) -> None:
        """Keep the market current until cancelled: whenever the database says so, and as prices age."""
        pause = partial(asyncio.sleep, self._reconnecting.total_seconds())
        await again_and_again(self._follow_once, pause, "the market")

    async def _follow_once(self) -> None:
        """Listen on one connection for as long as it lives."""
        connection = await self._database.connect()
        changed = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: changed.set())
            await connection.add_listener(CHANNEL, lambda *_: changed.set())
            is_current = self._current is not None and self._runs == await self._stored_runs()
            while not connection.is_closed():
                if not is_current:
                    changed.clear()
                    await self.refresh()
                is_current = False  # any more, once the wait is over
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), AGING.total_seconds())
                    await asyncio.sleep(self._settling.total_seconds())
        finally:
            connection.terminate()  # says no farewell to a server that may be gone

    async def _stored_runs(self) -> tuple[int, ...]:
        async with self._database.engine.connect() as connection:
            return tuple((await connection.execute(select(func.count(), func.coalesce(func.max(Run.id), 0)))).one())

    async def _load(self, at: datetime) -> Market:
        async with self._database.engine.connect() as connection:
            return await load_market(connection, self._catalogue, at, self._providers)
