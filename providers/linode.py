"""Linode (Akamai): a price per machine and hour, higher in some regions; where it stands and is free in two more lists.

`region_prices` replaces the base price in its region. GPU and count stand in the label only ("Dedicated 32GB + RTX6000
GPU x1", where 32 GB is the RAM); machines without a GPU are in the same list. Memory and disk are in MiB, network in
Mbit/s. The regions are those that say to have GPUs; without them a machine is offered once at its base price, and once
in each region that has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, bodies_of, get_json, narrow

PER_PAGE = 500  # the most that the API gives
PATHS = {"types": "linode/types", "regions": "regions", "availability": "regions/availability"}
GPU = re.compile(r"(?:Dedicated \d+ ?GB \+ )?(.+?)(?: GPU)? x\d+\b")


class Price(msgspec.Struct):
    hourly: Decimal


class RegionPrice(msgspec.Struct):
    id: str
    hourly: Decimal


class Type(msgspec.Struct):
    id: str
    label: str
    gpus: int
    price: Price
    region_prices: list[RegionPrice]
    vcpus: float
    memory: float
    disk: float
    network_out: float


class Types(msgspec.Struct):
    data: list[Type]
    pages: int


class Region(msgspec.Struct):
    id: str
    country: str
    capabilities: list[str]


class Regions(msgspec.Struct):
    data: list[Region]
    pages: int


class Stock(msgspec.Struct):
    region: str
    plan: str
    available: bool


class Availability(msgspec.Struct):
    data: list[Stock]
    pages: int


class Pages(msgspec.Struct):
    pages: int


class Linode(Provider):
    name = "Linode"
    pricing_page = "https://www.linode.com/pricing/"
    calls = {"types": Types, "regions": Regions, "availability": Availability}
    interval = timedelta(hours=12)
    url = "https://api.linode.com/v4"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [answer for call in self.calls for answer in await self.pages(client, call)]

    async def pages(self, client: httpx.AsyncClient, call: str) -> list[Answer]:
        answers: list[Answer] = []
        count = 1
        while len(answers) < count:
            asked = {"page": str(len(answers) + 1), "page_size": str(PER_PAGE)}
            body = await get_json(client, f"{self.url}/{PATHS[call]}", params=asked)
            count = narrow(body, Pages).pages
            answers.append(Answer(call, body, {"page": asked["page"]}))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "types" for answer in answers):
            raise PayloadChanged("regions alone hold no prices: the answer of linode/types is missing")
        regions = [region for page in bodies_of(answers, "regions", Regions) for region in page.data]
        countries = {region.id: region.country.upper() for region in regions if "GPU Linodes" in region.capabilities}
        places: dict[str, dict[str, bool]] = {}
        for stock in (stock for page in bodies_of(answers, "availability", Availability) for stock in page.data):
            if stock.region in countries:
                places.setdefault(stock.plan, {})[stock.region] = stock.available
        for machine in (machine for page in bodies_of(answers, "types", Types) for machine in page.data):
            if machine.gpus:
                yield from offers_of(machine, places.get(machine.id, {}), countries)


def offers_of(machine: Type, places: Mapping[str, bool], countries: Mapping[str, str]) -> Iterator[Offer]:
    found = GPU.match(machine.label)
    base = Offer(
        instance_type=machine.id,
        gpu=found[1] if found else machine.id,
        gpu_count=machine.gpus,
        price_per_hour=machine.price.hourly,
        currency="USD",
        vcpus=machine.vcpus,
        host_memory_gb=machine.memory / 1024,
        disk_gb=machine.disk / 1024,
        network_gbit_s=machine.network_out / 1000,
    )
    own = {price.id: price.hourly for price in machine.region_prices}
    if not places:
        yield base
    for region in places or own:
        price = own.get(region, base.price_per_hour)
        yield replace(
            base, region=region, country=countries.get(region), price_per_hour=price, available=places.get(region)
        )
