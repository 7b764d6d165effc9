"""The prices of now, or of any day, as an immutable columnar value; and the only way to a ranking."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from hashlib import blake2b
from math import floor, log2
from threading import RLock
from typing import Final, Protocol

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.catalogue import Catalogue
from service.database import Database, again_and_again
from service.estimation.answer import Estimate, Infeasible, Method
from service.estimation.estimate import explain_difference
from service.estimation.hardware import Gpu, Interconnect, Machine
from service.estimation.scaling import own_interconnect
from service.estimation.workload import Workload
from service.ranking.describe import offer_title, rig_title
from service.ranking.offers import Estimates, Offers, PricedOffer
from service.ranking.rank import ExclusionExample, MarketState, Option, Ranking, find, rank, rank_with_sketch
from service.ranking.request import RankingRequest
from service.rates import Rates, shipped_rates
from service.store import CurrentPrice, Run, current_prices, exchange_rates, live_providers
from service.store.saving import CHANNEL

log = structlog.get_logger()

FRESH_FOR = timedelta(hours=24)  # a price younger than this is never called stale
AGING = timedelta(minutes=10)  # how often a market is loaded again although nothing changed, because prices age
SETTLING = timedelta(seconds=1)  # several runs that end together are one change
RECONNECTING = timedelta(seconds=5)
MOST_HOST_GB = 512.0  # of RAM per GPU; no plan asks for more
REMEMBERED_DAYS = 8  # markets of the past, each about 50 MB with 60,000 prices
REMEMBERED_MACHINES = 20_000  # of one workload; rigs are described freely
REMEMBERED_WORKLOADS = 16  # each about 5 MB with 2,000 machines


class ProviderFacts(Protocol):
    """What the market has to know of a provider; its class says it."""

    @property
    def name(self) -> str: ...

    @property
    def interval(self) -> timedelta: ...


class Estimator(Protocol):
    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method
    ) -> Sequence[Estimate | Infeasible]: ...


# The prices ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Market:
    """Every price current at one moment. `version` changes when any of them, or its age, does."""

    at: datetime
    version: str
    offers: Offers
    state: MarketState
    rates: Rates = field(default_factory=shipped_rates)

    def shown_in(self, currency: str) -> tuple[float, date]:
        """What a dollar is worth in it at this moment, and of which day that rate is. Raises UnknownCurrency."""
        rate = self.rates.dated_rate(currency, self.at)
        return float(1 / rate.usd_per_unit), rate.date

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The distinct machines that are rented out."""
        return self.offers.machine.values


async def load_market(
    connection: AsyncConnection,
    catalogue: Catalogue,
    at: datetime,
    providers: Mapping[str, ProviderFacts] | None = None,
) -> Market:
    """The market as it was at this moment; empty before the first price."""
    prices = await current_prices(connection, at)
    live = await live_providers(connection, at)
    rates = shipped_rates().with_published(await exchange_rates(connection, at))
    return await asyncio.to_thread(market_of, visible(prices, live), catalogue, at, providers or {}, rates)


def visible(prices: Sequence[CurrentPrice], live: set[str]) -> list[CurrentPrice]:
    """Live prices hide a catalogue's of that provider, both hide a history's, all three what is bundled: as a whole."""
    listed = {price.provider for price in prices if price.source == "catalogue"}
    told = {price.provider for price in prices if price.source == "history"}
    hides = {"live": set[str](), "catalogue": live, "history": live | listed, "bundled": live | listed | told}
    return [price for price in prices if price.provider not in hides[price.source]]


def market_of(
    prices: Iterable[CurrentPrice],
    catalogue: Catalogue,
    at: datetime,
    providers: Mapping[str, ProviderFacts],
    rates: Rates | None = None,  # None: those that ship
) -> Market:
    """These prices as a market: in dollars at the newest rate not after `at`, with titles and ages."""
    rates = rates or shipped_rates()
    offers = Offers.of(_priced(prices, catalogue, at, providers, rates))
    version = _version(offers)
    return Market(at=at, version=version, offers=offers, state=_state(version, offers), rates=rates)


def _priced(
    prices: Iterable[CurrentPrice],
    catalogue: Catalogue,
    at: datetime,
    providers: Mapping[str, ProviderFacts],
    rates: Rates,
) -> Iterator[PricedOffer]:
    @cache
    def usd_per(currency: str) -> Decimal:
        return rates.usd_per_unit(currency, at)

    @cache  # one object for each kind of machine, however many rent it out
    def machine(gpu: str, count: int, interconnect: str | None, host_memory_gb: float | None) -> Machine:
        known = catalogue.gpus[gpu]
        return Machine(
            gpu=known,
            gpu_count=count,
            gpus_per_node=max(count, 8),
            interconnect=fitted_interconnect(known, count, interconnect),
            host_memory_gb=host_memory_gb,
        )

    unknown: Counter[str] = Counter()
    for price in prices:
        if price.gpu in catalogue.gpus:
            memory_gb = stepped(price.host_memory_gb, price.gpu_count)
            kind = machine(price.gpu, price.gpu_count, price.interconnect, memory_gb)
            yield _priced_offer(price, kind, float(price.price_per_hour * usd_per(price.currency)), at, providers)
        else:  # stored by a version of the software that knew the GPU by another name
            unknown[price.gpu] += 1
    if unknown:
        log.warning("prices left out: the catalogue does not know their GPU", gpus=dict(unknown))


