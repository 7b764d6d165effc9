"""One offer by itself: is it a machine with a GPU we know, at a price that can be true?"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from providers.base import Offer, PurchaseOption
from service.catalogue import Catalogue, UnknownGpu
from service.checks.values import Interconnect, Observation, Source
from service.estimation.hardware import Gpu
from service.rates import Rates, UnknownCurrency

# Where doubt begins: our own choices
PLAUSIBLE_FACTOR: Final = 8.0  # around the median: hyperscalers ask 4 times as much, spot markets a sixth (2026-08)
MOST_USD_PER_GPU_HOUR: Final = 1_000.0  # fifty times the dearest on any list (GB300, 18, 2026-08); where no prior is
MOST_GPUS: Final = 1_024  # one offer is one machine; the largest on any list of 2026 is a rack of 72
MOST_CHARACTERS: Final = 200
MOST_INCLUDED: Final = 1e7  # CPUs, gigabytes, gigabits: ten petabytes of disk
SAID_COUNT: Final = re.compile(r"(?:gpu[ _-])?(\d{1,4}) ?x[ _-]", re.IGNORECASE)  # 8x H100, gpu_8x_h100
SLICE_SHARE: Final = 0.5  # of a card's memory: 8 of 12 GB may be another card of that name, half or less is a slice
HOURS_PER_MONTH: Final = 730
UPFRONT_TOLERANCE: Final = Decimal("1.05")  # months are counted with 720 to 744 hours
CLOCK_SKEW: Final = timedelta(minutes=10)


class Reason(NamedTuple):
    """Why an offer is not believed: a word to count by and a sentence to read."""

    reason: str
    detail: str


class Candidate(NamedTuple):
    """An offer on its way through the checks."""

    offer: Offer
    observation: Observation
    usd_per_hour: float


class Origin(NamedTuple):
    """What is the same for all offers of a run."""

    collector: str
    source: Source
    pricing_page: str
    catalogue: Catalogue
    now: datetime
    rates: Rates


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
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())


def judge(offer: Offer, about: Origin, known: Mapping[str, float]) -> Candidate | Reason:
    reason = (
        why_not_named(offer)
        or why_not_counted(offer)
        or why_not_priced(offer)
        or why_unknown_currency(offer.currency, about)
        or why_wrong_term(offer)
        or why_wrong_upfront(offer)
        or why_misplaced(offer)
        or why_misdated(offer, about.now)
    )
    if reason:
        return reason
    try:
        gpu = about.catalogue.resolve(offer.gpu, offer.gpu_memory_gb)
    except UnknownGpu as unknown:
        return why_a_slice(offer, about.catalogue) or Reason("unknown_gpu", str(unknown))
    usd_per_hour = float(offer.price_per_hour * about.rates.usd_per_unit(offer.currency, about.now))
    reason = why_implausible(usd_per_hour / offer.gpu_count, gpu.name, known.get(gpu.name))
    return reason or Candidate(offer, observation_of(offer, gpu, about), usd_per_hour)


def observation_of(offer: Offer, gpu: Gpu, about: Origin) -> Observation:
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
        upfront=offer.upfront,
        vcpus=amount(offer.vcpus),
        host_memory_gb=amount(offer.host_memory_gb),
        disk_gb=amount(offer.disk_gb),
        interconnect=interconnect(offer.interconnect),
        network_gbit_s=amount(offer.network_gbit_s),
        attribution=offer.attribution,
    )


def amount(said: float | None) -> float | None:
    """How much of something is included. What can't be an amount says nothing, and is no doubt about the price."""
    if said is None or not math.isfinite(said) or not 0 < said < MOST_INCLUDED:
        return None
    return float(said)


def interconnect(said: str | None) -> Interconnect | None:
    """How the GPUs of the machine talk, however it is written: NVLink 4, SXM5 NVSwitch, PCIe Gen5 x16."""
    words = (said or "").casefold()
    if any(word in words for word in ("nvlink", "nvswitch", "sxm")):
        return "nvlink"
    return "pcie" if "pci" in words else None


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
    said = SAID_COUNT.match(offer.gpu)  # else the price of eight passes for that of one
    return Reason("bad_count", f"{count} GPUs of {offer.gpu!r}") if said and int(said[1]) != count else None


def why_not_priced(offer: Offer) -> Reason | None:
    """Zero is how lists say that something is not offered."""
    price = offer.price_per_hour
    if not price.is_finite():
        return Reason("not_finite", f"the price is {price}")
    return None if price > 0 else Reason("not_positive", f"the price is {price:f}")


def why_unknown_currency(currency: str, about: Origin) -> Reason | None:
    try:
        about.rates.usd_per_unit(currency, about.now)
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


def why_wrong_upfront(offer: Offer) -> Reason | None:
    """What is paid at the start is a part of what a commitment costs."""
    upfront = offer.upfront
    if upfront is None:
        return None
    if offer.term_months is None:
        return Reason("bad_upfront", f"{upfront} at the start of no term")
    if not upfront.is_finite() or upfront < 0:
        return Reason("bad_upfront", f"{upfront} at the start")
    in_all = offer.price_per_hour * HOURS_PER_MONTH * offer.term_months
    if upfront > in_all * UPFRONT_TOLERANCE:
        return Reason("bad_upfront", f"{upfront:f} at the start where the whole term costs {in_all:f}")
    return None


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


def why_a_slice(offer: Offer, catalogue: Catalogue) -> Reason | None:
    """A part of a card goes by the card's name, and only its memory tells: 3 GB of an L4."""
    if offer.gpu_memory_gb is None:
        return None
    try:
        gpu = catalogue.resolve(offer.gpu)
    except UnknownGpu:
        return None
    if offer.gpu_memory_gb > gpu.memory_gb * SLICE_SHARE:
        return None
    return Reason("fractional_gpu", f"{offer.gpu_memory_gb:g} GB where the {gpu.name} has {gpu.memory_gb:g}")


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
