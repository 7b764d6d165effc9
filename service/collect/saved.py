"""A saved answer instead of the network, and a run as JSON: nothing is fetched, nothing stored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import msgspec

from providers.base import Provider, decode_saved
from service.catalogue import Catalogue
from service.checks import CollectedRun, Observation, Rejection
from service.collect.run import Memory, judge, saved
from service.rates import usd_per_unit

NEVER_STALE_BEFORE = timedelta(hours=24)


def body_of(content: bytes) -> Any:
    """A saved answer as providers read it: JSON decoded with exact numbers, anything else as text."""
    return decode_saved(content)


def check_payload(provider_class: type[Provider], body: Any, catalogue: Catalogue, now: datetime) -> CollectedRun:
    """What a run with this answer would come to, judged by the bundled list alone."""
    return judge(provider_class, saved(provider_class(now=now), body), Memory(), catalogue, now)


def as_json(run: CollectedRun, interval: timedelta = timedelta(hours=6)) -> dict[str, Any]:
    """A run as `collect --dry-run --json` prints it; `interval` is the collector's, by which prices grow stale."""
    return {
        "provider": run.collector,
        "offers": [_offer(seen, run, interval) for seen in run.observations],
        "rejections": [_rejection(rejection) for rejection in run.rejections],
    }


def _offer(seen: Observation, run: CollectedRun, interval: timedelta) -> dict[str, Any]:
    age = run.started_at - seen.observed_at
    usd_per_hour = seen.price_per_hour * usd_per_unit(seen.currency, run.started_at)
    return {
        "provider": seen.provider,
        "seller": seen.seller,
        "collector": seen.collector,
        "instance_type": seen.instance_type,
        "tier": seen.tier,
        "region": seen.region,
        "country": seen.country,
        "gpu": seen.gpu,
        "gpu_count": seen.gpu_count,
        "memory_gb": seen.gpu_memory_gb,
        "pricing": seen.pricing.value,
        "term_months": seen.term_months,
        "price_per_hour": float(seen.price_per_hour),
        "currency": seen.currency,
        "usd_per_hour": float(usd_per_hour),
        "available": seen.available,
        "first_seen": _instant(seen.observed_at),
        "observed_at": _instant(seen.observed_at),
        "source": seen.source,
        "source_url": seen.source_url,
        "stale": seen.source != "bundled" and age > max(2 * interval, NEVER_STALE_BEFORE),
        "upfront": None if seen.upfront is None else float(seen.upfront),
        "vcpus": seen.vcpus,
        "host_memory_gb": seen.host_memory_gb,
        "disk_gb": seen.disk_gb,
        "interconnect": seen.interconnect,
        "network_gbit_s": seen.network_gbit_s,
        "attribution": seen.attribution,
        "count_is_derived": seen.count_is_derived,
    }


def _rejection(rejection: Rejection) -> dict[str, Any]:
    offer = msgspec.to_builtins(asdict(rejection.offer), builtin_types=(datetime,))
    number = rejection.offer.price_per_hour
    offer["price_per_hour"] = float(number) if number.is_finite() else None
    upfront = rejection.offer.upfront
    offer["upfront"] = float(upfront) if upfront is not None and upfront.is_finite() else None
    if rejection.offer.observed_at is not None:
        offer["observed_at"] = _instant(rejection.offer.observed_at)
    return {"reason": rejection.reason, "detail": rejection.detail, "offer": offer}


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
