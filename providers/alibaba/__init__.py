"""Alibaba Cloud: one file with the price of every ECS instance type in every region, in dollars, outside and in China.

The address of the file has a version that moves, and the price page names it; there is no address of the newest. A key
says region, type, network, system and whether it is I/O optimized
("us-east-1::ecs.gn7i-c8g1.2xlarge::vpc::linux::optimized"): the classic network and Windows are twins that nobody
needs. Prices are text: per hour, or the total of so many months or years, which is paid at once. A GPU is told by the
type's name only: `machines.csv` knows the types. One it does not know is reported under its own name; vgn and sgn have
slices of a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache

import httpx
import msgspec

from providers.base import (
    Answer,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    get,
    get_json,
    narrow,
    read_table,
    spread,
)

FILES = "https://g.alicdn.com/aliyun/ecs-price-info-intl"
VERSION = re.compile(r"ecs-price-info-intl/(\d+(?:\.\d+)+)/")
KEY = re.compile(r"([a-z0-9-]+)::(ecs\.[\w.-]+)::vpc::linux::optimized")
WITH_GPU = re.compile(r"ecs\.(?:ebm|scc)?gn\d")
HOURS_PER_MONTH = 730  # a twelfth of the 8,760 of a year
COUNTRIES = {  # https://www.alibabacloud.com/help/en/ecs/user-guide/regions-and-zones, as of 2026-11
    "ap-northeast-1": "JP",
    "ap-northeast-2": "KR",
    "ap-south-1": "IN",
    "ap-southeast-1": "SG",
    "ap-southeast-2": "AU",
    "ap-southeast-3": "MY",
    "ap-southeast-5": "ID",
    "ap-southeast-6": "PH",
    "ap-southeast-7": "TH",
    "cn-hongkong": "HK",
    "eu-central-1": "DE",
    "eu-west-1": "GB",
    "me-central-1": "SA",
    "me-east-1": "AE",
    "na-south-1": "MX",
    "us-east-1": "US",
    "us-west-1": "US",
}


class Price(msgspec.Struct):
    price: Decimal
    period: int


class Prices(msgspec.Struct):
    hours: list[Price] = []
    months: list[Price] = []
    years: list[Price] = []


class PriceList(msgspec.Struct, rename="camel"):
    currency: str
    pricing_info: dict[str, Prices]


class Alibaba(Provider):
    name = "Alibaba Cloud"
    pricing_page = "https://www.alibabacloud.com/en/product/ecs/pricing"
    calls = {"page": str, "prices": PriceList}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        page = (await get(client, self.pricing_page)).text
        url = f"{FILES}/{version_in(page)}/price/download/instancePrice.json"
        return [Answer("page", page), Answer("prices", await get_json(client, url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call == "page" for answer in answers):
            raise PayloadChanged("the page alone holds no prices: it names the file that does")
        for answer in answers:
            if answer.call == "prices":
                prices: PriceList = narrow(answer.body, PriceList)
                for key, found in prices.pricing_info.items():
                    yield from offers_of(key, found, prices.currency)


def version_in(page: str) -> str:
    found = VERSION.search(page)
    if found is None:
        raise PayloadChanged("the price page does not name the version of its price list")
    return found[1]


@cache
def machines() -> Mapping[str, dict[str, str]]:
    return {row["type"]: row for row in read_table(__file__, "machines.csv")}


def offers_of(key: str, prices: Prices, currency: str) -> Iterator[Offer]:
    said = KEY.fullmatch(key)
    if said is None or not WITH_GPU.match(said[2]):
        return
    region, instance_type = said.groups()
    country = "CN" if region.startswith("cn-") else None
    machine = replace(
        machine_of(instance_type), currency=currency, region=region, country=COUNTRIES.get(region, country)
    )
    for hourly in prices.hours:
        if hourly.price and hourly.period == 1:
            yield replace(machine, price_per_hour=hourly.price)
    for months, totals in ((1, prices.months), (12, prices.years)):
        for total in totals:
            if total.price and total.period > 0:
                yield committed(machine, total.price, months * total.period)


def committed(machine: Offer, total: Decimal, months: int) -> Offer:
    return replace(
        machine,
        pricing=PurchaseOption.RESERVED,
        term_months=months,
        price_per_hour=spread(total, months * HOURS_PER_MONTH),
        upfront=total,
    )


def machine_of(instance_type: str) -> Offer:
    """The machine, still without a price."""
    row = machines().get(instance_type)
    if row is None:
        return Offer(instance_type=instance_type, gpu=instance_type, gpu_count=1, price_per_hour=Decimal(), currency="")
    return Offer(
        instance_type=instance_type,
        gpu=row["gpu"],
        gpu_count=int(row["count"]),
        gpu_memory_gb=float(row["memory_gb"]),
        price_per_hour=Decimal(),
        currency="",
        vcpus=float(row["vcpus"]),
        host_memory_gb=float(row["host_memory_gb"]),
        disk_gb=float(row["disk_gb"]) if row["disk_gb"] else None,
        interconnect=row["interconnect"] or None,
        network_gbit_s=float(row["network_gbit_s"]),
    )
