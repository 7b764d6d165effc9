"""Seeweb: a price per machine and hour in euros without tax, in data centres in Italy and Switzerland.

The list does not say its currency; Seeweb's price page is in euros. Counts and sizes are text, memory is in MB.
Machines without a GPU are in the same list. A plan without a region can be ordered nowhere now, but its price stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Header, Offer, Provider, get_json, narrow
from providers.words import country_before


class Place(msgspec.Struct):
    location: str  # it-fr2: country, town, number


class Plan(msgspec.Struct):
    name: str
    cpu: float
    ram: float
    disk: float
    gpu: int
    gpu_label: str | None
    hourly_price: Decimal
    available: bool
    available_regions: list[Place]


class Plans(msgspec.Struct):
    plans: list[Plan]


class Seeweb(Provider):
    name = "Seeweb"
    pricing_page = "https://www.seeweb.it/en/products/cloud-server-gpu"
    calls = {"plans": Plans}
    auth = Header("SEEWEB_API_TOKEN", header="X-APITOKEN")
    url = "https://api.seeweb.it/ecs/v2/plans"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("plans", await get_json(client, self.url, headers=self.auth.headers(self.secrets)))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for plan in narrow(answer.body, Plans).plans:
                if plan.gpu:
                    yield from offers_of(plan)


def offers_of(plan: Plan) -> Iterator[Offer]:
    anywhere = Offer(
        instance_type=plan.name,
        gpu=plan.gpu_label or plan.name,
        gpu_count=plan.gpu,
        price_per_hour=plan.hourly_price,
        currency="EUR",
        vcpus=plan.cpu,
        host_memory_gb=plan.ram / 1024,
        disk_gb=plan.disk,
        available=plan.available and bool(plan.available_regions),
    )
    for place in plan.available_regions:
        yield replace(anywhere, region=place.location, country=country_before(place.location))
    if not plan.available_regions:
        yield anywhere
