"""Values with sensible defaults, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.base import Offer, PurchaseOption
from service import catalogue
from service.checks import CollectedRun, Observation, Rejection
from service.estimation.hardware import Gpu, Machine
from service.estimation.workload import Workload
from service.ranking.request import Rig

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)  # the clock of the tests


def gpu(name: str = "H100 SXM") -> Gpu:
    """A GPU of the catalogue."""
    return catalogue.load().gpus[name]


def machine(name: str = "H100 SXM", gpu_count: int = 1, **others: Any) -> Machine:
    return Machine(gpu=gpu(name), gpu_count=gpu_count, **others)


def workload(slug: str = "nanochat-d32") -> Workload:
    """A preset."""
    return catalogue.load().workloads[slug]


def rig(name: str = "RTX 4070", gpu_count: int = 1, *, usd_per_kwh: float = 0.17, **others: Any) -> Rig:
    defaults: dict[str, Any] = {
        "name": None,
        "country": "US",
        "electricity_source": "a test",
        "carbon_g_per_kwh": 400.0,
        "gpu_watts": 200.0,
        "host_watts": 90.0,
    }
    return Rig(machine=machine(name, gpu_count), electricity_usd_per_kwh=usd_per_kwh, **defaults | others)


def offer(instance_type: str = "h100.1x", usd: float | str = "2.50", **others: Any) -> Offer:
    """One H100 by the hour, on demand, in the words of its provider."""
    defaults: dict[str, Any] = {"gpu": "H100 SXM", "gpu_count": 1, "currency": "USD"}
    return Offer(instance_type=instance_type, price_per_hour=Decimal(str(usd)), **defaults | others)


def observation(instance_type: str = "h100.1x", usd: float | str = "2.50", **others: Any) -> Observation:
    """One H100 by the hour, on demand, seen at noon by the live collector of `cloud`."""
    defaults: dict[str, Any] = {
        "collector": "cloud",
        "provider": others.get("collector", "cloud"),
        "seller": None,
        "gpu": "H100 SXM",
        "gpu_count": 1,
        "gpu_memory_gb": 80.0,
        "region": None,
        "country": None,
        "tier": None,
        "pricing": PurchaseOption.ON_DEMAND,
        "term_months": None,
        "currency": "USD",
        "available": None,
        "observed_at": NOON,
        "source": "live",
        "source_url": "https://cloud.example/pricing",
        "count_is_derived": False,
    }
    return Observation(instance_type=instance_type, price_per_hour=Decimal(str(usd)), **defaults | others)


def rejection(reason: str = "unknown_gpu", detail: str = "nobody knows it", **others: Any) -> Rejection:
    return Rejection(reason, detail, offer(**others))


def collected_run(observations: Iterable[Observation] = (), *, at: datetime = NOON, **others: Any) -> CollectedRun:
    """A run of the live collector of `cloud`, believed unless said otherwise."""
    seen = tuple(observations)
    rejections = tuple(others.pop("rejections", ()))
    defaults: dict[str, Any] = {
        "collector": seen[0].collector if seen else "cloud",
        "source": seen[0].source if seen else "live",
        "duration_s": 1.0,
        "offers": len(seen) + len(rejections),
    }
    return CollectedRun(started_at=at, observations=seen, rejections=rejections, **defaults | others)
