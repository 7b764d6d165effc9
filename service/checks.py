"""What to believe: an offer becomes an observation or a rejection; a run is believed or set aside. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Literal, NamedTuple

from providers.base import Offer, PurchaseOption, Source
from service.catalogue import Catalogue, UnknownGpu
from service.estimation.hardware import Gpu
from service.rates import UnknownCurrency, usd_per_unit

# Where doubt begins. Our own choices; why each is where it is stands in the functions that use it.
PLAUSIBLE_FACTOR = 8.0  # around the median of the GPU's known prices: 4 times dearer is a hyperscaler, 1/6 a spot price
JUMP_FACTOR = 2.0  # against the SKU's own last price: list prices moved by up to a third at once in 2025 and 2026
SAME_NEWS_FACTOR = 1.25  # a spot price moves between two runs; a jump seen twice need not be seen to the cent
MOST_USD_PER_GPU_HOUR = 1_000.0  # ten times the dearest GPU on any list of 2026; holds where no prior does
MOST_GPUS = 1_024  # one offer is one machine; the largest on any list of 2026 is a rack of 72
MOST_CHARACTERS = 200
LEAST_MEMORY_SHARE = 0.75  # lists round and subtract (B300: 262 for 288); a smaller share is a slice of the card
MOST_MEMORY_SHARE = 1.3
CLOCK_SKEW = timedelta(minutes=10)

ErrorKind = Literal["provider_unavailable", "credentials_refused", "payload_changed"]


class SkuKey(NamedTuple):
    """What tells two things for sale apart, whatever they cost; within one collector."""

    provider: str
    seller: str | None
    instance_type: str
    gpu: str  # name in the catalogue
    gpu_count: int
    region: str | None
    tier: str | None
    pricing: PurchaseOption
    term_months: int | None


class LastPrice(NamedTuple):
    """What a SKU cost when it was last seen, as published."""

    price_per_hour: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An offer we believe, with the GPU it is."""

    collector: str  # slug of the module that read it
    provider: str  # slug of whom you pay
    seller: str | None
    instance_type: str
    gpu: str  # name in the catalogue
    gpu_count: int
    gpu_memory_gb: float  # of one GPU, by the catalogue
    region: str | None
    country: str | None
    tier: str | None
    pricing: PurchaseOption
    term_months: int | None
    price_per_hour: Decimal  # whole machine, as published
    currency: str
    available: bool | None
    observed_at: datetime
    source: Source
    source_url: str
    count_is_derived: bool

    @property
    def key(self) -> SkuKey:
        return SkuKey(
            self.provider,
            self.seller,
            self.instance_type,
            self.gpu,
            self.gpu_count,
            self.region,
            self.tier,
            self.pricing,
            self.term_months,
        )

    @property
    def last_price(self) -> LastPrice:
        return LastPrice(self.price_per_hour, self.currency)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An offer set aside, with the reason: the quarantine."""

    reason: str  # unknown_gpu, not_positive, implausible, unexplained_jump, duplicate, …
    detail: str
    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What a collector's earlier runs said, as far as the checks ask."""

    prices: Mapping[SkuKey, LastPrice] = field(default_factory=dict)  # of every SKU that is not closed
    jumps: Mapping[SkuKey, LastPrice] = field(default_factory=dict)  # unexplained in the last believed run
    observations: int = 0  # of the last believed run


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A run's offers after the checks: each is an observation, a rejection, or a repetition of an observation."""

    observations: tuple[Observation, ...]
    rejections: tuple[Rejection, ...]
    repeated: int = 0  # offers that said the same of the same SKU once more
    unjudged: frozenset[str] = frozenset()  # GPUs that had no known price to judge by, and were accepted
    set_aside: str | None = None  # why the run as a whole is not believed


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedRun:
    """One collection from one provider, believed, set aside or failed: what the store is asked to remember."""

    collector: str
    source: Source
    started_at: datetime
    duration_s: float
    bytes_fetched: int = 0
    offers: int = 0  # as parsed: observations + rejections + repeated
    observations: tuple[Observation, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    repeated: int = 0
    unjudged: frozenset[str] = frozenset()  # GPUs whose prices were accepted without any to compare with
    set_aside: str | None = None  # why nothing of it is stored
    error_kind: ErrorKind | None = None
    error: str | None = None  # one sentence, for people
    payload: str | None = None  # what was answered, when its shape is not known


class Reason(NamedTuple):
    """Why an offer is not believed: a word to count by and a sentence to read."""

    reason: str
    detail: str


class _Candidate(NamedTuple):
    """An offer on its way through the checks."""

    offer: Offer
    observation: Observation
    usd_per_hour: float


# The whole run -------------------------------------------------------------------------------------------------------


def check(
    offers: Iterable[Offer],
    *,
    collector: str,
    source: Source,
    pricing_page: str,
    catalogue: Catalogue,
    known: Mapping[str, float],
    previous: Previous,
    now: datetime,
    marketplace: bool = False,
) -> Checked:
    """Every offer as observation, rejection or repetition; `known` is the median USD per GPU-hour of each GPU."""
    if source == "bundled":
        previous = Previous()  # what ships was read by a person: no jump is unexplained, no shorter list suspicious
    about = _Origin(collector, source, pricing_page, catalogue, now)
    candidates: list[_Candidate] = []
    rejections: list[Rejection] = []
    for offer in map(readable, offers):
        judged = _judge(offer, about, known)
        if isinstance(judged, Reason):
            rejections.append(Rejection(*judged, offer))
        else:
            candidates.append(judged)
    unique, repeated = without_duplicates(candidates, rejections)
    believed = _without(unique, rejections, spot_judge(unique))
    believed = _without(believed, rejections, lambda candidate: why_jumped(candidate.observation, previous))
    observations = tuple(candidate.observation for candidate in believed)
    return Checked(
        observations=observations,
        rejections=tuple(rejections),
        repeated=repeated,
        unjudged=frozenset(o.gpu for o in observations if o.gpu not in known),
        set_aside=why_set_aside(observations, previous, marketplace=marketplace),
    )


def why_set_aside(
    observations: Collection[Observation], previous: Previous, *, marketplace: bool = False
) -> str | None:
    """Why a run as a whole is not believed. Machines of a marketplace come and go, its kinds of machines do not."""
    if not observations:
        return "no offer was believable"
    if marketplace:
        now_seen = len({(o.gpu, o.gpu_count) for o in observations})
        seen_before, what = len({(key.gpu, key.gpu_count) for key in previous.prices}), "groups of GPU and count"
    else:
        now_seen, seen_before, what = len(observations), previous.observations, "offers"
    if now_seen * 2 < seen_before:
        return f"{now_seen} {what} where the last good run had {seen_before}: fewer than half"
    return None


def medians(prices: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The median USD per GPU-hour of each GPU, of pairs of catalogue name and price.

    A price that is asked for several sizes or regions counts once: else the longest list alone would say what is usual.
    """
    by_gpu: defaultdict[str, set[float]] = defaultdict(set)
    for gpu, usd_per_gpu_hour in prices:
        by_gpu[gpu].add(round(usd_per_gpu_hour, 4))
    return {gpu: median(values) for gpu, values in by_gpu.items()}


# One offer -----------------------------------------------------------------------------------------------------------


class _Origin(NamedTuple):
    """What is the same for all offers of a run."""

    collector: str
    source: Source
    pricing_page: str
    catalogue: Catalogue
    now: datetime


def readable(offer: Offer) -> Offer:
    """The offer with its texts on one line: control characters say nothing and break stores."""
    texts: dict[str, Any] = {name: _on_one_line(getattr(offer, name)) for name in _TEXTS}
    texts |= {name: texts[name] or None for name in ("tier", "seller")}  # nothing more is said, or nothing
    changed = {name: text for name, text in texts.items() if text != getattr(offer, name)}
    return replace(offer, **changed) if changed else offer


_TEXTS = ("instance_type", "gpu", "currency", "region", "country", "tier", "provider", "seller", "source_url")


def _on_one_line(text: str | None) -> str | None:
    if text is None:
        return None
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _judge(offer: Offer, about: _Origin, known: Mapping[str, float]) -> _Candidate | Reason:
    reason = (
        why_not_named(offer)
        or why_not_counted(offer)
        or why_not_priced(offer)
        or why_unknown_currency(offer.currency, about.now)
        or why_wrong_term(offer)
        or why_misplaced(offer)
        or why_misdated(offer, about.now)
    )
    if reason:
        return reason
    try:
        gpu = about.catalogue.resolve(offer.gpu, offer.gpu_memory_gb)
    except UnknownGpu as unknown:
        return Reason("unknown_gpu", str(unknown))
    usd_per_hour = float(offer.price_per_hour * usd_per_unit(offer.currency, about.now))
    reason = why_not_the_whole_card(offer, gpu) or why_implausible(
        usd_per_hour / offer.gpu_count, gpu.name, known.get(gpu.name)
    )
    return reason or _Candidate(offer, observation_of(offer, gpu, about), usd_per_hour)


def observation_of(offer: Offer, gpu: Gpu, about: _Origin) -> Observation:
    return Observation(
        collector=about.collector,
        provider=offer.provider or about.collector,
        seller=offer.seller,
        instance_type=offer.instance_type,
        gpu=gpu.name,
        gpu_count=int(offer.gpu_count),
        gpu_memory_gb=gpu.memory_gb,
        region=offer.region,
        country=offer.country,
        tier=offer.tier,
        pricing=offer.pricing,
        term_months=offer.term_months,
        price_per_hour=offer.price_per_hour,
        currency=offer.currency,
        available=offer.available,
        observed_at=min(offer.observed_at or about.now, about.now),
        source=about.source,
        source_url=offer.source_url or about.pricing_page,
        count_is_derived=offer.count_is_derived,
    )


def why_not_named(offer: Offer) -> Reason | None:
    """An offer without a name cannot be told from the next; an endless one is no name."""
    if not offer.instance_type:
        return Reason("bad_instance_type", "has no instance type")
    if offer.provider is not None and not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", offer.provider):
        return Reason("bad_provider", f"{offer.provider[:80]!r} is no slug")
    long = next((name for name in _TEXTS[:-1] if len(getattr(offer, name) or "") > MOST_CHARACTERS), None)
    return Reason("too_long", f"{long} has more than {MOST_CHARACTERS} characters") if long else None


def why_not_counted(offer: Offer) -> Reason | None:
    """Half a GPU trains nothing we estimate, and is priced unlike a whole one."""
    count = offer.gpu_count
    if count != int(count):
        return Reason("fractional_gpu", f"{count} of a GPU")
    if not 1 <= count <= MOST_GPUS:
        return Reason("bad_count", f"{count} GPUs; 1 to {MOST_GPUS} are possible")
    return None


def why_not_priced(offer: Offer) -> Reason | None:
    """Zero is how lists say that something is not offered."""
    price = offer.price_per_hour
    if not price.is_finite():
        return Reason("not_finite", f"the price is {price}")
    return None if price > 0 else Reason("not_positive", f"the price is {price:f}")


def why_unknown_currency(currency: str, at: datetime) -> Reason | None:
    try:
        usd_per_unit(currency, at)
    except UnknownCurrency as unknown:
        return Reason("unknown_currency", str(unknown))
    return None


def why_wrong_term(offer: Offer) -> Reason | None:
    """A commitment has a length, and nothing else has."""
    if offer.pricing is not PurchaseOption.RESERVED:
        term = offer.term_months
        return None if term is None else Reason("bad_term", f"{offer.pricing} with a term of {term} months")
    if offer.term_months is None:
        return Reason("bad_term", "reserved without a term")
    return None if 1 <= offer.term_months <= 120 else Reason("bad_term", f"a term of {offer.term_months} months")


def why_misplaced(offer: Offer) -> Reason | None:
    """An empty region is not the same as none, and a country is two letters."""
    if offer.region == "":
        return Reason("bad_region", "the region is empty")
    if offer.country is not None and not re.fullmatch("[A-Z]{2}", offer.country):
        return Reason("bad_country", f"{offer.country!r} is no ISO 3166-1 alpha-2 code")
    return None


def why_misdated(offer: Offer, now: datetime) -> Reason | None:
    at = offer.observed_at
    if at is None or (at.tzinfo is not None and at <= now + CLOCK_SKEW):
        return None
    return Reason("bad_date", f"dated {at.isoformat()}, which is " + ("no moment" if at.tzinfo is None else "to come"))


def why_not_the_whole_card(offer: Offer, gpu: Gpu) -> Reason | None:
    """The memory that a list states tells a slice (3 GB of an L4) and another card (48 GB on an RTX 4090) apart."""
    if offer.gpu_memory_gb is None:
        return None
    share = offer.gpu_memory_gb / gpu.memory_gb
    stated = f"{offer.gpu_memory_gb:g} GB where the {gpu.name} has {gpu.memory_gb:g}"
    if share < LEAST_MEMORY_SHARE:
        return Reason("fractional_gpu", stated)
    return Reason("other_memory", stated) if share > MOST_MEMORY_SHARE else None


def why_implausible(usd_per_gpu_hour: float, gpu: str, known: float | None) -> Reason | None:
    """Known prices of one GPU lie within a factor of 8 of their median, from spot on a marketplace to a hyperscaler."""
    if usd_per_gpu_hour > MOST_USD_PER_GPU_HOUR:
        return Reason("implausible", f"{usd_per_gpu_hour:.2f} USD per GPU-hour")
    if known is None or known / PLAUSIBLE_FACTOR <= usd_per_gpu_hour <= known * PLAUSIBLE_FACTOR:
        return None
    return Reason(
        "implausible",
        f"{usd_per_gpu_hour:.4g} USD per GPU-hour; the median of the {gpu} is {known:.4g}, "
        f"and {known / PLAUSIBLE_FACTOR:.4g} to {known * PLAUSIBLE_FACTOR:.4g} are plausible",
    )


# One offer among the others, and against its own past ----------------------------------------------------------------


def without_duplicates(candidates: Iterable[_Candidate], rejections: list[Rejection]) -> tuple[list[_Candidate], int]:
    """One candidate per SKU: what can be had before what cannot, then the cheapest, since it is what one would pay.

    The same price said twice is a repetition, counted and no more; another price of the same SKU is rejected, because
    it shows that the module leaves out what tells the two apart.
    """
    best: dict[SkuKey, _Candidate] = {}
    repeated = 0
    for candidate in sorted(candidates, key=_preference):
        first = best.setdefault(candidate.observation.key, candidate)
        if first is candidate:
            continue
        if first.observation.last_price == candidate.observation.last_price:
            repeated += 1
        else:
            rejections.append(Rejection(*_duplicate(first, candidate), candidate.offer))
    return list(best.values()), repeated


def _preference(candidate: _Candidate) -> tuple[bool, float, bool, str]:
    seen = candidate.observation
    return seen.available is False, candidate.usd_per_hour, seen.available is None, seen.currency


def _duplicate(first: _Candidate, other: _Candidate) -> Reason:
    kept, left = first.observation, other.observation
    return Reason(
        "duplicate",
        f"{left.price_per_hour:f} {left.currency} where the same SKU costs {kept.price_per_hour:f} {kept.currency}",
    )


def spot_judge(candidates: Iterable[_Candidate]) -> Callable[[_Candidate], Reason | None]:
    """Why a spot price is none, given the on-demand prices of the same run."""
    on_demand = {
        c.observation.key: c.usd_per_hour for c in candidates if c.observation.pricing is PurchaseOption.ON_DEMAND
    }

    def why_not_spot(candidate: _Candidate) -> Reason | None:
        """A spot price that saves nothing is a list's way to say that there is no spot."""
        if candidate.observation.pricing is not PurchaseOption.SPOT:
            return None
        twin = candidate.observation.key._replace(pricing=PurchaseOption.ON_DEMAND)
        price = on_demand.get(twin) or on_demand.get(twin._replace(region=None))
        if price is None or candidate.usd_per_hour < price:
            return None
        return Reason("spot_not_cheaper", f"{candidate.usd_per_hour:.4g} USD per hour; on demand it is {price:.4g}")

    return why_not_spot


def why_jumped(observation: Observation, previous: Previous) -> Reason | None:
    """A price that more than doubled or halved is believed when the run before saw it too: then it is news."""
    last, now = previous.prices.get(observation.key), observation.last_price
    if last is None or not _differ(now, last, JUMP_FACTOR):
        return None
    before = previous.jumps.get(observation.key)
    if before is not None and not _differ(now, before, SAME_NEWS_FACTOR):
        return None
    return Reason(
        "unexplained_jump",
        f"{now.price_per_hour:f} {now.currency} after {last.price_per_hour:f} {last.currency}; "
        "believed if the next run sees it too",
    )


def _differ(one: LastPrice, other: LastPrice, factor: float) -> bool:
    """Whether two prices differ by more than a factor. Another currency is another price, and no jump by itself."""
    if one.currency != other.currency:
        return False
    ratio = one.price_per_hour / other.price_per_hour
    return ratio > Decimal(factor) or ratio * Decimal(factor) < 1


def _without(
    candidates: Iterable[_Candidate], rejections: list[Rejection], judge: Callable[[_Candidate], Reason | None]
) -> list[_Candidate]:
    kept: list[_Candidate] = []
    for candidate in candidates:
        reason = judge(candidate)
        if reason is None:
            kept.append(candidate)
        else:
            rejections.append(Rejection(*reason, candidate.offer))
    return kept
