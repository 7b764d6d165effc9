"""What to believe: an offer becomes an observation or a rejection, and a run as a whole is believed or set aside. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from providers.base import Offer, PurchaseOption, Source


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


@dataclass(frozen=True, slots=True)
class Rejection:
    """An offer set aside, with the reason: the quarantine."""

    reason: str  # unknown_gpu, not_positive, implausible, unexplained_jump, duplicate, …
    detail: str
    offer: Offer
