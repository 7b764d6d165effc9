"""A market with a past: two months of prices, one source silent, one refusing, and names meant to do harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import sin

from builders import collected_run, observation, rejection
from serving import HOSTILE, LONG_REGION

from providers.base import PurchaseOption
from service import store
from service.checks import CollectedRun, Observation
from service.database import Database

DAYS = 60
EVERY = 2  # days between the runs of the past
SILENT_FOR = timedelta(hours=30)

# GPU, memory of one, how many, dollars per GPU and hour, purchase option, region, country
SOLD = (
    ("H100 SXM", 80.0, 8, 2.49, PurchaseOption.ON_DEMAND, "us-east", "US"),
    ("H100 SXM", 80.0, 1, 2.99, PurchaseOption.ON_DEMAND, "us-east", "US"),
    ("H100 SXM", 80.0, 8, 1.35, PurchaseOption.SPOT, "eu-west", "IE"),
    ("H200 SXM", 141.0, 8, 3.39, PurchaseOption.ON_DEMAND, "eu-north", "FI"),
    ("H200 SXM", 141.0, 8, 2.05, PurchaseOption.SPOT, "eu-north", "FI"),
    ("A100 SXM 80GB", 80.0, 8, 1.49, PurchaseOption.ON_DEMAND, "us-west", "US"),
    ("A100 SXM 80GB", 80.0, 1, 0.89, PurchaseOption.SPOT, "us-west", "US"),
    ("L40S", 48.0, 4, 0.99, PurchaseOption.ON_DEMAND, "eu-west", "IE"),
    ("RTX 4090", 24.0, 1, 0.44, PurchaseOption.ON_DEMAND, "eu-east", "PL"),
    ("RTX 4090", 24.0, 8, 0.29, PurchaseOption.SPOT, "eu-east", "PL"),
    ("RTX 5090", 32.0, 1, 0.69, PurchaseOption.ON_DEMAND, "us-east", "US"),
    ("B200", 180.0, 8, 4.99, PurchaseOption.ON_DEMAND, "us-east", "US"),
)


async def fill_with_past(database: Database, now: datetime) -> None:
    """Remember it all; the newest price is a few minutes old."""
    async with database.sessions.begin() as session:
        for run in runs(now):
            await store.save_run(session, run)


def runs(now: datetime) -> Iterator[CollectedRun]:
    for back in range(DAYS, -1, -EVERY):
        at = now - timedelta(days=back)
        yield collected_run(_seen(at, back), at=at, rejections=_set_aside() if back == 0 else ())
    silent = now - SILENT_FOR
    yield collected_run(
        [observation("slow.8x", "15.60", gpu_count=8, collector="vast", observed_at=silent, country="US")], at=silent
    )
    yield CollectedRun(
        collector="vast",
        source="live",
        started_at=now - timedelta(minutes=2),
        duration_s=10.0,
        error_kind="provider_unavailable",
        error="no answer within 10 s",
    )
    yield CollectedRun(
        collector="verda",
        source="live",
        started_at=now - timedelta(minutes=1),
        duration_s=0.4,
        error_kind="payload_changed",
        error="a list was expected, a page of HTML came",
        payload="<!doctype html>",
    )


def _seen(at: datetime, back: int) -> Iterator[Observation]:
    """Prices that drift, each in its own rhythm; one provider joins halfway."""
    for number, (gpu, memory_gb, count, usd, pricing, region, country) in enumerate(SOLD):
        if number % 4 == 3 and back > DAYS // 2:
            continue
        drifting = usd * (1 + 0.12 * sin((back + 7 * number) // 9)) * count
        yield observation(
            f"{gpu.lower().replace(' ', '-')}.{count}x",
            f"{drifting:.2f}",
            gpu=gpu,
            gpu_memory_gb=memory_gb,
            gpu_count=count,
            pricing=pricing,
            region=region,
            country=country,
            collector="runpod",
            provider=("runpod", "hyperstack", "nebius", "crusoe")[number % 4],
            observed_at=at,
            available=(True, None, True, False)[number % 4] if number != 3 else True,
        )
    if back > DAYS - 6:
        yield observation("gone.1x", "1.99", region="us-east", collector="runpod", provider="cloud", observed_at=at)
    yield observation(
        "=1+1",
        "0.31",
        gpu="RTX 4090",
        gpu_memory_gb=24.0,
        collector="runpod",
        provider=HOSTILE,
        seller='"Bob" & <b>sons</b>',
        region=LONG_REGION,
        observed_at=at,
    )


def _set_aside() -> list[object]:
    return [
        rejection("unknown_gpu", "nobody knows 'Z9000'", gpu="Z9000", instance_type="z9000.1x"),
        rejection("unknown_gpu", "nobody knows '<img src=x onerror=alert(1)>'", gpu="<img src=x onerror=alert(1)>"),
        rejection("not_positive", "the price is 0", instance_type="free.1x", usd="0.00"),
    ]
