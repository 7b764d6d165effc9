"""Tencent Cloud: one row per zone, instance type and way to pay, from the calls behind its purchase page.

Those calls are not documented and need no key; the page is that of the Chinese site, so prices are in yuan. A row does
not name its GPUs, only how many: which they are stands in `FAMILIES`, by the first part of the instance type. Only
those families are asked for, since the whole list has thousands of rows per region; one whose card Tencent does not
name goes under its own name, for the check to notice. A part of a GPU (vGPU) is left out.

Prepaid prices are totals of a month, a year or three years, paid at once. Of an hourly price the discounted one is what
is paid; of a spot price the other one is that on demand, so that without a discount there is none.

The official API gives the same rows, but in the currency of the account's site without saying which: it is read for its
shape, and nothing is offered from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, each, get_json, narrow

WORKBENCH = "https://workbench.cloud.tencent.com/cgi"
HOURS_PER_YEAR = 8760
CHARGES = ["POSTPAID_BY_HOUR", "SPOTPAID", "PREPAID"]


class Card(NamedTuple):
    gpu: str
    memory_gb: float


# https://www.tencentcloud.com/document/product/560/19700 ("Computing Instance"), as of 2026; None: not named there.
FAMILIES: dict[str, Card | None] = {
    "GI3X": Card("T4", 16),
    "GN6": Card("P4", 8),
    "GN6S": Card("P4", 8),
    "GN7": Card("T4", 16),
    "GN8": Card("P40", 24),
    "GN10X": Card("V100 SXM2 32GB", 32),
    "GN10Xp": Card("V100 SXM2 32GB", 32),
    "GT4": Card("A100 SXM 40GB", 40),
    "PNV4": Card("A10", 24),
    "PNV5b": None,
    "PNV6": None,
}
# https://www.tencentcloud.com/document/product/213/6091 ("Regions and AZs"), as of 2026; those beside them are in China
ABROAD = {
    "ap-bangkok": "TH",
    "ap-hongkong": "HK",
    "ap-jakarta": "ID",
    "ap-mumbai": "IN",
    "ap-seoul": "KR",
    "ap-singapore": "SG",
    "ap-tokyo": "JP",
    "eu-frankfurt": "DE",
    "na-ashburn": "US",
    "na-siliconvalley": "US",
    "na-toronto": "CA",
    "sa-saopaulo": "BR",
}


class Price(msgspec.Struct, rename="pascal"):
    """Each way to pay has its own fields; the others are 0, null or missing."""

    unit_price: Decimal | None = None
    unit_price_discount: Decimal | None = None
    discount_price: Decimal | None = None  # of a month
    discount_price_one_year: Decimal | None = None
    discount_price_three_year: Decimal | None = None
    charge_unit: str | None = None  # of `unit_price`: HOUR; null where it has none


class Row(msgspec.Struct, rename="pascal"):
    zone: str
    instance_type: str
    instance_charge_type: str
    status: str  # SELL, SOLD_OUT
    price: Price | None = None
    gpu_count: Decimal | None = None  # 0.25: a part of one
    cpu: float | None = None
    memory: float | None = None
    instance_bandwidth: float | None = None  # Gbit/s


class Rows(msgspec.Struct, rename="pascal"):
    instance_type_quota_set: list[Row]


class Official(msgspec.Struct):
    rows: Rows = msgspec.field(name="Response")


class Workbench(msgspec.Struct):
    data: Official


class Region(msgspec.Struct):
    region: str


class RegionSet(msgspec.Struct, rename="pascal"):
    region_set: list[Region]


class RegionsIn(msgspec.Struct):
    response: RegionSet = msgspec.field(name="Response")


class Regions(msgspec.Struct):
    data: RegionsIn


class Tencent(Provider):
    name = "Tencent Cloud"
    pricing_page = "https://buy.cloud.tencent.com/price/cvm/overview"
    calls = {"configs": Workbench, "regions": Regions, "official": Official}
    interval = timedelta(hours=1)

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        regions = await get_json(client, f"{WORKBENCH}/area/queryCvmRegion", json={})

        async def of_one(region: Region) -> Answer:
            query = {"i": "cvm/DescribeZoneInstanceConfigInfos", "uin": "", "region": region.region}
            body = await get_json(client, f"{WORKBENCH}/api", params=query, json=question(region.region))
            return Answer("configs", body, {"region": region.region})

        listed: Regions = narrow(regions, Regions)
        return [Answer("regions", regions), *await each(listed.data.response.region_set, of_one)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call == "regions" for answer in answers):
            raise PayloadChanged("regions alone hold no prices: the answers with `InstanceTypeQuotaSet` are missing")
        for answer in answers:
            listed = narrow(answer.body, self.calls[answer.call])
            if isinstance(listed, Workbench):
                for row in listed.data.rows.instance_type_quota_set:
                    yield from offers_of(row)


def question(region: str) -> dict[str, object]:
    """What the purchase page asks for: every way to pay for the families with GPUs, with Linux."""
    filters = [
        {"Name": "instance-charge-type", "Values": CHARGES},
        {"Name": "instance-family", "Values": list(FAMILIES)},
    ]
    asked = {"Filters": filters, "Platform": "LINUX", "Version": "2017-03-12"}
    return {
        "serviceType": "cvm",
        "action": "DescribeZoneInstanceConfigInfos",
        "region": region,
        "data": asked,
        "cgiName": "api",
    }


def offers_of(row: Row) -> Iterator[Offer]:
    """What a row sells, if that is whole GPUs at a price."""
    price = row.price
    if price is None or not row.gpu_count or row.gpu_count % 1:
        return
    if price.charge_unit not in (None, "", "HOUR"):
        raise PayloadChanged(f"{row.instance_type} by {price.charge_unit!r} - at `$...Price.ChargeUnit`")
    if row.instance_charge_type == "POSTPAID_BY_HOUR":
        if hourly := price.unit_price_discount or price.unit_price:
            yield offer(row, hourly, PurchaseOption.ON_DEMAND)
    elif row.instance_charge_type == "SPOTPAID":
        if price.unit_price_discount and price.unit_price_discount != price.unit_price:
            yield offer(row, price.unit_price_discount, PurchaseOption.SPOT)
    elif row.instance_charge_type == "PREPAID":
        yield from prepaid(row, price)


def prepaid(row: Row, price: Price) -> Iterator[Offer]:
    totals = {1: price.discount_price, 12: price.discount_price_one_year, 36: price.discount_price_three_year}
    for months, total in totals.items():
        if total:
            hourly = (total * 12 / (months * HOURS_PER_YEAR)).quantize(Decimal("1e-6"))
            yield offer(row, hourly, PurchaseOption.RESERVED, months, total)


def offer(
    row: Row, hourly: Decimal, pricing: PurchaseOption, months: int | None = None, upfront: Decimal | None = None
) -> Offer:
    card = FAMILIES.get(row.instance_type.partition(".")[0])
    return Offer(
        instance_type=row.instance_type,
        gpu=card.gpu if card else row.instance_type,
        gpu_count=int(row.gpu_count or 0),
        gpu_memory_gb=card.memory_gb if card else None,
        price_per_hour=hourly,
        currency="CNY",
        pricing=pricing,
        term_months=months,
        upfront=upfront,
        region=row.zone,
        country=ABROAD.get(re.sub(r"-\d+$", "", row.zone), "CN" if row.zone.startswith("ap-") else None),
        available=row.status == "SELL",
        vcpus=row.cpu,
        host_memory_gb=row.memory,
        network_gbit_s=row.instance_bandwidth,
    )