def fitted_interconnect(gpu: Gpu, count: int, published: str | None) -> Interconnect | None:
    """How the GPUs of an offer talk, where that is said and is not what their card has; None: as the card has it."""
    own = own_interconnect(Machine(gpu=gpu, gpu_count=count))
    if published == "pcie" and own == "nvlink":
        return "pcie_p2p"
    bridged = published == "nvlink" and own == "pcie_p2p" and gpu.nvlink_gb_s > 0
    return "nvlink" if bridged and count == 2 else None  # a bridge joins a pair of cards


def stepped(host_memory_gb: float | None, gpu_count: int) -> float | None:
    """RAM in steps of powers of two per GPU, rounded down: else every machine of a marketplace is a kind of its own."""
    if host_memory_gb is None:
        return None
    per_gpu = host_memory_gb / gpu_count
    return gpu_count * min(2.0 ** floor(log2(per_gpu)), MOST_HOST_GB) if per_gpu >= 1 else None


def _priced_offer(
    price: CurrentPrice, machine: Machine, usd_per_hour: float, at: datetime, providers: Mapping[str, ProviderFacts]
) -> PricedOffer:
    seen, name = price.last_seen, provider_name(price.provider, providers)
    return PricedOffer(
        id=price.offer_id,
        title=offer_title(machine, name, price.seller, price.tier, price.pricing, price.term_months),
        machine=machine,
        provider=price.provider,
        seller=price.seller,
        collector=price.collector,
        instance_type=price.instance_type,
        tier=price.tier,
        region=price.region,
        country=price.country,
        pricing=price.pricing,
        term_months=price.term_months,
        price_per_hour=price.price_per_hour,
        currency=price.currency,
        usd_per_hour=usd_per_hour,
        available=price.available,
        observed_at=seen,
        first_seen=price.first_seen,
        source=price.source,
        source_url=price.source_url,
        stale=price.source != "bundled" and at - seen > _fresh_for(providers.get(price.collector)),
        count_is_derived=price.count_is_derived,
        upfront=price.upfront,
        vcpus=price.vcpus,
        host_memory_gb=price.host_memory_gb,
        disk_gb=price.disk_gb,
        interconnect=price.interconnect,
        network_gbit_s=price.network_gbit_s,
        attribution=price.attribution,
    )


def provider_name(slug: str, providers: Mapping[str, ProviderFacts]) -> str:
    """As people write it: a provider's module says so; of those that are only listed by others, the table below."""
    return providers[slug].name if slug in providers else WRITTEN.get(slug, slug.capitalize())


# As the lists of their prices write them; who is missing is written as the slug, with a capital letter.
WRITTEN: Final = {
    "coreweave": "CoreWeave",
    "digitalocean": "DigitalOcean",
    "e2e": "E2E Networks",
    "fluidstack": "FluidStack",
    "gcp": "Google Cloud",
    "gmicloud": "GMI Cloud",
    "gpuai": "GPU.ai",
    "hotaisle": "Hot Aisle",
    "ionet": "io.net",
    "jarvislabs": "JarvisLabs",
    "latitude": "Latitude.sh",
    "massedcompute": "Massed Compute",
    "openrelay": "OpenRelay",
    "ovh": "OVHcloud",
    "primeintellect": "Prime Intellect",
    "sfcompute": "SF Compute",
    "tensordock": "TensorDock",
    "thundercompute": "Thunder Compute",
    "together": "Together AI",
    "upcloud": "UpCloud",
    "voltagepark": "Voltage Park",
}


def _fresh_for(collector: ProviderFacts | None) -> timedelta:
    """How long a price is fresh: two intervals of its collector, and a day at least."""
    return max(2 * collector.interval, FRESH_FOR) if collector else FRESH_FOR


def _state(version: str, offers: Offers) -> MarketState:
    seen = offers.observed_at
    return MarketState(
        version=version,
        offers=len(offers),
        oldest_price_at=datetime.fromtimestamp(seen.min(), UTC) if len(seen) else None,
        newest_price_at=datetime.fromtimestamp(seen.max(), UTC) if len(seen) else None,
        sources=dict(Counter(row.source for row in offers.rows)),
    )


