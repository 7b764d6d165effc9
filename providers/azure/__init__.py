"""Azure: the Retail Prices API, one row per size, region and way to pay, 1,000 rows a page.

A row says neither how many GPUs a size has nor which: that stands in `sizes.csv`. A size of the N series that is
missing there is reported under its own name, for the check to notice; slices of a GPU are left out, as are NP and NM,
which have none. The number in a size's name is that of its processors. Only `productName` tells Windows from Linux, and
A100 sizes lack the "Virtual Machines" of the others. "Low Priority" is sold to batch jobs only and is not Spot;
"DevTest" is for subscribers. Zero is no price. Of several rows of one meter the newest holds that is not of the future.
Dollars are asked for, so a row that names no currency is in dollars.

A reservation's price is that of the whole term, though its unit says hour. It may be paid month by month at no extra
cost, as a savings plan may, so nothing has to be paid at once
(https://learn.microsoft.com/en-us/azure/cost-management-billing/reservations/prepare-buy-reservation).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, NamedTuple

import httpx
import msgspec

from providers.base import (
    Answer,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    get_json,
    narrow,
    read_table,
)

HOURS_PER_YEAR = 8760
FILTER = (
    "serviceName eq 'Virtual Machines' and contains(armSkuName, 'Standard_N') "
    "and (priceType eq 'Consumption' or priceType eq 'Reservation')"
)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class SavingsPlan(msgspec.Struct, rename="camel"):
    retail_price: Decimal  # per hour, unlike a reservation's
    term: str


class Item(msgspec.Struct, rename="camel"):
    arm_sku_name: str
    arm_region_name: str
    product_name: str
    meter_name: str
    retail_price: Decimal
    unit_of_measure: str
    type: str
    sku_name: str = ""
    service_name: str = "Virtual Machines"
    currency_code: str = "USD"
    reservation_term: str | None = None
    effective_start_date: Annotated[datetime, msgspec.Meta(tz=True)] = LONG_AGO
    is_primary_meter_region: bool = True
    savings_plan: list[SavingsPlan] | None = None  # in answers of the version 2023-01-01-preview


class Page(msgspec.Struct, rename="pascal"):
    items: list[Item]
    next_page_link: str | None = None


class NextPage(msgspec.Struct, rename="pascal"):
    next_page_link: str | None  # may be null, not missing: half a list must not pass for a whole one


class Size(NamedTuple):
    gpu: str
    gpu_count: int
    gpu_memory_gb: float | None
    host_memory_gb: float | None = None


class Azure(Provider):
    name = "Azure"
    pricing_page = "https://azure.microsoft.com/en-us/pricing/details/virtual-machines/linux/"
    url = "https://prices.azure.com/api/retail/prices"
    calls = {"prices": Page}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        body = await get_json(client, self.url, params={"$filter": FILTER, "currencyCode": "USD"})
        answers = [Answer("prices", body, {"page": "1"})]
        followed: set[str] = set()
        while link := narrow(body, NextPage).next_page_link:
            if httpx.URL(link).host != httpx.URL(self.url).host or link in followed:
                raise PayloadChanged(f"a next page at {link} - at `$.NextPageLink`")
            followed.add(link)
            body = await get_json(client, link)
            answers.append(Answer("prices", body, {"page": str(len(answers) + 1)}))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        items = [item for answer in answers for item in narrow(answer.body, Page).items]
        in_force = [item for item in items if self.now is None or item.effective_start_date <= self.now]
        newest_last = sorted(
            in_force, key=lambda item: (item.effective_start_date, item.is_primary_meter_region, item.retail_price)
        )
        sold = {what_is_sold(offer): offer for item in newest_last for offer in offers_of(item)}
        yield from sold.values()


def what_is_sold(offer: Offer) -> tuple[object, ...]:
    return offer.instance_type, offer.region, offer.pricing, offer.term_months, offer.tier, offer.currency


def offers_of(item: Item) -> Iterator[Offer]:
    """What a row sells, if that is a Linux machine with GPUs at a public price."""
    size = size_of(item.arm_sku_name)
    if size is None or not is_public_linux(item) or item.retail_price <= 0:
        return
    if item.type == "Consumption":
        spot = "Spot" in words(item)
        yield offer(item, size, per_hour(item), PurchaseOption.SPOT if spot else PurchaseOption.ON_DEMAND)
        for plan in item.savings_plan or ():
            yield offer(item, size, plan.retail_price, PurchaseOption.RESERVED, years_in(plan.term), "savings plan")
    elif item.type == "Reservation":
        years = years_in(item.reservation_term)
        hourly = (item.retail_price / (years * HOURS_PER_YEAR)).quantize(Decimal("1e-6"))  # as fine as the list itself
        yield offer(item, size, hourly, PurchaseOption.RESERVED, years)


def is_public_linux(item: Item) -> bool:
    """Whether a row is a plain machine: no Windows, no batch jobs, no cloud service, no dedicated host."""
    if not item.product_name:
        raise PayloadChanged(f"{item.arm_sku_name} may be with Windows or not - at `$.Items[...].productName`")
    other = ("Windows", "Cloud Services", "CloudServices", "Dedicated Host")
    return (
        item.service_name == "Virtual Machines"
        and not any(kind in item.product_name for kind in other)
        and not {"Low", "Priority"} <= words(item)
    )


def words(item: Item) -> set[str]:
    return {*item.meter_name.split(), *item.sku_name.split()}


def per_hour(item: Item) -> Decimal:
    count, _, unit = item.unit_of_measure.partition(" ")
    if not count.isdigit() or unit not in ("Hour", "Hours"):
        raise PayloadChanged(f"{item.arm_sku_name} by {item.unit_of_measure!r} - at `$.Items[...].unitOfMeasure`")
    return item.retail_price / int(count)


def years_in(term: str | None) -> int:
    count, _, unit = (term or "").partition(" ")
    if not count.isdigit() or unit not in ("Year", "Years"):
        raise PayloadChanged(f"a term of {term!r} - at `$.Items[...].reservationTerm`")
    return int(count)


def offer(
    item: Item, size: Size, price: Decimal, pricing: PurchaseOption, years: int | None = None, tier: str | None = None
) -> Offer:
    return Offer(
        instance_type=item.arm_sku_name,
        gpu=size.gpu,
        gpu_count=size.gpu_count,
        gpu_memory_gb=size.gpu_memory_gb,
        price_per_hour=price,
        currency=item.currency_code,
        pricing=pricing,
        term_months=years and 12 * years,
        upfront=Decimal(0) if years else None,
        tier=tier,
        region=item.arm_region_name or None,
        country=countries().get(item.arm_region_name.casefold()),
        vcpus=vcpus_of(item.arm_sku_name),
        host_memory_gb=size.host_memory_gb,
    )


def size_of(arm_sku_name: str) -> Size | None:
    """Its GPUs; None if it has none or a slice of one. An N size that the table lacks goes under its own name."""
    size = arm_sku_name.casefold().removeprefix("standard_").removesuffix("_promo")
    if size in sizes():
        return sizes()[size]
    return Size(arm_sku_name, 1, None) if size.startswith("n") and not size.startswith(("np", "nm")) else None


def vcpus_of(arm_sku_name: str) -> float | None:
    """The 96 of "Standard_ND96isr_H100_v5", https://learn.microsoft.com/en-us/azure/virtual-machines/vm-naming-conventions."""
    found = re.match(r"(?:Standard_)?N[A-Z]*(\d+)", arm_sku_name, re.IGNORECASE)
    return float(found[1]) if found else None


@cache
def sizes() -> dict[str, Size | None]:
    return {
        row["size"].casefold(): Size(
            row["gpu"], int(row["count"]), float(row["memory_gb"]), float(row["ram_gb"]) if row["ram_gb"] else None
        )
        if row["count"].isdigit()
        else None
        for row in read_table(__file__, "sizes.csv")
    }


@cache
def countries() -> dict[str, str]:
    return {row["region"]: row["country"] for row in read_table(__file__, "regions.csv")}
