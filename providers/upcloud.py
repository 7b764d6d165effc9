"""UpCloud: plans in one answer, what each costs per zone in another, joined by the plan's name.

A price is in cents per hour of `amount` units, net of tax, in the currency of the account: euros unless the answer says
otherwise. A plan that a zone does not sell has no price there. Plans with "SPOT" in their name are the same machines
interruptible; they are offered under the plan's name without it. Plans with GPUs come without a disk. How many are free
stands in a call per zone that is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, PayloadChanged, Provider, PurchaseOption, bodies_of, get_json, narrow
from providers.words import country_before

PRICE_OF = "server_plan_"


class Plan(msgspec.Struct):
    name: str
    core_number: float
    memory_amount: float  # MiB
    storage_size: float
    gpu_amount: int = 0
    gpu_model: str | None = None


class PlanList(msgspec.Struct):
    plan: list[Plan]


class Plans(msgspec.Struct):
    plans: PlanList


class Price(msgspec.Struct):
    amount: Decimal
    price: Decimal


class ZoneList(msgspec.Struct):
    zone: list[dict[str, object]]  # a name and a price for everything that is sold there
    currency: str = "EUR"


class Prices(msgspec.Struct):
    prices: ZoneList


class UpCloud(Provider):
    name = "UpCloud"
    pricing_page = "https://upcloud.com/pricing/"
    calls = {"plans": Plans, "prices": Prices}
    auth = Bearer("UPCLOUD_TOKEN")
    url = "https://api.upcloud.com/1.3"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [
            Answer("plans", await get_json(client, f"{self.url}/plan", headers=headers)),
            Answer("prices", await get_json(client, f"{self.url}/price", headers=headers)),
        ]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if {answer.call for answer in answers} != set(self.calls):
            raise PayloadChanged("plans and prices are needed together: the answers of 1.3/plan and 1.3/price")
        plans = [plan for listed in bodies_of(answers, "plans", Plans) for plan in listed.plans.plan]
        for listed in bodies_of(answers, "prices", Prices):
            for zone in listed.prices.zone:
                for plan in plans:
                    if plan.gpu_amount > 0 and PRICE_OF + plan.name in zone:
                        yield from offers_of(plan, zone, listed.prices.currency)


def offers_of(plan: Plan, zone: dict[str, object], currency: str) -> Iterator[Offer]:
    """The plan in a zone, unless it costs nothing there."""
    place = narrow(zone.get("name"), str)
    price: Price = narrow(zone[PRICE_OF + plan.name], Price)
    if price.price <= 0 or price.amount <= 0:
        return
    spot = "-SPOT-" in plan.name
    yield Offer(
        instance_type=plan.name.replace("-SPOT-", "-"),
        gpu=plan.gpu_model or plan.name,
        gpu_count=plan.gpu_amount,
        price_per_hour=price.price / price.amount / 100,
        currency=currency.upper(),
        pricing=PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND,
        region=place,
        country=country_before(place),
        vcpus=plan.core_number,
        host_memory_gb=plan.memory_amount / 1024,
        disk_gb=plan.storage_size or None,
    )
