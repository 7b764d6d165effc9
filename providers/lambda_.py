"""Lambda: one price per machine type, the same wherever it is sold, in US cents per whole machine and hour.

A type with no free capacity is still on the price list, so it is reported as
unavailable rather than left out: its price is real, only its stock is not.
The list also holds machines without a GPU. Memory and form factor of the GPU
stand in its description only: "A100 (80 GB SXM4)".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, Provider, get_json, narrow
from providers.words import memory_in


class Region(msgspec.Struct):
    name: str


class Specs(msgspec.Struct):
    gpus: int


class InstanceType(msgspec.Struct):
    name: str
    gpu_description: str
    price_cents_per_hour: Decimal
    specs: Specs


class Listing(msgspec.Struct):
    instance_type: InstanceType
    regions_with_capacity_available: list[Region]


class PriceList(msgspec.Struct):
    data: dict[str, Listing]


class Lambda(Provider):
    name = "Lambda"
    pricing_page = "https://lambda.ai/pricing"
    calls = {"instance_types": PriceList}
    auth = Bearer("LAMBDA_API_KEY")  # the name in the vendor's own documentation
    url = "https://cloud.lambda.ai/api/v1/instance-types"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [Answer("instance_types", await get_json(client, self.url, headers=headers))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            price_list: PriceList = narrow(answer.body, PriceList)
            yield from (offer_of(listing) for listing in price_list.data.values() if listing.instance_type.specs.gpus)


def offer_of(listing: Listing) -> Offer:
    machine = listing.instance_type
    return Offer(
        instance_type=machine.name,
        gpu=machine.gpu_description,
        gpu_count=machine.specs.gpus,
        gpu_memory_gb=memory_in(machine.gpu_description),
        price_per_hour=machine.price_cents_per_hour / 100,
        currency="USD",
        region=None,  # one price everywhere
        available=bool(listing.regions_with_capacity_available),
    )
