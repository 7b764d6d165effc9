"""Vultr: plans for virtual machines and for bare metal, each at a price per hour that some places have of their own.

Most plans with GPUs are slices of one ("1/8", or less memory than the card has) and are left out. Newer plans say how
many GPUs they have; from the others it follows from their memory, and where a plan names no GPU at all, as on bare
metal, from its id: "vbm-256c-2048gb-8-mi300x-gpu". A plan may be for sale on demand, preemptible or both; what is not
for sale that way costs 0, or `deploy_ondemand` says so beside a price that nobody can rent at.

`locations` is where a plan is meant to be, not where it is free. That is told to those with a key (others get an empty
list), so with VULTR_API_KEY each region is asked; a region without any plan has not said anything. A key may be good
from some addresses only: where it is refused, the prices stay without stock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import httpx
import msgspec

from providers.base import (
    Answer,
    Bearer,
    CredentialsRefused,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    each,
    get_json,
    narrow,
)
from providers.words import in_usual_form

PER_PAGE = 500  # the most that the API gives

# GB of one GPU as Vultr counts it; its A100 have 80 (https://www.vultr.com/pricing/#cloud-gpu, as of 2026-11)
MEMORY_GB = {
    "a16": 16,
    "a40": 48,
    "a100": 80,
    "b200": 192,
    "gh200": 96,
    "h100": 80,
    "h200": 141,
    "l40s": 48,
    "mi300x": 192,
    "mi325x": 256,
    "mi355x": 288,
}
COUNTS = {"vcg-mi325x-252c-2872g-1536vram": 8}  # its id does not agree with the card's 256 GB
CARDS = {"l40": "l40s"}  # in the ids of bare metal
CLOUD = re.compile(r"vcg-(?P<gpu>[a-z0-9]+)-\d+c-\d+gb?-(?P<vram>\d+)vram")
METAL = re.compile(r"vbm-\d+c-\d+gb(?:-(?P<count>\d+))?-(?P<gpu>[a-z0-9]+)-gpu")


class Cost(msgspec.Struct):
    hourly_cost: Decimal | None = None
    hourly_cost_preemptible: Decimal | None = None


class Plan(msgspec.Struct):
    id: str
    hourly_cost: Decimal
    locations: list[str]
    ram: float  # MB
    disk: float
    disk_count: float = 1
    vcpu_count: float | None = None
    cpu_threads: float | None = None
    gpu_type: str | None = None  # NVIDIA_A100
    gpu_vram_gb: float | None = None  # of all its GPUs
    gpu_count: int | str | None = None  # "1/8"
    hourly_cost_preemptible: Decimal | None = None
    deploy_ondemand: bool = True
    deploy_preemptible: bool = True
    location_cost: dict[str, Cost] | list[Any] | None = None  # an empty one may be a list


class CloudPlans(msgspec.Struct):
    plans: list[Plan]


class MetalPlans(msgspec.Struct):
    plans_metal: list[Plan]


class Region(msgspec.Struct):
    id: str
    country: str


class Regions(msgspec.Struct):
    regions: list[Region]


class Stock(msgspec.Struct):
    available_plans: list[str]


class Links(msgspec.Struct):
    next: str


class Meta(msgspec.Struct):
    links: Links


class Paged(msgspec.Struct):
    meta: Meta  # must be there: part of a list must not pass for the whole


class Gpus(NamedTuple):
    name: str
    gpu_count: int
    memory_gb: float | None


class Vultr(Provider):
    name = "Vultr"
    pricing_page = "https://www.vultr.com/pricing/"
    calls = {"plans": CloudPlans, "plans_metal": MetalPlans, "regions": Regions, "stock": Stock}
    auth = Bearer("VULTR_API_KEY")
    auth_is_optional = True
    url = "https://api.vultr.com/v2"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        regions = await self.pages(client, "regions", "regions")
        plans = await self.pages(client, "plans", "plans")
        metal = await self.pages(client, "plans-metal", "plans_metal")
        return [*regions, *plans, *metal, *await self.stock(client, regions)]

    async def pages(self, client: httpx.AsyncClient, path: str, call: str) -> list[Answer]:
        """Every page of a list; each names the next by a cursor."""
        answers: list[Answer] = []
        asked = {"per_page": str(PER_PAGE)}
        while "cursor" not in asked or asked["cursor"]:
            if any(asked == answer.parameters for answer in answers):
                raise PayloadChanged(f"the page {asked['cursor']!r} is followed by itself - at `$.meta.links.next`")
            answers.append(Answer(call, await get_json(client, f"{self.url}/{path}", params=asked), asked))
            asked = {**asked, "cursor": narrow(answers[-1].body, Paged).meta.links.next}
        return answers

    async def stock(self, client: httpx.AsyncClient, regions: Sequence[Answer]) -> list[Answer]:
        """What each region has free, if there is a key to ask with."""
        if not self.secrets.get(self.auth.variable):
            return []
        headers = self.auth.headers(self.secrets)

        async def of_one(region: Region) -> Answer:
            body = await get_json(client, f"{self.url}/regions/{region.id}/availability", headers=headers)
            return Answer("stock", body, {"region": region.id})

        listed = [region for answer in regions for region in narrow(answer.body, Regions).regions]
        try:
            return await each(listed, of_one)
        except CredentialsRefused:
            return []

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if not {answer.call for answer in answers} & {"plans", "plans_metal"}:
            raise PayloadChanged("regions and stock alone hold no prices: `plans` or `plans_metal` is missing")
        plans: list[Plan] = []
        countries: dict[str, str] = {}
        free: dict[str, set[str]] = {}
        for answer in answers:
            listed = narrow(answer.body, self.calls[answer.call])
            if isinstance(listed, CloudPlans):
                plans += listed.plans
            elif isinstance(listed, MetalPlans):
                plans += listed.plans_metal
            elif isinstance(listed, Regions):
                countries |= {region.id: region.country for region in listed.regions}
            elif isinstance(listed, Stock) and listed.available_plans:
                free[answer.parameters.get("region", "")] = set(listed.available_plans)
        for plan in plans:
            if gpus := gpus_of(plan):
                for region in [place for place in plan.locations if place] or [""]:
                    available = plan.id in free[region] if region in free else None
                    yield from offers_of(plan, gpus, region or None, countries.get(region), available)


def gpus_of(plan: Plan) -> Gpus | None:
    """Its GPUs; None if it has none or a slice of one."""
    metal, cloud = METAL.fullmatch(plan.id), CLOUD.fullmatch(plan.id)
    named = metal or cloud
    gpu = plan.gpu_type or (named["gpu"] if named else "none")
    if gpu.casefold() == "none":
        return None
    card = re.sub(r"^(nvidia_|amd_|hgx_)+|_sxm\d?$", "", gpu.casefold())
    card = CARDS.get(card, card) if metal else card
    each_gb = MEMORY_GB.get(card)
    total_gb = plan.gpu_vram_gb or (float(cloud["vram"]) if cloud else None)
    if "/" in str(plan.gpu_count) or (each_gb and total_gb and total_gb < each_gb):
        return None
    if said := re.fullmatch(r"\d{1,4}", str(COUNTS.get(plan.id, plan.gpu_count))):
        count = int(said[0])
    elif metal:
        count = int(metal["count"] or 1)
    else:
        count = round(total_gb / each_gb) if total_gb and each_gb and isfinite(total_gb) else 1
    name = card if metal else in_usual_form(card, "vultr")
    return Gpus(name, count, each_gb or (total_gb / count if total_gb and count else None)) if count > 0 else None


def offers_of(
    plan: Plan, gpus: Gpus, region: str | None, country: str | None, available: bool | None
) -> Iterator[Offer]:
    own: Mapping[str, Cost] = plan.location_cost if isinstance(plan.location_cost, dict) else {}
    here = own.get(region or "", Cost())
    on_demand = here.hourly_cost or plan.hourly_cost
    preemptible = here.hourly_cost_preemptible or plan.hourly_cost_preemptible or Decimal(0)
    for pricing, price, is_sold in (
        (PurchaseOption.ON_DEMAND, on_demand, plan.deploy_ondemand),
        (PurchaseOption.SPOT, preemptible, plan.deploy_preemptible and preemptible != on_demand),
    ):
        if is_sold and price > 0:
            yield Offer(
                instance_type=plan.id,
                gpu=gpus.name,
                gpu_count=gpus.gpu_count,
                gpu_memory_gb=gpus.memory_gb,
                price_per_hour=price,
                currency="USD",
                pricing=pricing,
                region=region,
                country=country,
                available=available,
                vcpus=plan.vcpu_count or plan.cpu_threads,
                host_memory_gb=plan.ram / 1024,
                disk_gb=plan.disk * plan.disk_count,
            )
