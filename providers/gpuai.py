"""GPU.ai: a marketplace of hosts and data centres; a row is a configuration at one price, in dollars per hour.

The price is that of all its GPUs. Rows that a customer cannot tell apart are merged by the provider, those with another
disk are not: of several the cheapest that can be had counts. Hosts of the community set prices as they like. Zero
processors, memory or disk stand for not reported. No field says the currency; bills are in dollars. Rows with nothing
free are left out of the list unless asked for, and so they are not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get_json, narrow
from providers.words import country_in

LIMIT = "200"  # rows of a page, the most that the API gives


class Row(msgspec.Struct):
    gpu_type: str
    gpu_count: int
    region: str  # a canonical code: us-central, eu-east, asia-pacific
    tier: Literal["on_demand", "spot"]
    price_per_hour: Decimal
    available: int
    community: bool
    deployment_type: str | None = None  # container, vm
    cpu_cores: int | None = None
    ram_gb: float | None = None
    instance_disk_gb: float | None = None


class Page(msgspec.Struct):
    data: list[Row]
    next_cursor: str | None  # may be null, not missing: half a list must not pass for a whole one


class GpuAi(Provider):
    name = "GPU.ai"
    pricing_page = "https://gpu.ai/pricing"
    calls = {"pricing": Page}
    interval = timedelta(minutes=30)
    marketplace = True
    url = "https://api.gpu.ai/v1/pricing"  # https://github.com/gpuai-dev/openapi: no authorization

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        answers: list[Answer] = []
        cursor: str | None = ""
        seen: set[str | None] = set()
        while cursor is not None:
            if cursor in seen:
                raise PayloadChanged(f"the page {cursor!r} leads back to itself - at `$.next_cursor`")
            seen.add(cursor)
            asked = {"cursor": cursor} if cursor else {}
            body = await get_json(client, self.url, params={"limit": LIMIT, **asked})
            answers.append(Answer("pricing", body, asked))
            cursor = narrow(body, Page).next_cursor or None
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        rows = [row for answer in answers for row in narrow(answer.body, Page).data if row.price_per_hour]
        best: dict[tuple[Any, ...], Offer] = {}
        for row in sorted(rows, key=lambda row: (row.available <= 0, float(row.price_per_hour))):
            sold = offer(row)
            best.setdefault((sold.instance_type, sold.gpu_count, sold.region, sold.tier, sold.pricing), sold)
        yield from best.values()


def offer(row: Row) -> Offer:
    kind = "community" if row.community else "secure"
    return Offer(
        instance_type=instance_type(row),
        gpu=row.gpu_type,
        gpu_count=row.gpu_count,
        price_per_hour=row.price_per_hour,
        currency="USD",
        pricing=PurchaseOption(row.tier),
        region=row.region,
        country=country_in(row.region),
        tier=f"{kind} {row.deployment_type}" if row.deployment_type else kind,
        available=row.available > 0,
        vcpus=row.cpu_cores or None,
        host_memory_gb=row.ram_gb or None,
        disk_gb=row.instance_disk_gb or None,
    )


def instance_type(row: Row) -> str:
    """What tells two machines with the same GPUs apart: "rtx_5090 x4, 128 vCPU, 252 GB"."""
    parts = (f"{row.cpu_cores} vCPU" if row.cpu_cores else "", f"{row.ram_gb:g} GB" if row.ram_gb else "")
    return ", ".join([f"{row.gpu_type} x{row.gpu_count}", *filter(None, parts)])
