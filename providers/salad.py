"""SaladCloud: containers on other people's PCs, at a price per GPU class and hour for each of four priorities.

Only "high" is not interrupted by whoever pays more, so the three below it are spot; any of them ends when its PC is
switched off (https://docs.salad.com, "priority pricing"). A GPU's price includes vCPUs and RAM, of which the class's
maximum is given here (the same, "billing", April 2026; they were on top before). RAM is in MB; storage, in bytes, is
scratch space. Memory of the GPU stands in the name. The list is read for an organisation, named beside the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import httpx
import msgspec

from providers.base import Answer, Keys, Offer, Provider, PurchaseOption, get_json, narrow
from providers.words import memory_in


class Price(msgspec.Struct):
    priority: str
    price: Decimal


class GpuClass(msgspec.Struct):
    name: str
    prices: list[Price]
    gpu_count: int = 1
    max_vcpu: int | None = None
    max_ram: float | None = None


class GpuClasses(msgspec.Struct):
    items: list[GpuClass]


class Salad(Provider):
    name = "SaladCloud"
    pricing_page = "https://salad.com/pricing"
    calls = {"gpu_classes": GpuClasses}
    auth = Keys(("SALAD_API_KEY", "SALAD_ORGANIZATION"))  # the names in the vendor's own tools
    interval = timedelta(hours=1)
    url = "https://api.salad.com/api/public/organizations/{organization}/gpu-classes"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        key, organization = (self.secrets[variable] for variable in self.auth.variables)
        url = self.url.format(organization=quote(organization, safe=""))
        return [Answer("gpu_classes", await get_json(client, url, headers={"Salad-Api-Key": key}))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for gpu in narrow(answer.body, GpuClasses).items:
                yield from (offer_of(gpu, price) for price in gpu.prices if price.price)


def offer_of(gpu: GpuClass, price: Price) -> Offer:
    return Offer(
        instance_type=gpu.name,
        gpu=gpu.name,
        gpu_count=gpu.gpu_count,
        gpu_memory_gb=memory_in(gpu.name),
        price_per_hour=price.price,
        currency="USD",
        pricing=PurchaseOption.ON_DEMAND if price.priority == "high" else PurchaseOption.SPOT,
        tier=price.priority,
        vcpus=gpu.max_vcpu,
        host_memory_gb=gpu.max_ram / 1024 if gpu.max_ram else None,
    )
