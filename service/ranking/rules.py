"""How a provider bills: steps, minimum and cap of the hours, disks, traffic; and what is assumed where nobody says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HOURS_PER_MONTH = 730.5  # 365.25 days in twelve months


@dataclass(frozen=True, slots=True, kw_only=True)
class Rent:
    """Which hours of a machine are charged."""

    step_hours: float = 0.0  # what is used is rounded up to it; 0: by the second, finer than any estimate
    minimum_hours: float = 0.0
    by_clock: bool = False  # every hour of the clock that is touched counts
    capped_hours: float = HOURS_PER_MONTH  # of a month that are charged at most
    source: str | None = None  # address and date; None: assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What a disk costs that outlives the machine, and what comes with the machine."""

    usd_per_gb_month: Decimal
    month_hours: float = HOURS_PER_MONTH  # of the price: months have 720, 730, or as many as in the calendar
    included_gb: float = 0.0  # with each machine, where its offer does not say
    included_gb_per_gpu: float = 0.0
    rate_is_assumed: bool = False  # only what is included is known
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From so many GB in a month on, a GB costs so much."""

    above_gb: float
    usd_per_gb: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What data costs in one direction."""

    steps: tuple[Step, ...] = ()  # of what is not free, lowest first; none: nothing is charged
    free_gb: float = 0.0  # in a month
    accrues_hours: float | None = None  # over which the free GB are earned; None: there from the start
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionRate:
    """How often machines with a GPU were taken away, as somebody counted."""

    gpu: str
    per_hour: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All of one provider."""

    rent: Rent
    storage: Storage
    egress: Traffic
    ingress: Traffic
    interruptions: tuple[InterruptionRate, ...] = ()


# What is taken where nothing is known. Hours: most known providers bill by the second or the minute; an hour at least,
# to be on the safe side. Disks: near the median of the known prices (RunPod, JarvisLabs, Google). Traffic: most known
# providers charge nothing on the way out, and only Vast.ai does on the way in. All as of `catalogue/billing.toml`,
# 2026-11-25.
ASSUMED = Rules(
    rent=Rent(minimum_hours=1.0),
    storage=Storage(usd_per_gb_month=Decimal("0.10"), rate_is_assumed=True),
    egress=Traffic(),
    ingress=Traffic(),
)
