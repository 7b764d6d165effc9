"""What the checks take and give: observations, rejections, and runs as the store remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from providers.base import Offer, PurchaseOption
from providers.base import Source as ProviderSource

Source = ProviderSource | Literal["history"]
Interconnect = Literal["nvlink", "pcie"]
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
    upfront: Decimal | None = None  # what of a reserved price is paid at the start of the term, in all
    vcpus: float | None = None  # what the price includes; None: not said
    host_memory_gb: float | None = None  # of the whole machine
    disk_gb: float | None = None
    interconnect: Interconnect | None = None  # between its GPUs
    network_gbit_s: float | None = None  # between machines, of the whole machine
    attribution: str | None = None  # whom a licence says to name beside the price

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
    retry_at: datetime | None = None  # not to be asked before, by the source's own word
