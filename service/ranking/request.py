"""What is asked of a ranking: the workload, the rigs, what to keep and how to order."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.estimation.answer import Method
from service.estimation.hardware import Machine
from service.estimation.workload import Workload

Pricing = Literal["on_demand", "spot", "reserved"]
Sort = Literal["cost", "days", "score"]
Per = Literal["offer", "machine", "gpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A machine you own, with its electricity."""

    name: str | None  # None: "1x RTX 4070 at home (US)" is made of the rest
    machine: Machine
    country: str | None  # None: the electricity price is the user's own
    electricity_usd_per_kwh: float
    electricity_source: str  # "user", or year and source in words
    carbon_g_per_kwh: float | None
    gpu_watts: float  # of one card while training
    host_watts: float  # everything else, at the wall
    purchase_usd: float = 0.0
    resale_usd: float = 0.0
    lifetime_months: float = 36.0

    @property
    def watts(self) -> float:
        return self.gpu_watts * self.machine.gpu_count + self.host_watts


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRequest:
    """One question; the same fields as the parameters of `/api/v1/ranking`."""

    workload: Workload
    rigs: tuple[Rig, ...]
    method: Method = "model"
    gpus: frozenset[str] = frozenset()  # catalogue names; empty: all
    providers: frozenset[str] = frozenset()  # slugs; empty: all
    regions: frozenset[str] = frozenset()
    cloud_countries: frozenset[str] = frozenset()
    pricing: frozenset[Pricing] = frozenset({"on_demand", "spot"})
    min_gpus: int = 1  # of a cloud offer
    max_gpus: int = 64
    deadline_days: float | None = None
    budget_usd: float | None = None
    usd_per_day: float = 0.0
    storage_gb: float | None = None  # None, as the next two: as follows from the workload
    egress_gb: float | None = None
    ingress_gb: float | None = None
    sort: Sort = "cost"
    per: Per = "machine"
    as_of: datetime | None = None  # None: now
    max_age_hours: float | None = None
    explain: bool = False
    limit: int = 50
    offset: int = 0  # decoded from the opaque cursor
    notes: tuple[str, ...] = ()  # what was said and has no effect


def cursor_of(offset: int) -> str:
    """The opaque word that asks for the page that starts after `offset` options; `service.parameters` reads it."""
    return urlsafe_b64encode(f"o{offset}".encode()).decode().rstrip("=")
