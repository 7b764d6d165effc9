"""What is stored becomes a market: in dollars, with titles and ages, as columns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import blake2b
from math import floor, log2
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from service.catalogue import Catalogue
from service.estimation.hardware import Gpu, Interconnect, Machine
from service.estimation.scaling import own_interconnect
from service.ranking.describe import offer_title
from service.ranking.offers import Bools, Coded, Offers
from service.ranking.option import MarketState
from service.rates import Rates, shipped_rates
from service.store import CurrentPrices, current_prices, exchange_rates, live_providers

Read = TypeVar("Read")

log = structlog.get_logger()

FRESH_FOR = timedelta(hours=24)  # a price younger than this is never called stale
MOST_HOST_GB = 512.0  # of RAM per GPU; no plan asks for more


class ProviderFacts(Protocol):
    """What the market has to know of a provider; its class says it."""

    @property
    def name(self) -> str: ...

    @property
    def interval(self) -> timedelta: ...


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
    return await asyncio.to_thread(market_of, prices, live, catalogue, at, providers or {}, rates)


def market_of(
    prices: CurrentPrices,
    live: set[str],  # providers whose own module was believed
    catalogue: Catalogue,
    at: datetime,
    providers: Mapping[str, ProviderFacts],
    rates: Rates,
) -> Market:
    """Of these prices those that count, as a market: in dollars at the newest rate not after `at`."""
    prices = prices.only(_visible(prices, live) & _known(prices, catalogue))
    offers = _offers(prices, catalogue, at, providers, rates)
    version = _version(offers)
    return Market(at=at, version=version, offers=offers, state=_state(version, offers), rates=rates)


# Which prices count --------------------------------------------------------------------------------------------------


def _visible(prices: CurrentPrices, live: set[str]) -> Bools:
    """Live prices hide a catalogue's of that provider, both hide a history's, all three what is bundled: as a whole."""
    told_by = set(zip(prices.source, prices.provider, strict=True))
    listed = {provider for source, provider in told_by if source == "catalogue"}
    told = {provider for source, provider in told_by if source == "history"}
    hides = {"live": set[str](), "catalogue": live, "history": live | listed, "bundled": live | listed | told}
    shown = {(source, provider) for source, provider in told_by if provider not in hides[source]}
    return _each(map(shown.__contains__, zip(prices.source, prices.provider, strict=True)), prices)


def _known(prices: CurrentPrices, catalogue: Catalogue) -> Bools:
    """Whose GPU the catalogue has; others were stored by a version of the software that had it by another name."""
    if unknown := set(prices.gpu) - catalogue.gpus.keys():
        log.warning("prices left out: the catalogue does not know their GPU", gpus=sorted(unknown))
    return _each((gpu not in unknown for gpu in prices.gpu), prices)


def _each(answers: Iterable[bool], prices: CurrentPrices) -> Bools:
    return np.fromiter(answers, np.bool_, len(prices))


# Columns -------------------------------------------------------------------------------------------------------------


def _offers(
    prices: CurrentPrices, catalogue: Catalogue, at: datetime, providers: Mapping[str, ProviderFacts], rates: Rates
) -> Offers:
    machine = _machines(prices, catalogue)
    currency = Coded.of(prices.currency)
    usd = np.array([float(rates.usd_per_unit(name, at)) for name in currency.values], np.float64)[currency.codes]
    told: dict[str, Coded[Any]] = {
        "id": Coded.distinct(prices.offer_id),
        "instance_type": Coded.distinct(prices.instance_type),
        "usd_per_hour": Coded.of_numbers(prices.price_per_hour * usd, float),
        "stale": _is_stale(prices, at, providers),
        "memory_gb": machine.mapped(lambda kind: kind.gpu.memory_gb),
        "currency": currency,
        "observed_at": Coded.of_numbers(prices.last_seen, _time),
        "first_seen": Coded.of_numbers(prices.first_seen, _time),
        "gpu_count": Coded.of_numbers(prices.gpu_count, int),
        "term_months": Coded.of_numbers(prices.term_months, partial(_unless_missing, int)),
        "available": Coded.of_numbers(prices.available, partial(_unless_missing, bool)),
        "count_is_derived": Coded.of_numbers(prices.count_is_derived, bool),
        "price_per_hour": Coded.of_numbers(prices.price_per_hour, float),
    }
    told |= {name: Coded.of(getattr(prices, name)) for name in ("collector", "provider", "gpu", "pricing", "source")}
    told |= {name: Coded.of(getattr(prices, name)).mapped(_text) for name in MAY_BE_MISSING}
    told |= {name: Coded.of_numbers(getattr(prices, name), partial(_unless_missing, float)) for name in MAY_NOT_BE_SAID}
    return Offers.of(_titles(told, providers), machine, told, catalogue.billing)


MAY_BE_MISSING: Final = ("seller", "tier", "region", "country", "source_url", "interconnect", "attribution")
MAY_NOT_BE_SAID: Final = ("upfront", "vcpus", "host_memory_gb", "disk_gb", "network_gbit_s")


def _text(text: str) -> str | None:
    return text or None


def _unless_missing(read: Callable[[float], Read], number: float) -> Read | None:
    return None if number != number else read(number)  # NaN is what no number equals, itself included


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _machines(prices: CurrentPrices, catalogue: Catalogue) -> Coded[Machine]:
    """One value for each kind of machine, however many rent it out."""
    counts = prices.gpu_count.astype(np.int64).tolist()
    memory = np.nan_to_num(prices.host_memory_gb).tolist()  # 0: not said
    sold = Coded.of(list(zip(prices.gpu, counts, prices.interconnect, memory, strict=True)))

    def kind(machine: tuple[str, int, str, float]) -> tuple[str, int, Interconnect | None, float | None]:
        gpu, count, published, memory_gb = machine
        return gpu, count, fitted_interconnect(catalogue.gpus[gpu], count, published), stepped(memory_gb or None, count)

    kinds = sold.mapped(kind)
    machines = [
        Machine(
            gpu=catalogue.gpus[gpu],
            gpu_count=count,
            gpus_per_node=max(count, 8),
            interconnect=interconnect,
            host_memory_gb=memory_gb,
        )
        for gpu, count, interconnect, memory_gb in kinds.values
    ]
    return Coded(tuple(machines), kinds.codes)


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


def _titles(told: Mapping[str, Coded[Any]], providers: Mapping[str, ProviderFacts]) -> Coded[str]:
    """8x H100 SXM at RunPod (secure), spot; composed once for all offers that share one."""
    parts = (told[name].column for name in ("gpu", "gpu_count", "provider", "seller", "tier", "pricing", "term_months"))
    return Coded.of(list(zip(*parts, strict=True))).mapped(
        lambda said: offer_title(said[0], said[1], provider_name(said[2], providers), *said[3:])
    )


def _is_stale(prices: CurrentPrices, at: datetime, providers: Mapping[str, ProviderFacts]) -> Coded[bool]:
    """Seen longer ago than twice the interval of its collector and than a day; what is bundled has a date instead."""
    seconds = {slug: fresh_for(providers.get(slug)).total_seconds() for slug in set(prices.collector)}
    fresh = np.array([seconds[slug] for slug in prices.collector], np.float64)
    ages = np.array([source != "bundled" for source in prices.source], np.bool_)
    return Coded((False, True), (ages & (at.timestamp() - prices.last_seen > fresh)).astype(np.int64))


def fresh_for(collector: ProviderFacts | None) -> timedelta:
    """How long what a collector read is fresh: two of its intervals, and a day at least."""
    return max(2 * collector.interval, FRESH_FOR) if collector else FRESH_FOR


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


# What a ranking says of it -------------------------------------------------------------------------------------------


def _state(version: str, offers: Offers) -> MarketState:
    seen = offers.observed_at
    return MarketState(
        version=version,
        offers=len(offers),
        oldest_price_at=_time(seen.min()) if len(seen) else None,
        newest_price_at=_time(seen.max()) if len(seen) else None,
        sources=dict(Counter(offers.source.column)),
    )


def _version(offers: Offers) -> str:
    """A short word for all that a reader can see change."""
    digest = blake2b("".join(offers.told["id"].column).encode(), digest_size=8)
    may_be_had = offers.told["available"].is_one_of({True})
    for column in (offers.usd_per_hour, offers.observed_at, offers.known_unavailable, may_be_had, offers.is_stale):
        digest.update(column.tobytes())
    return digest.hexdigest()
