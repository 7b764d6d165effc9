"""Latitude.sh: whole servers by country, by the hour or for a month or a year, whose prices are totals of the term.

The same plans stand in the API, which wants a token, and in the price page, which carries them as escaped text in
pieces (Next.js); the page is read where LATITUDESH_AUTH_TOKEN is not set. `regions` are countries, `locations` the
sites there: `available` are those that could have the plan, `in_stock` those that have it now. A price of null or 0 is
none. Dollars and reais are two lists of their own, not one converted: dollars are read, reais where there are none.
`gpu` is empty in plans without one. Several disks and network cards are in the price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    Answer,
    Header,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    get,
    get_json,
    narrow,
)
from providers.pages import carried_by
from providers.words import country_in, in_form, in_usual_form, link

PER_PAGE = 100
HOURS = {1: Decimal(730), 12: Decimal(8760)}  # of a term in months; by Latitude's own figures a month has 730


class Gpu(msgspec.Struct):
    count: int
    type: str
    vram_per_gpu: float | None
    interconnect: str | None = None


class Cpu(msgspec.Struct):
    cores: float  # of all sockets together


class Memory(msgspec.Struct):
    total: float


class Part(msgspec.Struct):
    count: int
    size: str | None = None  # of a disk: "3.8TB"
    type: str | None = None  # of a network card: "2 x 10 Gbps"


class Specs(msgspec.Struct):
    gpu: dict[str, object] | None  # empty without one: see Gpu
    cpu: Cpu
    memory: Memory
    drives: list[Part]
    nics: list[Part]


class Locations(msgspec.Struct):
    in_stock: list[str]


class Price(msgspec.Struct):
    hour: Decimal | None
    month: Decimal | None
    year: Decimal | None


class Region(msgspec.Struct):
    name: str
    locations: Locations
    pricing: dict[str, Price]


class Attributes(msgspec.Struct):
    name: str
    specs: Specs
    regions: list[Region]


class Plan(msgspec.Struct):
    attributes: Attributes


class Plans(msgspec.Struct):
    data: list[Plan]


class Carried(msgspec.Struct):
    """What the page carries."""

    servers: list[Plan]


class Latitude(Provider):
    name = "Latitude.sh"
    pricing_page = "https://www.latitude.sh/pricing"
    calls = {"plans": Plans, "page": str}
    auth = Header("LATITUDESH_AUTH_TOKEN")  # the name in the vendor's own Terraform provider
    auth_is_optional = True
    url = "https://api.latitude.sh/plans"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        if not self.secrets.get(self.auth.variable):
            return [Answer("page", (await get(client, self.pricing_page)).text)]
        answers: list[Answer] = []
        plans = PER_PAGE
        while plans == PER_PAGE:
            page = {"page[size]": str(PER_PAGE), "page[number]": str(len(answers) + 1)}
            asked = {"filter[gpu]": "true", **page}
            body = await get_json(client, self.url, params=asked, headers=self.auth.headers(self.secrets))
            if answers and body == answers[-1].body:
                raise PayloadChanged("the next page is the last once more - at `$.data`")
            answers.append(Answer("plans", body, page))
            plans = len(narrow(body, Plans).data)
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for plan in plans_in(answer):
                if plan.attributes.specs.gpu:
                    gpu: Gpu = narrow(plan.attributes.specs.gpu, Gpu)
                    yield from offers_of(plan.attributes, gpu)


def plans_in(answer: Answer) -> list[Plan]:
    if answer.call == "page":
        carried: Carried = narrow(carried_by(answer.body, "plansData"), Carried)
        return carried.servers
    listed: Plans = narrow(answer.body, Plans)
    return listed.data


def offers_of(plan: Attributes, gpu: Gpu) -> Iterator[Offer]:
    for region in plan.regions:
        for currency in ("USD", "BRL"):
            offers = list(offers_in(plan, gpu, region, currency, region.pricing.get(currency)))
            yield from offers
            if offers:
                break


def offers_in(plan: Attributes, gpu: Gpu, region: Region, currency: str, price: Price | None) -> Iterator[Offer]:
    """What a plan costs in a country: by the hour, and for the terms as an hour of theirs."""
    if price and price.hour:
        yield offer(plan, gpu, region, price.hour, currency)
    for months, total in ((1, price.month), (12, price.year)) if price else ():
        if total:
            hourly = Decimal(f"{total / HOURS[months]:.6f}").normalize()
            yield offer(plan, gpu, region, hourly, currency, PurchaseOption.RESERVED, months)


def offer(
    plan: Attributes,
    gpu: Gpu,
    region: Region,
    price: Decimal,
    currency: str,
    pricing: PurchaseOption = PurchaseOption.ON_DEMAND,
    months: int | None = None,
) -> Offer:
    specs, named = plan.specs, in_form(gpu.type, gpu.interconnect)
    return Offer(
        instance_type=plan.name,
        gpu=in_usual_form(named, "latitude") if gpu.count == 1 else named,
        gpu_count=gpu.count,
        gpu_memory_gb=gpu.vram_per_gpu,
        price_per_hour=price,
        currency=currency,
        pricing=pricing,
        term_months=months,
        region=region.name,
        country=country_in(region.name),
        available=bool(region.locations.in_stock),
        vcpus=specs.cpu.cores,
        host_memory_gb=specs.memory.total,
        disk_gb=sum(drive.count * gigabytes(drive.size) for drive in specs.drives) or None,
        interconnect=link(gpu.count, gpu.interconnect, "nvlink" in gpu.type.casefold()),
        network_gbit_s=sum(nic.count * gigabits(nic.type) for nic in specs.nics) or None,
    )


def gigabytes(size: str | None) -> float:
    """The 3800 of "3.8TB"; 0 of what is not said so."""
    found = re.fullmatch(r"([\d.]{1,9}) ?(T|G)B", size or "")
    return float(found[1]) * (1000 if found[2] == "T" else 1) if found else 0


def gigabits(speed: str | None) -> float:
    """The 20 of "2 x 10 Gbps"; 0 of what is not said so."""
    found = re.fullmatch(r"(?:(\d{1,3}) x )?(\d{1,5}) ?Gbps", speed or "")
    return float(found[2]) * int(found[1] or 1) if found else 0
