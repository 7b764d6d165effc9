"""TensorDock: a price per GPU at each location; processors, memory and disk are priced by the piece and added to it.

What is offered here is a machine as small as training needs it: 4 processors and 32 GB of memory per GPU, and the
smallest disk that can be ordered, 100 GB. An answer may lack the prices of those parts; then only the GPUs are in the
price, and the tier says so. `max_count` is how many GPUs one machine can have just now.

An answer of the marketplace API before (v0, retired) is read as well: the parts of one host, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, counts_up_to, get_json, narrow
from providers.words import country_in

VCPUS_PER_GPU = 4
RAM_GB_PER_GPU = 32
DISK_GB = 100  # the least that POST /api/v2/instances takes, by those who call it (2026-08)
GPU_ONLY = "GPU only"


class PartPrices(msgspec.Struct):
    per_vcpu_hr: Decimal
    per_gb_ram_hr: Decimal
    per_gb_storage_hr: Decimal

    @property
    def per_gpu(self) -> Decimal:
        return self.per_vcpu_hr * VCPUS_PER_GPU + self.per_gb_ram_hr * RAM_GB_PER_GPU


class Gpu(msgspec.Struct):
    v0_name: str = msgspec.field(name="v0Name")
    display_name: str = msgspec.field(name="displayName")
    max_count: int
    price_per_hr: Decimal
    pricing: PartPrices | None = None


class Location(msgspec.Struct):
    city: str
    country: str
    gpus: list[Gpu]
    stateprovince: str | None = None
    tier: int | None = None


class LocationList(msgspec.Struct):
    locations: list[Location]


class Locations(msgspec.Struct):
    data: LocationList


class HostGpu(msgspec.Struct):
    amount: int
    price: Decimal
    vram: float


class Part(msgspec.Struct):
    price: Decimal


class Specs(msgspec.Struct):
    gpu: dict[str, HostGpu]
    cpu: Part
    ram: Part
    storage: Part


class Host(msgspec.Struct):
    specs: Specs


class TensorDock(Provider):
    name = "TensorDock"
    pricing_page = "https://www.tensordock.com/cloud-gpus"
    calls = {"locations": Locations, "host": Host}
    interval = timedelta(hours=1)
    marketplace = True
    url = "https://dashboard.tensordock.com/api/v2/locations"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("locations", await get_json(client, self.url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            if answer.call == "locations":
                yield from at_locations(narrow(answer.body, Locations))
            else:
                yield from on_host(narrow(answer.body, Host).specs)


def at_locations(listed: Locations) -> Iterator[Offer]:
    if not listed.data.locations:
        raise PayloadChanged("the list is empty - at `$.data.locations`")
    for location in listed.data.locations:
        for gpu in location.gpus:
            for count in counts_up_to(gpu.max_count):
                yield from machine(
                    gpu.v0_name,
                    gpu.display_name,
                    count,
                    gpu.price_per_hr,
                    gpu.pricing,
                    region=", ".join(part for part in (location.city, location.stateprovince) if part),
                    country=country_in(location.country),
                    tier=None if location.tier is None else f"tier {location.tier}",
                )


def on_host(specs: Specs) -> Iterator[Offer]:
    parts = PartPrices(specs.cpu.price, specs.ram.price, specs.storage.price)
    for name, gpu in specs.gpu.items():
        for count in counts_up_to(gpu.amount):
            yield from machine(name, name, count, gpu.price, parts, memory_gb=gpu.vram)


def machine(
    name: str,
    gpu: str,
    count: int,
    per_gpu: Decimal,
    parts: PartPrices | None,
    *,
    region: str | None = None,
    country: str | None = None,
    tier: str | None = None,
    memory_gb: float | None = None,
) -> Iterator[Offer]:
    """The machine with so many GPUs, unless they cost nothing: then they are not offered."""
    if per_gpu <= 0:
        return
    price = per_gpu * count
    if parts is not None:
        price += parts.per_gpu * count + parts.per_gb_storage_hr * DISK_GB
    yield Offer(
        instance_type=name,
        gpu=gpu,
        gpu_count=count,
        gpu_memory_gb=memory_gb,
        price_per_hour=price,
        currency="USD",
        region=region,
        country=country,
        tier=", ".join(words for words in (tier, None if parts else GPU_ONLY) if words) or None,
        available=True,
        vcpus=VCPUS_PER_GPU * count if parts else None,
        host_memory_gb=RAM_GB_PER_GPU * count if parts else None,
        disk_gb=DISK_GB if parts else None,
        count_is_derived=True,
    )
