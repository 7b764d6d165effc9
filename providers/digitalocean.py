"""DigitalOcean: a price per Droplet size and hour, the same in every region that has it.

Most sizes have no GPU. The memory of `gpu_info` is that of all GPUs of the machine together; `disk_info` lists the boot
disk and, on the larger ones, a scratch disk, both in the price. A size is to be had in the regions it names: one that
names none is sold out everywhere, though it may say `available`. Sizes whose slug ends in "-contracted" are for
customers with a contract, whose price it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, Provider, get_json, narrow

PER_PAGE = "200"  # the most that the API gives
COUNTRIES = {  # https://docs.digitalocean.com/platform/regional-availability/, as of 2026-11; without their number
    "ams": "NL",
    "atl": "US",
    "blr": "IN",
    "fra": "DE",
    "lon": "GB",
    "nyc": "US",
    "ric": "US",
    "sfo": "US",
    "sgp": "SG",
    "syd": "AU",
    "tor": "CA",
}


class Amount(msgspec.Struct):
    amount: float  # GiB


class Disk(msgspec.Struct):
    size: Amount


class GpuInfo(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    vram: Amount  # of all GPUs
    model: str  # nvidia_h100, amd_mi300x


class Size(msgspec.Struct):
    slug: str
    price_hourly: Decimal
    regions: list[str]
    available: bool
    vcpus: float
    memory: float  # MiB
    gpu_info: GpuInfo | None = None
    disk_info: list[Disk] = []
    networking_throughput: float | None = None  # Mbit/s


class Pages(msgspec.Struct):
    next: str | None = None


class Links(msgspec.Struct):
    pages: Pages | None = None


class Sizes(msgspec.Struct):
    sizes: list[Size]
    links: Links | None = None


class DigitalOcean(Provider):
    name = "DigitalOcean"
    pricing_page = "https://www.digitalocean.com/pricing/gpu-droplets"
    calls = {"sizes": Sizes}
    auth = Bearer("DIGITALOCEAN_TOKEN")  # the name in the vendor's own documentation
    interval = timedelta(hours=1)
    url = "https://api.digitalocean.com/v2/sizes"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        answers: list[Answer] = []
        more = True
        while more:
            page = str(len(answers) + 1)
            body = await get_json(client, self.url, params={"page": page, "per_page": PER_PAGE}, headers=headers)
            answers.append(Answer("sizes", body, {"page": page}))
            part: Sizes = narrow(body, Sizes)
            more = bool(part.sizes and part.links and part.links.pages and part.links.pages.next)
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for size in narrow(answer.body, Sizes).sizes:
                if size.gpu_info and size.gpu_info.count and not size.slug.endswith("-contracted"):
                    yield from offers_of(size, size.gpu_info)


def offers_of(size: Size, gpu: GpuInfo) -> Iterator[Offer]:
    anywhere = Offer(
        instance_type=size.slug,
        gpu=gpu.model,
        gpu_count=gpu.count,
        gpu_memory_gb=gpu.vram.amount / gpu.count,
        price_per_hour=size.price_hourly,
        currency="USD",
        available=False,
        vcpus=size.vcpus,
        host_memory_gb=size.memory / 1024,
        disk_gb=sum(disk.size.amount for disk in size.disk_info) or None,
        network_gbit_s=size.networking_throughput and size.networking_throughput / 1000,
    )
    for region in size.regions:
        yield replace(anywhere, region=region, country=COUNTRIES.get(region[:3]), available=size.available)
    if not size.regions:
        yield anywhere
