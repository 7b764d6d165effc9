"""Lium: a marketplace of other people's machines, at a price per GPU and hour that each owner sets.

A machine is rented whole unless its owner allows parts of at least `min_gpu_count_for_rental` GPUs. "spot" is a tier
of its own and may be interrupted; any other tier is on demand. `pending_price_per_hour` is a price of the future. A
GPU's memory is in MiB, where it is said. Anyone could read the list in August 2026, though its own description keeps it
for keys: one is sent where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Header, Offer, Provider, PurchaseOption, counts_up_to, get_json, narrow


class GpuDetail(msgspec.Struct):
    capacity: float | None = None


class Gpus(msgspec.Struct):
    details: list[GpuDetail] = []


class Specs(msgspec.Struct):
    gpu: Gpus | None = None


class Location(msgspec.Struct):
    country_code: str | None = None
    region_name: str | None = None


class Listed(msgspec.Struct, kw_only=True):
    """An executor as excerpts of the list show it: some without their tier."""

    id: str
    machine_name: str
    price_per_gpu: Decimal
    gpu_count: int
    available_gpu_count: int | None
    tier: str | None = None
    min_gpu_count_for_rental: int | None = None
    has_no_pending_rental: bool | None = None
    location: Location | None = None
    specs: Specs | None = None


class Executor(Listed, kw_only=True):
    tier: str | None


class Lium(Provider):
    name = "Lium"
    pricing_page = "https://lium.io/pricing"
    calls = {"executors": list[Executor], "observed": list[Listed]}
    auth = Header("LIUM_API_KEY", header="X-API-Key")
    auth_is_optional = True
    marketplace = True
    interval = timedelta(minutes=15)
    url = "https://lium.io/api/executors"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [Answer("executors", await get_json(client, self.url, headers=headers))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        executors: dict[str, Listed] = {}
        for answer in answers:
            for executor in narrow(answer.body, self.calls[answer.call]):
                executors.setdefault(executor.id, executor)
        for executor in executors.values():
            if executor.price_per_gpu:
                yield from (offer_of(executor, count) for count in counts_of(executor))


def counts_of(executor: Listed) -> list[int]:
    """The GPUs that can be rented together; one that holds all its GPUs back in pieces still sells them as a whole."""
    whole, least = executor.gpu_count, executor.min_gpu_count_for_rental
    if least is None:
        return [whole]
    return sorted({count for count in counts_up_to(whole) if count >= least} | {whole})


def offer_of(executor: Listed, count: int) -> Offer:
    place = executor.location or Location()
    details = executor.specs.gpu.details if executor.specs and executor.specs.gpu else []
    memory = details[0].capacity if details else None
    free = executor.available_gpu_count
    return Offer(
        instance_type=executor.id,
        gpu=executor.machine_name,
        gpu_count=count,
        gpu_memory_gb=memory / 1024 if memory else None,
        price_per_hour=executor.price_per_gpu * count,
        currency="USD",
        pricing=PurchaseOption.SPOT if executor.tier == "spot" else PurchaseOption.ON_DEMAND,
        region=place.region_name or None,
        country=place.country_code or None,
        tier=executor.tier,
        available=None if free is None else free >= count and executor.has_no_pending_rental is not False,
        count_is_derived=count != executor.gpu_count,
    )
