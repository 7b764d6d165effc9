"""One way to run a workload, and all of them in order: the value that every way in shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from service.estimation.answer import Evidence, Interval, Method, Plan
from service.ranking.data import Data

Kind = Literal["local", "cloud"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionMachine:
    gpu: str
    gpu_count: int
    memory_gb: float  # of one GPU
    interconnect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudOffer:
    """One current price, the whole machine by the hour: what every reader is told of it, wherever it stands."""

    id: str  # stable while the offer stands
    provider: str  # slug of whom you pay
    seller: str | None
    collector: str  # the module that read it
    instance_type: str
    tier: str | None
    region: str | None
    country: str | None
    gpu: str
    gpu_count: int
    memory_gb: float  # of one GPU
    pricing: str
    term_months: int | None
    price_per_hour: float  # as published
    currency: str
    usd_per_hour: float
    available: bool | None  # None: not said
    first_seen: datetime
    observed_at: datetime
    source: str  # live, catalogue, bundled, history
    source_url: str | None
    stale: bool
    count_is_derived: bool
    upfront: float | None  # of a reserved price, as published: what is paid at the start of the term, in all
    vcpus: float | None  # what the price includes; None: not said
    host_memory_gb: float | None
    disk_gb: float | None
    interconnect: str | None  # between its GPUs: nvlink, pcie
    network_gbit_s: float | None  # between machines
    attribution: str | None  # whom a licence says to name


@dataclass(frozen=True, slots=True, kw_only=True)
class RigUse:
    """What the ranking took for a machine that the user owns."""

    electricity_usd_per_kwh: float
    watts: float  # whole machine at the wall while training
    country: str | None
    purchase_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line of an option's bill; the lines sum to the P50 of its cost."""

    item: str
    quantity: float
    unit: str
    usd_per_unit: float
    usd: float
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to run the workload, with its days and dollars."""

    rank: int
    id: str  # stable while the offer stands: /option?option=ID
    kind: Kind
    title: str
    machine: OptionMachine
    offer: CloudOffer | None  # None: a rig
    rig: RigUse | None  # None: a cloud offer
    plan: Plan | None
    hours: Interval
    days: Interval
    cost_usd: Interval
    cost_breakdown_usd: Mapping[str, float]  # sums to cost_usd.p50
    score_usd: float  # cost plus the value of the days waited
    energy_kwh: float | None  # None: not known (cloud)
    co2_kg: float | None
    on_frontier: bool
    probability_cheapest: float | None
    evidence: Evidence
    notes: tuple[str, ...]
    offers_grouped: int  # how many offers this option stands for, itself included
    step_parts_s: Mapping[str, float] | None = None  # with explain
    memory_parts_gb: Mapping[str, float] | None = None  # with explain
    bill: tuple[BillLine, ...] | None = None  # with explain


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionExample:
    """One way that is left out; its numbers let a page say what comes closest."""

    title: str
    detail: str
    id: str
    kind: Kind
    lacks_gb: float | None  # None: it is not memory that is missing
    days: float | None  # P50; None: it cannot run
    cost_usd: float | None  # P50; None: it cannot run


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Ways that are left out for one reason, counted, with a few shown: rigs first, then what comes closest."""

    reason: str
    count: int
    examples: tuple[ExclusionExample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A GPU and count that may turn out to be the cheapest, whoever rents it out."""

    probability_cheapest: float  # of all options with this GPU and count together
    option: Option  # the cheapest of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the one sentence says. Nothing that is known to be out of stock, unless nothing else is left."""

    cheapest: Option | None
    soonest: Option | None
    lowest_score: Option | None  # None: a day of waiting has no value
    contenders: tuple[Contender, ...]  # the likeliest to be cheapest first, at most three
    rigs: tuple[Option, ...]
    rented: int  # how many of the ranked options are rented


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Where the best rig and the best cloud option cost the same. None: they never do."""

    best_local: str | None
    best_cloud: str | None
    electricity_usd_per_kwh: float | None
    cloud_usd_per_gpu_hour: float | None
    usd_per_day: float | None
    runs_to_repay_purchase: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """Which prices a ranking saw."""

    version: str
    offers: int
    oldest_price_at: datetime | None
    newest_price_at: datetime | None
    sources: Mapping[str, int]  # offers on whose word: live, catalogue, bundled, history


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The answer of `/api/v1/ranking`, field by field. considered = ranked + excluded, always."""

    workload: Mapping[str, Any]
    data: Data
    method: Method
    as_of: datetime
    market: MarketState
    considered: int
    ranked: int
    options: tuple[Option, ...]  # one page
    excluded: tuple[Exclusion, ...]
    answer: Answer
    break_even: BreakEven | None
    notes: tuple[str, ...]
    next_cursor: str | None