def _version(offers: Offers) -> str:
    """A short word for all that a reader can see change."""
    digest = blake2b("".join(row.id for row in offers.rows).encode(), digest_size=8)
    stock = [(row.available, row.stale) for row in offers.rows]
    for column in (offers.usd_per_hour, offers.observed_at):
        digest.update(column.tobytes())
    digest.update(repr(stock).encode())
    return digest.hexdigest()


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
        self._empty = market_of([], catalogue, clock(), providers)
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


# The ranking ---------------------------------------------------------------------------------------------------------


class RememberingEstimator:
    """An estimator that answers a question it was asked before from memory, for the workloads of late.

    Threads may share it: one estimates, the others wait for the answer.
    """

    def __init__(self, estimator: Estimator, workloads: int = REMEMBERED_WORKLOADS) -> None:
        self._estimator = estimator
        self._workloads = workloads
        self._answers: OrderedDict[tuple[Workload, Method], _Answers] = OrderedDict()
        self._lock = RLock()

    def estimate(self, workload: Workload, machine: Machine, method: Method = "model") -> Estimate | Infeasible:
        return self.estimate_many(workload, [machine], method)[0]

    def estimate_many(
        self, workload: Workload, machines: Sequence[Machine], method: Method = "model"
    ) -> list[Estimate | Infeasible]:
        with self._lock:
            known = self._of(workload, method).by_machine
            if new := [machine for machine in dict.fromkeys(machines) if machine not in known]:
                known.update(zip(new, self._estimator.estimate_many(workload, new, method), strict=True))
            answers = [known[machine] for machine in machines]
            if len(known) > REMEMBERED_MACHINES:
                known.clear()
            return answers

    def of_machines(self, workload: Workload, method: Method, machines: tuple[Machine, ...]) -> Estimates:
        """The estimates of a market's machines as columns; the same object for the same market."""
        with self._lock:
            answers = self._of(workload, method)
            if answers.machines is not machines:
                answers.columns = Estimates.of(self.estimate_many(workload, machines, method))
                answers.machines = machines
            return answers.columns

    def _of(self, workload: Workload, method: Method) -> _Answers:
        answers = self._answers.setdefault((workload, method), _Answers())
        self._answers.move_to_end((workload, method))
        while len(self._answers) > self._workloads:
            self._answers.popitem(last=False)
        return answers


@dataclass(slots=True)
class _Answers:
    """What is remembered of one workload: every machine ever asked for, and the columns of the last market."""

    by_machine: dict[Machine, Estimate | Infeasible] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    columns: Estimates = field(default_factory=lambda: Estimates.of([]))


def current_ranking(market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime) -> Ranking:
    """Every way to run the workload at the prices of this market."""
    return rank(
        request,
        market.offers,
        estimator.of_machines(request.workload, request.method, market.machines),
        _of_rigs(request, estimator),
        now=request.as_of or now,
        market=market.state,
        notes=tuple(_differences(request, estimator)),
    )


def sketched_ranking(
    market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime, most: int
) -> tuple[Ranking, tuple[Option, ...]]:
    """The same, and at most about so many of all options for a picture."""
    return rank_with_sketch(
        request,
        market.offers,
        estimator.of_machines(request.workload, request.method, market.machines),
        _of_rigs(request, estimator),
        now=request.as_of or now,
        market=market.state,
        notes=tuple(_differences(request, estimator)),
        most=most,
    )


def find_option(
    market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime, option_id: str
) -> Option | ExclusionExample | None:
    """One way by its id, explained; with rank 0 where this ranking leaves it out, an example where it cannot run."""
    estimates = estimator.of_machines(request.workload, request.method, market.machines)
    at = request.as_of or now
    return find(option_id, request, market.offers, estimates, _of_rigs(request, estimator), now=at)


def _of_rigs(request: RankingRequest, estimator: RememberingEstimator) -> Estimates:
    machines = [rig.machine for rig in request.rigs]
    return Estimates.of(estimator.estimate_many(request.workload, machines, request.method))


def _differences(request: RankingRequest, estimator: RememberingEstimator) -> Iterator[str]:
    """Why the two methods disagree on a rig, where both have hours for it."""
    if request.workload.model is None or request.workload.reference is None:
        return
    for rig in request.rigs:
        model = estimator.estimate(request.workload, rig.machine, "model")
        ratio = estimator.estimate(request.workload, rig.machine, "ratio")
        if isinstance(ratio, Infeasible):
            continue
        if isinstance(model, Estimate):
            yield f"{rig_title(rig)}: {explain_difference(model, ratio)}"
        else:
            yield f"{rig_title(rig)}: a ratio checks no memory; the model says that it cannot run ({model.detail})"
