"""Prime Intellect: other clouds' machines for whole prices per hour; whose they are stands beside each.

`onDemand` is the price of the whole machine with its smallest disk, also where `isSpot` says that it may be interrupted
(then it is a spot price). What is offered by the community has a price of its own. Left out are machines without a GPU,
and those that are paid some hours ahead (`prepaidTime`): neither on demand nor for months. `gpuMemory` is of one GPU or
of all, so it is read from the type, "A100_80GB", whose form factor stands in `socket`.

The summary is the cheapest of each type, region and number of GPUs, without form factor or owner. It is only read where
it is handed over; its `cheapest` repeats one of the regions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, PayloadChanged, Provider, PurchaseOption, get_json, narrow
from providers.words import country_in, in_form, in_usual_form, link, memory_in, seller_slug

PER_PAGE = 100  # the most that the API gives


class Amount(msgspec.Struct, rename="camel"):
    default_count: float | None = None


class Prices(msgspec.Struct, rename="camel"):
    on_demand: Decimal | None
    currency: str
    community_price: Decimal | None = None


class Machine(msgspec.Struct, rename="camel"):
    cloud_id: str
    gpu_type: str
    provider: str
    gpu_count: int
    prices: Prices
    is_spot: bool | None
    socket: str | None = None
    region: str | None = None
    data_center: str | None = None
    country: str | None = None
    security: str | None = None
    stock_status: str | None = None
    prepaid_time: float | None = None
    vcpu: Amount | None = None
    memory: Amount | None = None


class Availability(msgspec.Struct, rename="camel"):
    items: list[Machine]
    total_count: int


class Cheapest(msgspec.Struct, rename="camel"):
    on_demand: Decimal | None
    community_price: Decimal | None
    spot_price: Decimal | None


Summary = dict[str, dict[str, dict[str, Cheapest]]]  # type -> number of GPUs -> region


class Tier(NamedTuple):
    price: Decimal | None
    name: str | None
    pricing: PurchaseOption


class PrimeIntellect(Provider):
    name = "Prime Intellect"
    pricing_page = "https://www.primeintellect.ai/pricing"
    calls = {"gpus": Availability, "gpu_summary": Summary}
    auth = Bearer("PRIME_API_KEY")  # the name in the vendor's own client
    interval = timedelta(minutes=30)
    url = "https://api.primeintellect.ai/api/v1/availability/gpus"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        answers: list[Answer] = []
        seen, total = 0, 1
        while seen < total:
            asked = {"page": str(len(answers) + 1), "page_size": str(PER_PAGE)}
            answers.append(Answer("gpus", await get_json(client, self.url, params=asked, headers=headers), asked))
            page: Availability = narrow(answers[-1].body, Availability)
            seen += len(page.items)
            total = page.total_count if page.items else 0
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            if answer.call == "gpus":
                for machine in narrow(answer.body, Availability).items:
                    yield from offers_of(machine)
            else:
                yield from read_summary(narrow(answer.body, Summary))


def offers_of(machine: Machine) -> Iterator[Offer]:
    if machine.prepaid_time or machine.gpu_type == "CPU_NODE":
        return
    pricing = PurchaseOption.SPOT if machine.is_spot else PurchaseOption.ON_DEMAND
    tier = machine.security.removesuffix("_cloud") if machine.security else None
    yield from (
        offer_of(machine, sold)
        for sold in (
            Tier(machine.prices.on_demand, tier, pricing),
            Tier(machine.prices.community_price, "community", pricing),
        )
        if sold.price
    )


def offer_of(machine: Machine, sold: Tier) -> Offer:
    status, seller = machine.stock_status, seller_slug(machine.provider)
    return Offer(
        instance_type=machine.cloud_id,
        gpu=in_usual_form(in_form(machine.gpu_type, machine.socket), seller),
        gpu_count=machine.gpu_count,
        gpu_memory_gb=memory_in(machine.gpu_type),
        price_per_hour=sold.price or Decimal(0),
        currency=machine.prices.currency,
        pricing=sold.pricing,
        region=machine.data_center or machine.region or None,
        country=machine.country or None,
        tier=sold.name,
        available=None if status is None else status != "Unavailable",
        vcpus=machine.vcpu.default_count if machine.vcpu else None,
        host_memory_gb=machine.memory.default_count if machine.memory else None,
        interconnect=link(machine.gpu_count, machine.socket),
        seller=seller,
    )


def read_summary(summary: Mapping[str, Mapping[str, Mapping[str, Cheapest]]]) -> Iterator[Offer]:
    if not summary:
        raise PayloadChanged("the summary is empty - at `$`")
    for gpu_type, counts in summary.items():
        for count, regions in counts.items():
            if not re.fullmatch("[0-9]{1,4}", count):
                raise PayloadChanged(f"{count!r} is no number of GPUs - at `$[...]`")
            for region, cheapest in regions.items():
                if region != "cheapest":
                    yield from cheapest_offers(gpu_type, int(count), region, cheapest)


def cheapest_offers(gpu_type: str, count: int, region: str, cheapest: Cheapest) -> Iterator[Offer]:
    tiers = (
        Tier(cheapest.on_demand, None, PurchaseOption.ON_DEMAND),
        Tier(cheapest.community_price, "community", PurchaseOption.ON_DEMAND),
        Tier(cheapest.spot_price, None, PurchaseOption.SPOT),
    )
    for price, tier, pricing in tiers:
        if price and not (pricing is PurchaseOption.SPOT and price == cheapest.on_demand):
            yield Offer(
                instance_type=gpu_type,
                gpu=gpu_type,
                gpu_count=count,
                gpu_memory_gb=memory_in(gpu_type),
                price_per_hour=price,
                currency="USD",
                pricing=pricing,
                region=region,
                country=country_in(region),
                tier=tier,
            )
