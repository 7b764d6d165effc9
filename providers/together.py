"""Together AI: what a dedicated endpoint costs, in cents per whole machine and MINUTE.

It is the price of a machine that serves a model, not of one to log in to; the tier says so. Stock is told per model
only, so most answers do not have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, PayloadChanged, Provider, get_json, narrow
from providers.words import in_form, link


class Pricing(msgspec.Struct):
    cents_per_minute: Decimal


class Specs(msgspec.Struct):
    gpu_type: str
    gpu_link: str  # sxm, pcie
    gpu_memory: float  # of one GPU
    gpu_count: int


class Availability(msgspec.Struct):
    status: str  # available, unavailable, insufficient


class Hardware(msgspec.Struct):
    id: str
    pricing: Pricing
    specs: Specs
    availability: Availability | None = None


class HardwareList(msgspec.Struct):
    data: list[Hardware]


class Together(Provider):
    name = "Together AI"
    pricing_page = "https://www.together.ai/pricing"
    calls = {"hardware": HardwareList}
    auth = Bearer("TOGETHER_API_KEY")
    url = "https://api.together.ai/v1/hardware"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [Answer("hardware", await get_json(client, self.url, headers=headers))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        listed = [hardware for answer in answers for hardware in narrow(answer.body, HardwareList).data]
        if not listed:
            raise PayloadChanged("the list is empty - at `$.data`")
        yield from (offer(hardware) for hardware in listed if hardware.pricing.cents_per_minute > 0)


def offer(hardware: Hardware) -> Offer:
    has = hardware.specs
    return Offer(
        instance_type=hardware.id,
        gpu=in_form(has.gpu_type, has.gpu_link),
        gpu_count=has.gpu_count,
        gpu_memory_gb=has.gpu_memory,
        price_per_hour=hardware.pricing.cents_per_minute * 60 / 100,
        currency="USD",
        tier="dedicated endpoint",
        available=hardware.availability.status == "available" if hardware.availability else None,
        interconnect=link(has.gpu_count, has.gpu_link),
    )
