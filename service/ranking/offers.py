"""What a ranking is given, as columns: every current price, and how long each kind of machine takes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.estimation.answer import Estimate, Infeasible
from service.estimation.hardware import Machine

Value = TypeVar("Value", bound=Hashable)
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class PricedOffer(NamedTuple):
    """One current price in dollars, with what a reader is told about it."""

    id: str  # stable while the offer stands
    title: str  # 8x H100 SXM at RunPod (secure), spot
    machine: Machine
    provider: str
    seller: str | None
    collector: str
    instance_type: str
    tier: str | None
    region: str | None
    country: str | None
    pricing: str
    term_months: int | None
    price_per_hour: Decimal  # as published
    currency: str
    usd_per_hour: float
    available: bool | None
    observed_at: datetime
    first_seen: datetime
    source: str
    source_url: str | None
    stale: bool
    count_is_derived: bool
    upfront: Decimal | None = None  # of a reserved price, in its currency: what is paid at the start, in all
    vcpus: float | None = None  # what the price includes; None: not said
    host_memory_gb: float | None = None
    disk_gb: float | None = None
    interconnect: str | None = None
    network_gbit_s: float | None = None
    attribution: str | None = None  # whom a licence says to name


@dataclass(frozen=True, slots=True, eq=False)
class Coded(Generic[Value]):
    """A column with few distinct values: each value once, and a code per row."""

    values: tuple[Value, ...]
    codes: Integers

    @classmethod
    def of(cls, column: Sequence[Value]) -> Coded[Value]:
        code = {value: number for number, value in enumerate(dict.fromkeys(column))}
        return cls(tuple(code), np.fromiter((code[value] for value in column), np.int64, len(column)))

    def is_one_of(self, wanted: Iterable[Value]) -> Bools:
        """Which rows hold one of these values."""
        chosen = set(wanted)
        return np.array([value in chosen for value in self.values], bool)[self.codes]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Offers:
    """Every current price, by title and id: that order breaks ties, so that a ranking never depends on chance."""

    rows: tuple[PricedOffer, ...]
    machine: Coded[Machine]
    kind: Coded[tuple[str, int]]  # GPU and count
    provider: Coded[str]
    region: Coded[str | None]
    country: Coded[str | None]
    pricing: Coded[str]
    gpu_count: Integers
    usd_per_hour: Floats
    is_spot: Bools
    known_unavailable: Bools
    observed_at: Floats  # seconds since 1970

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, priced: Iterable[PricedOffer]) -> Offers:
        rows = tuple(sorted(priced, key=attrgetter("title", "id")))
        machine = _coded_machines([row.machine for row in rows])
        kinds = [(kind.gpu.name, kind.gpu_count) for kind in machine.values]
        kind = Coded.of(kinds)
        pricing = Coded.of([row.pricing for row in rows])
        return cls(
            rows=rows,
            machine=machine,
            kind=Coded(kind.values, kind.codes[machine.codes]),
            provider=Coded.of([row.provider for row in rows]),
            region=Coded.of([row.region for row in rows]),
            country=Coded.of([row.country for row in rows]),
            pricing=pricing,
            gpu_count=np.array([count for _, count in kinds], np.int64)[machine.codes],
            usd_per_hour=np.array([row.usd_per_hour for row in rows], np.float64),
            is_spot=pricing.is_one_of({"spot"}),
            known_unavailable=np.array([row.available is False for row in rows], bool),
            observed_at=np.array([row.observed_at.timestamp() for row in rows], np.float64),
        )


def _coded_machines(machines: Sequence[Machine]) -> Coded[Machine]:
    """As `Coded.of`, but a machine that many rows share is hashed once: its data sheet is long."""
    objects = {id(machine): machine for machine in machines}
    distinct = Coded.of(list(objects.values()))
    code = dict(zip(objects, distinct.codes.tolist(), strict=True))
    return Coded(distinct.values, np.fromiter((code[id(machine)] for machine in machines), np.int64, len(machines)))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Estimates:
    """How long each machine takes, or why it cannot: the items in the order given, and their numbers as columns."""

    items: tuple[Estimate | Infeasible, ...]
    hours: Floats  # P10, P50, P90 by machine; infinite where it cannot run
    sigma_own: Floats
    reason: tuple[str | None, ...]  # None: it can run

    @classmethod
    def of(cls, items: Sequence[Estimate | Infeasible]) -> Estimates:
        return cls(
            items=tuple(items),
            hours=np.array([_hours(item) for item in items], np.float64).reshape(-1, 3).T,
            sigma_own=np.array([item.sigma_own if isinstance(item, Estimate) else 0.0 for item in items], np.float64),
            reason=tuple(why_excluded(item) for item in items),
        )


def why_excluded(item: Estimate | Infeasible) -> str | None:
    """The reason why this machine is left out, or nothing."""
    if isinstance(item, Infeasible):
        return item.reason
    return None if item.fits else "plan_out_of_memory"


def lacks_gb(item: Estimate | Infeasible) -> float | None:
    """How much memory is missing, where that is the reason."""
    return (item.lacks_gb or None) if why_excluded(item) else None


def _hours(item: Estimate | Infeasible) -> tuple[float, float, float]:
    if isinstance(item, Infeasible) or not item.fits:
        return (np.inf, np.inf, np.inf)
    return (item.hours.p10, item.hours.p50, item.hours.p90)
