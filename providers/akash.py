"""Akash Network: what its providers ask for one GPU, as the network's own console sums it up.

The list has statistics per GPU model, memory and interface: of what each provider asked, at best, for deployments with
one GPU within 31 days, processor and memory included. Nobody sells at exactly such a price. What is read is the median:
half of the providers asked no more. The least is often one machine that is taken. A price of null means that nobody
asked any. `priceUakt` is the same in the network's own coin. Memory has a unit ("80Gi") or, from a provider that
reports it wrongly, none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, Provider, get_json, narrow


class Statistics(msgspec.Struct):
    currency: str
    med: Decimal


class Availability(msgspec.Struct):
    available: int  # GPUs


class Model(msgspec.Struct):
    vendor: str
    model: str
    ram: str
    interface: str
    availability: Availability
    price: Statistics | None


class GpuPrices(msgspec.Struct):
    models: list[Model]


class Akash(Provider):
    name = "Akash Network"
    pricing_page = "https://akash.network/pricing/gpus/"
    calls = {"gpu_prices": GpuPrices}
    interval = timedelta(hours=1)
    url = "https://console-api.akash.network/v1/gpu-prices"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("gpu_prices", await get_json(client, self.url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            prices: GpuPrices = narrow(answer.body, GpuPrices)
            yield from (offer_of(model, model.price) for model in prices.models if model.price and model.price.med)


def offer_of(model: Model, price: Statistics) -> Offer:
    memory = re.fullmatch(r"(\d{1,6})Gi", model.ram)
    form = model.interface if re.match("sxm|pci|oam|nvl", model.interface, re.IGNORECASE) else ""  # "Nothsure" (H200)
    return Offer(
        instance_type=f"{model.model} {model.ram} {model.interface}",
        gpu=f"{model.vendor} {model.model} {form}".strip(),
        gpu_count=1,
        gpu_memory_gb=float(memory[1]) if memory else None,
        price_per_hour=price.med,
        currency=price.currency.upper(),
        tier="median ask",
        available=model.availability.available > 0,
        count_is_derived=True,
    )
