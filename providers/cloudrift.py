"""CloudRift: a price per variant of a machine type, in US cents per whole machine and hour.

The list is asked for with a POST that names the version of the API. A variant is offered in the data centres that have
nodes of it; with none it is sold out, and its price still holds. Sizes are in bytes, the GPU's memory that of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import CALM, Answer, Offer, Provider, get_json, narrow
from providers.words import country_in

ASKED = {
    "version": "2025-03-21",  # of the API: its answers have the shape of that day
    "data": {"selector": {"ByServiceAndLocation": {"services": ["vm"]}}},
}


class Variant(msgspec.Struct):
    name: str
    cost_per_hour: Decimal
    gpu_count: int
    vram: float
    nodes_per_dc: dict[str, int]
    cpu_count: float | None = None
    dram: float | None = None
    disk: float | None = None


class InstanceType(msgspec.Struct):
    brand_short: str  # of its GPU, or of its processor where it has none
    variants: list[Variant]


class InstanceTypes(msgspec.Struct):
    instance_types: list[InstanceType]


class Listing(msgspec.Struct):
    data: InstanceTypes


class CloudRift(Provider):
    name = "CloudRift"
    pricing_page = "https://www.cloudrift.ai/pricing"
    calls = {"instance_types": Listing}
    interval = timedelta(hours=1)
    url = "https://api.cloudrift.ai/api/v1/instance-types/list"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("instance_types", await get_json(client, self.url, json=ASKED))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            listing: Listing = narrow(answer.body, Listing)
            for machine in listing.data.instance_types:
                for variant in machine.variants:
                    if variant.gpu_count:
                        yield from offers_of(machine.brand_short, variant)


def offers_of(gpu: str, variant: Variant) -> Iterator[Offer]:
    anywhere = Offer(
        instance_type=variant.name,
        gpu=gpu,
        gpu_count=variant.gpu_count,
        gpu_memory_gb=variant.vram / 2**30,
        price_per_hour=CALM.divide(variant.cost_per_hour, 100),
        currency="USD",
        available=False,
        vcpus=variant.cpu_count,
        host_memory_gb=variant.dram and variant.dram / 2**30,
        disk_gb=variant.disk and variant.disk / 2**30,
    )
    for place, nodes in variant.nodes_per_dc.items():
        yield replace(anywhere, region=place, country=country_in(place), available=nodes > 0)
    if not variant.nodes_per_dc:
        yield anywhere
