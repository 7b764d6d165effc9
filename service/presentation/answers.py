"""What programs are told beside the ranking: the values that the API and `--json` write, with the names of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol

from service import store
from service.catalogue import Catalogue, Electricity, GpuSheet, UnknownGpu
from service.estimation.answer import Estimate, Evidence, Infeasible, Interval, Plan
from service.estimation.explain import Explanation
from service.estimation.hardware import Gpu, Machine
from service.market.pricing import fresh_for
from service.ranking.option import CloudOffer
from service.rates import Rates

Source = Literal["live", "catalogue", "bundled", "rates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrice:
    """What an hour of one GPU cost at the end of a day, in dollars, over all its offers."""

    date: date
    gpu: str
    minimum: float
    median: float
    count: int


def day_price(found: store.DayOfGpu) -> DayPrice:
    return DayPrice(date=found.day, gpu=found.gpu, minimum=found.minimum, median=found.median, count=found.offers)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPrice:
    """One price of an offer, from when to when; in dollars at the rate of the day it was first seen."""

    id: str  # of the offer
    provider: str
    seller: str | None
    collector: str
    instance_type: str
    tier: str | None
    region: str | None
    country: str | None
    gpu: str
    gpu_count: int
    pricing: str
    term_months: int | None
    price_per_hour: float
    currency: str
    upfront: float | None
    usd_per_hour: float
    usd_per_gpu_hour: float
    available: bool | None
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None  # None: it holds still
    source: str  # live, catalogue, bundled, history
    source_url: str
    attribution: str | None  # whom a licence says to name


def offer_price(price: store.PastPrice, rates: Rates) -> OfferPrice:
    usd_per_hour = float(price.price_per_hour * rates.usd_per_unit(price.currency, price.first_seen))
    kept = {name: value for name, value in price._asdict().items() if name in OfferPrice.__slots__}
    amounts = {
        "price_per_hour": float(price.price_per_hour),
        "upfront": None if price.upfront is None else float(price.upfront),
        "usd_per_hour": usd_per_hour,
        "usd_per_gpu_hour": usd_per_hour / price.gpu_count,
    }
    return OfferPrice(id=price.offer_id, **kept | amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Why a machine gets no hours."""

    reason: str
    detail: str
    lacks_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineEstimate:
    """How long one machine takes; or, with `excluded`, why it cannot say."""

    gpu: str
    gpu_count: int
    fits: bool
    hours: Interval | None = None
    days: Interval | None = None
    plan: Plan | None = None
    tokens_per_s_per_gpu: Interval | None = None
    mfu: float | None = None
    evidence: Evidence | None = None
    lacks_gb: float | None = None
    step_parts_s: Mapping[str, float] | None = None
    memory_parts_gb: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()
    excluded: LeftOut | None = None
    explanation: Explanation | None = None  # with explain


def machine_estimate(
    machine: Machine,
    found: Estimate | Infeasible,
    explanation: Explanation | None = None,
    notes: tuple[str, ...] = (),  # on the question
) -> MachineEstimate:
    """An estimate as it is told. A pinned plan that does not fit keeps its hours, and says what it lacks."""
    told = _told(machine, found)
    return replace(told, notes=(*notes, *told.notes), explanation=explanation)


def _told(machine: Machine, found: Estimate | Infeasible) -> MachineEstimate:
    if isinstance(found, Estimate):
        return _estimated(machine, found)
    if found.estimate is not None:
        told = _estimated(machine, found.estimate, fits=False, lacks_gb=found.lacks_gb or found.estimate.lacks_gb)
        return replace(told, notes=(found.detail, *told.notes))
    left_out = LeftOut(reason=found.reason, detail=found.detail, lacks_gb=found.lacks_gb)
    return MachineEstimate(
        gpu=machine.gpu.name, gpu_count=machine.gpu_count, fits=False, lacks_gb=found.lacks_gb, excluded=left_out
    )


