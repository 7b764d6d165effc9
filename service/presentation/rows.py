"""An option as one row of a table for programs: the values of the page, unrounded, with the names of the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.ranking.option import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRow:
    rank: int
    id: str
    kind: str
    title: str
    gpu: str
    gpu_count: int
    provider: str | None  # None, as what follows up to source: a machine of one's own
    region: str | None
    country: str | None
    pricing: str | None
    usd_per_hour: float | None
    available: bool | None
    observed_at: datetime | None
    source: str | None
    days_p10: float
    days_p50: float
    days_p90: float
    cost_usd_p10: float
    cost_usd_p50: float
    cost_usd_p90: float
    score_usd: float
    on_frontier: bool
    probability_cheapest: float | None
    evidence: str
    memory_needed_gb: float | None
    memory_available_gb: float | None


def ranking_row(option: Option) -> RankingRow:
    offer, memory = option.offer, option.plan.memory_gb if option.plan else None
    return RankingRow(
        rank=option.rank,
        id=option.id,
        kind=option.kind,
        title=option.title,
        gpu=option.machine.gpu,
        gpu_count=option.machine.gpu_count,
        provider=offer.provider if offer else None,
        region=offer.region if offer else None,
        country=offer.country if offer else option.rig.country if option.rig else None,
        pricing=offer.pricing if offer else None,
        usd_per_hour=offer.usd_per_hour if offer else None,
        available=offer.available if offer else None,
        observed_at=offer.observed_at if offer else None,
        source=offer.source if offer else None,
        days_p10=option.days.p10,
        days_p50=option.days.p50,
        days_p90=option.days.p90,
        cost_usd_p10=option.cost_usd.p10,
        cost_usd_p50=option.cost_usd.p50,
        cost_usd_p90=option.cost_usd.p90,
        score_usd=option.score_usd,
        on_frontier=option.on_frontier,
        probability_cheapest=option.probability_cheapest,
        evidence=option.evidence.tier,
        memory_needed_gb=memory.needed if memory else None,
        memory_available_gb=memory.available if memory else None,
    )
