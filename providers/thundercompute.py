"""Thunder Compute: one price per configuration, "h100_x2_production" being two H100 at the price of both.

Production is a machine of one's own; prototyping is cheaper, shares its GPU over the network and cannot do all of CUDA:
the tier tells them apart. What is included stands in a second list under the same names, where it may be missing. The
smallest number of processors is included, more cost extra, and so do disks: those prices stand among the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, bodies_of, get_json

CONFIGURATION = re.compile(r"(?P<gpu>\w+)_x(?P<count>\d+)_(?P<mode>prototyping|production)")
NAMES = {  # in the client's words, thunder-cli 2026-04
    "a100": "A100 40GB",
    "a100xl": "A100 80GB",
    "a6000": "RTX A6000",
    "h100": "H100 PCIe",  # as gpurentalprices.com reads it on the price page, 2026-08
}


class Specs(msgspec.Struct, rename="camel"):
    vram_gb: float = msgspec.field(name="vramGB")  # of one GPU
    vcpu_options: list[int]
    ram_per_vcpu_gib: float = msgspec.field(name="ramPerVCPUGiB")


class AllSpecs(msgspec.Struct):
    specs: dict[str, Specs]


class Prices(msgspec.Struct):
    pricing: dict[str, Decimal]


class ThunderCompute(Provider):
    name = "Thunder Compute"
    pricing_page = "https://www.thundercompute.com/pricing"
    calls = {"pricing": Prices, "specs": AllSpecs}
    url = "https://api.thundercompute.com:8443/v1"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer(call, await get_json(client, f"{self.url}/{call}")) for call in self.calls]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        lists, details = bodies_of(answers, "pricing", Prices), bodies_of(answers, "specs", AllSpecs)
        prices = {name: price for listed in lists for name, price in listed.pricing.items()}
        specs = {name: has for listed in details for name, has in listed.specs.items()}
        if not any(map(CONFIGURATION.fullmatch, prices)):
            raise PayloadChanged("no configuration has a price - at `$.pricing`")
        for name, price in prices.items():
            if (found := CONFIGURATION.fullmatch(name)) and price > 0 and int(found["count"]) > 0:
                yield offer(name, found, price, specs.get(name))


def offer(name: str, found: re.Match[str], price: Decimal, specs: Specs | None) -> Offer:
    vcpus = min(specs.vcpu_options, default=None) if specs else None
    return Offer(
        instance_type=name,
        gpu=NAMES.get(found["gpu"], found["gpu"]),
        gpu_count=int(found["count"]),
        gpu_memory_gb=specs.vram_gb if specs else None,
        price_per_hour=price,
        currency="USD",
        tier=found["mode"],
        vcpus=vcpus,
        host_memory_gb=vcpus * specs.ram_per_vcpu_gib if vcpus and specs else None,
    )