def _estimated(
    machine: Machine, found: Estimate, fits: bool | None = None, lacks_gb: float | None = None
) -> MachineEstimate:
    return MachineEstimate(
        gpu=machine.gpu.name,
        gpu_count=machine.gpu_count,
        fits=found.fits if fits is None else fits,
        hours=found.hours,
        days=found.hours * (1 / 24),
        plan=found.plan,
        tokens_per_s_per_gpu=found.tokens_per_s_per_gpu,
        mfu=found.mfu,
        evidence=found.evidence,
        lacks_gb=lacks_gb if lacks_gb is not None else found.lacks_gb or None,
        step_parts_s=found.step_parts_s,
        memory_parts_gb=found.memory_parts_gb,
        notes=found.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuEvidence:
    """Which published runs stand behind the estimates for a GPU, and what matrix rate anyone achieved on it."""

    runs: tuple[str, ...]
    matmul_tflops: float | None
    matmul_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuAnswer:
    """A GPU by its data sheet, with what it rents for now. Tensor rates are dense and accumulate in FP32."""

    name: str
    vendor: str
    architecture: str
    year: int
    memory_gb: float
    memory_type: str
    bandwidth_gb_s: float
    bf16_tflops: float | None
    fp16_tflops: float | None
    fp8_tflops: float | None
    tf32_tflops: float | None
    fp32_tflops: float
    board_power_w: float
    form_factor: str
    pcie_gen: int
    pcie_lanes: int
    nvlink_gb_s: float
    consumer: bool
    launch_usd: float | None
    aliases: tuple[str, ...]
    sources: tuple[str, ...]
    retrieved: date
    unverified: tuple[str, ...]
    notes: str
    offers: int
    cheapest_offer: CloudOffer | None  # per GPU, whatever its purchase option; in stock or not said, where there is any
    cheapest_usd_per_gpu_hour: float | None
    evidence: GpuEvidence


def gpu_answer(sheet: GpuSheet, runs: tuple[str, ...], offers: int, cheapest: CloudOffer | None) -> GpuAnswer:
    gpu = sheet.gpu
    return GpuAnswer(
        **_data_sheet(gpu),
        memory_type=sheet.memory_type,
        launch_usd=sheet.launch_usd,
        aliases=sheet.aliases,
        sources=sheet.sources,
        retrieved=sheet.retrieved,
        unverified=sheet.unverified,
        notes=sheet.notes,
        offers=offers,
        cheapest_offer=cheapest,
        cheapest_usd_per_gpu_hour=cheapest.usd_per_hour / cheapest.gpu_count if cheapest else None,
        evidence=GpuEvidence(runs=runs, matmul_tflops=gpu.matmul_bf16_tflops, matmul_sources=sheet.matmul_sources),
    )


def _data_sheet(gpu: Gpu) -> dict[str, Any]:
    hidden = ("matmul_bf16_tflops",)  # stands with the evidence
    return {name: getattr(gpu, name) for name in Gpu.__slots__ if name in GpuAnswer.__slots__ and name not in hidden}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityPrice:
    """What a household pays for a kWh, taxes included, and what the grid emits for it."""

    country: str  # two letters, or a state as US-CA
    name: str
    usd_per_kwh: float
    price_per_kwh: float  # as published
    currency: str
    year: int  # of the price
    period: str  # of the price, as its source says it: 2025-S2, 2026-06
    official: bool  # by a statistics office or a regulator; else averages gathered by others
    source: str
    source_url: str
    read_at_url: str | None  # where it was read, if not at its source
    carbon_g_per_kwh: float | None
    carbon_year: int | None
    carbon_source_url: str | None


def electricity_price(known: Electricity) -> ElectricityPrice:
    return ElectricityPrice(
        country=known.code,
        name=known.name,
        usd_per_kwh=known.usd_per_kwh,
        price_per_kwh=known.price_per_kwh,
        currency=known.currency,
        year=known.year,
        period=known.period,
        official=known.official,
        source=known.source,
        source_url=known.source_url,
        read_at_url=known.read_at_url,
        carbon_g_per_kwh=known.carbon_g_per_kwh,
        carbon_year=known.carbon_year,
        carbon_source_url=known.carbon_source_url,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """What one collection fetched, stored and set aside, and why."""

    id: int
    state: Literal["running", "ok", "set_aside", "failed"]
    provider: str | None = None  # slug of the module that read; None, as all that follows: still running
    source: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_kind: str | None = None
    error: str | None = None  # why it failed or was set aside
    bytes_fetched: int = 0
    offers: int = 0  # as parsed
    observations: int = 0  # as believed
    rejected: int = 0
    repeated: int = 0
    opened: int = 0  # prices: new, or in place of another
    closed: int = 0
    extended: int = 0
    payload: str | None = None  # what was answered, where its shape is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionAnswer:
    """An offer set aside, as it was read, with the reason."""

    id: int
    run_id: int
    provider: str
    at: datetime
    reason: str
    detail: str
    offer: Mapping[str, Any]
    nearest: tuple[str, ...] = ()  # GPUs of the catalogue that an unknown name comes nearest to


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """A price source and how it does."""

    slug: str
    name: str
    source: str
    pricing_page: str
    needs: str | None  # the variable of a missing secret
    interval_hours: float
    state: Literal["ok", "stale", "failing", "off"]
    detail: str | None  # why it is not ok
    last_run: RunAnswer | None
    last_success: datetime | None
    offers: int
    rejections: int  # of the last run
    rejections_by_reason: Mapping[str, int]  # of the newest run that was read: what there is to work off
    retry_at: datetime | None  # when a source that sent us away may be asked again


# Where prices come from, and how that goes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSource:
    """A provider module as readers know it."""

    slug: str
    name: str
    pricing_page: str
    kind: str  # live, catalogue, bundled; rates: of currencies, which are no prices
    needs: str | None  # the variable of a missing secret
    interval: timedelta
    is_quick: bool = True  # False: it reads gigabytes, and is left alone until somebody has collected it once


class ProviderModule(Protocol):
    """What is asked of a provider's class, which this layer does not know."""

    slug: ClassVar[str]
    name: ClassVar[str]
    pricing_page: ClassVar[str]
    source: ClassVar[Source]
    interval: ClassVar[timedelta]
    is_quick: ClassVar[bool]

    @classmethod
    def missing(cls, secrets: Mapping[str, str]) -> str | None: ...


def source_of(provider: type[ProviderModule], secrets: Mapping[str, str]) -> PriceSource:
    return PriceSource(
        slug=provider.slug,
        name=provider.name,
        pricing_page=provider.pricing_page,
        kind=provider.source,
        needs=provider.missing(secrets),
        interval=provider.interval,
        is_quick=provider.is_quick,
    )


def provider_answer(source: PriceSource, state: store.CollectorState | None, now: datetime) -> ProviderAnswer:
    name, detail = _state(source, state, now)
    last_success = state.last_success.started_at if state and state.last_success else None
    return ProviderAnswer(
        slug=source.slug,
        name=source.name,
        source=source.kind,
        pricing_page=source.pricing_page,
        needs=source.needs,
        interval_hours=source.interval.total_seconds() / 3600,
        state=name,
        detail=detail,
        last_run=run_answer(state.last_run) if state else None,
        last_success=last_success,
        offers=state.offers if state else 0,
        rejections=state.last_run.rejected if state else 0,
        rejections_by_reason=state.rejected if state else {},
        retry_at=state.last_run.retry_at if state else None,
    )


def _state(
    source: PriceSource, state: store.CollectorState | None, now: datetime
) -> tuple[Literal["ok", "stale", "failing", "off"], str | None]:
    """The first that holds: off for want of a secret, failing, stale, ok."""
    if source.needs:
        return "off", f"{source.needs} is not set"
    if state is None and not source.is_quick:
        return "off", f"reads gigabytes: on schedule once you have run `rig-or-rent collect {source.slug}`"
    if state is None:
        return "stale", "never collected"
    last = state.last_run
    if last.outcome != "ok":
        return ("off" if last.error_kind == "credentials_refused" else "failing"), last.error or last.error_kind
    if source.kind != "bundled" and now - last.started_at > fresh_for(source):
        return "stale", "the last run was longer ago than two of its intervals"
    return "ok", None


def run_answer(run: store.Run, *, with_payload: bool = False) -> RunAnswer:
    return RunAnswer(
        id=run.id,
        provider=run.collector,
        source=run.source,
        state=run.outcome,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error_kind=run.error_kind,
        error=run.error,
        bytes_fetched=run.bytes_fetched,
        offers=run.offers,
        observations=run.observations,
        rejected=run.rejected,
        repeated=run.repeated,
        opened=run.opened,
        closed=run.closed,
        extended=run.extended,
        payload=run.payload if with_payload else None,
    )


def running(run_id: int) -> RunAnswer:
    """A run that has begun, of which nothing else is known yet."""
    return RunAnswer(id=run_id, state="running")


def rejection_answer(rejection: store.StoredRejection, catalogue: Catalogue) -> RejectionAnswer:
    return RejectionAnswer(
        id=rejection.id,
        run_id=rejection.run_id,
        provider=rejection.run.collector,
        at=rejection.run.started_at,
        reason=rejection.reason,
        detail=rejection.detail,
        offer=rejection.offer,
        nearest=_nearest(rejection, catalogue),
    )


def _nearest(rejection: store.StoredRejection, catalogue: Catalogue) -> tuple[str, ...]:
    """By the catalogue of now, which may have learned the name since: then it alone."""
    if rejection.reason != "unknown_gpu":
        return ()
    try:
        return (catalogue.resolve(str(rejection.offer.get("gpu")), rejection.offer.get("gpu_memory_gb")).name,)
    except UnknownGpu as unknown:
        return unknown.nearest
