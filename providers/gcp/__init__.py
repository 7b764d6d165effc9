"""Google Cloud: no machine has a price; its processors, memory, GPUs and bundled SSD have, and are added up here.

A SKU is one such part in some regions; what it is and how it is sold stands in its description, "Nvidia Tesla A100 GPU
attached to Spot Preemptible VMs running in Americas", whose place is only a word: `serviceRegions` says where. Some
spot prices are filed under OnDemand, and descriptions are believed. Which parts a machine has stands in
`machine_types.csv`; without a price for one of them in a region, it is not offered there. An SSD that a commitment
lacks costs what it costs on demand. Prices of zero are those of reservations that something else pays for.

Not read: flex-start and calendar mode ("DWS", limited to days), reservations, sole tenancy, workstations with NVIDIA's
licence, custom machines, spend-based commitments, discounts for sustained use. A GPU that no row of the table knows is
reported under its SKU's description. Free capacity is not told; types that are not sold on demand are unavailable so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import httpx
import msgspec

from providers.base import (
    Answer,
    CredentialsRefused,
    Header,
    Offer,
    PayloadChanged,
    Provider,
    ProviderUnavailable,
    PurchaseOption,
    decode_json,
    get,
    narrow,
    read_table,
)

OTHER_VARIABLE = "GCP_BILLING_API_KEY"  # what some tools call the same key
PER_PAGE = "5000"  # the most that the API gives
HOURS_PER_MONTH = 730  # https://cloud.google.com/compute/disks-image-pricing
GIBIBYTE = Decimal(2**30) / 10**9
UNITS = {  # of usage -> what its price is divided by to be that of an hour, of a gibibyte where it is memory
    "h": Decimal(1),
    "GiBy.h": Decimal(1),
    "GBy.h": 1 / GIBIBYTE,
    "GiBy.mo": Decimal(HOURS_PER_MONTH),
}

SKU = re.compile(
    r"(?P<spot>(?:Spot )?Preemptible )?(?P<commitment>Commitment v1: )?(?P<part>.+?)"
    r"(?P<attached> attached to (?:Spot )?Preemptible VMs)?"
    r"(?: (?:running )?in (?P<place>.+?))?(?: for (?P<years>[13]) Years?)?",
    re.IGNORECASE,
)
LEFT_OUT = re.compile(
    r"DWS|Calendar Mode|Reserved|Sole Tenancy|Custom|Virtual Workstation|vWS|vGPU|Premium|suspended|K80", re.IGNORECASE
)
SSD = "Local SSD"
OTHER_NAMES = {
    "SSD backed Local Storage": SSD,
    "Nvidia H100 80GB Plus GPU": "Nvidia H100 80GB Mega GPU",  # the a3-megagpu's, in the Americas
    "Nvidia H100 Mega 80GB GPU": "Nvidia H100 80GB Mega GPU",
    "Nvidia A100 80GB GPU": "Nvidia Tesla A100 80GB GPU",
    "N1 Predefined Instance Core": "N1 Cpu",
    "N1 Predefined Instance Ram": "N1 Ram",
    "Cpu": "N1 Cpu",  # a commitment of the first kind of machine does not say its name
    "Ram": "N1 Ram",
}


class Money(msgspec.Struct, rename="camel"):
    currency_code: str
    nanos: int
    units: int  # written as text


class Rate(msgspec.Struct, rename="camel"):
    unit_price: Money


class PricingExpression(msgspec.Struct, rename="camel"):
    usage_unit: str
    tiered_rates: list[Rate]


class PricingInfo(msgspec.Struct, rename="camel"):
    pricing_expression: PricingExpression


class Category(msgspec.Struct, rename="camel"):
    resource_group: str
    usage_type: str


class Sku(msgspec.Struct, rename="camel"):
    description: str
    category: Category
    service_regions: list[str]
    pricing_info: list[PricingInfo]


class Page(msgspec.Struct, rename="camel"):
    skus: list[Sku]
    next_page_token: str = ""  # empty or missing on the last page


class Terms(NamedTuple):
    pricing: PurchaseOption
    months: int | None = None


ON_DEMAND = Terms(PurchaseOption.ON_DEMAND)
SPOT = Terms(PurchaseOption.SPOT)


class Part(NamedTuple):
    """What a SKU prices: one name, in one region, on one kind of terms."""

    name: str
    region: str
    terms: Terms
    currency: str


Prices = Mapping[Part, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    name: str
    gpu_sku: str
    gpu: str
    gpu_memory_gb: float
    gpu_count: int
    vcpus: int
    ram_gib: int
    ssd_gib: int
    parts: Mapping[str, int]  # the names of what it is billed by, and how many of each
    network_gbit_s: float
    interconnect: str | None
    on_demand: bool  # whether it is sold so, beside spot, flex-start and reserved


class Gcp(Provider):
    name = "Google Cloud"
    pricing_page = "https://cloud.google.com/products/compute/pricing/accelerator-optimized"
    calls = {"skus": Page}
    auth = Header("GOOGLE_API_KEY", header="X-Goog-Api-Key")
    interval = timedelta(hours=12)
    url = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"  # the service: Compute Engine

    @classmethod
    def missing(cls, secrets: Mapping[str, str]) -> str | None:
        return None if secrets.get(OTHER_VARIABLE) else super().missing(secrets)

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        key = self.secrets.get(self.auth.variable) or self.secrets[OTHER_VARIABLE]
        answers: list[Answer] = []
        token = ""
        while token or not answers:
            asked = {"pageToken": token} if token else {}
            if asked in (answer.parameters for answer in answers):
                raise PayloadChanged(f"the page {token!r} leads back to itself - at `$.nextPageToken`")
            answers.append(Answer("skus", await self.page(client, key, asked), asked))
            token = narrow(answers[-1].body, Page).next_page_token
        return answers

    async def page(self, client: httpx.AsyncClient, key: str, asked: Mapping[str, str]) -> object:
        asked = {"currencyCode": "USD", "pageSize": PER_PAGE, **asked}
        response = await get(client, self.url, params=asked, headers={self.auth.header: key}, accept=(400,))
        if response.status_code == 400 and "API_KEY_INVALID" in response.text:
            raise CredentialsRefused(f"{response.url.host} knows no such key")
        if response.status_code == 400:
            raise ProviderUnavailable(f"{response.url.host} answered 400")
        return decode_json(response.content)

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        skus = [sku for answer in answers for sku in narrow(answer.body, Page).skus]
        if not skus:
            raise PayloadChanged("nothing is priced - at `$.skus`")
        prices = prices_of(skus)
        for part in prices:
            for machine in machine_types().get(part.name, ()):
                if (whole := price_of(machine, part, prices)) is not None:
                    yield offer(machine, part, whole)
        yield from unknown_gpus(skus)


# From SKUs to parts --------------------------------------------------------------------------------------------------


def prices_of(skus: Iterable[Sku]) -> dict[Part, Decimal]:
    """What each part costs an hour; of two prices for the same the higher, so that no machine is made too cheap."""
    prices: dict[Part, Decimal] = {}
    for sku in skus:
        name = part_name(sku.description)
        terms = terms_of(sku)
        if name not in part_names() or terms is None:
            continue
        price, currency = hourly(sku)
        for region in sku.service_regions if price else ():
            part = Part(name, region, terms, currency)
            prices[part] = max(price, prices.get(part, price))
    return prices


def part_name(description: str) -> str:
    """The "A2 Cpu" of "Spot Preemptible A2 Instance Core running in Americas"."""
    found = SKU.fullmatch(description)
    if found is None or LEFT_OUT.search(description):
        return ""
    name = found["part"]
    name = OTHER_NAMES.get(name, name)
    return name.replace(" Instance Core", " Cpu").replace(" Instance Ram", " Ram")


def terms_of(sku: Sku) -> Terms | None:
    """How a SKU is sold; None: not as a machine is."""
    found = SKU.fullmatch(sku.description)
    if found is None:
        return None
    if found["commitment"]:
        return Terms(PurchaseOption.RESERVED, 12 * int(found["years"])) if found["years"] else None
    if found["spot"] or found["attached"] or sku.category.usage_type == "Preemptible":
        return SPOT
    return ON_DEMAND if sku.category.usage_type == "OnDemand" else None


def hourly(sku: Sku) -> tuple[Decimal, str]:
    """Price and currency of the newest entry, beyond what the first units may cost."""
    if not sku.pricing_info or not sku.pricing_info[-1].pricing_expression.tiered_rates:
        return Decimal(0), ""
    expression = sku.pricing_info[-1].pricing_expression
    if expression.usage_unit not in UNITS:
        where = "at `$.skus[...].pricingInfo[...].pricingExpression.usageUnit`"
        raise PayloadChanged(f"{sku.description} by {expression.usage_unit!r} - {where}")
    money = expression.tiered_rates[-1].unit_price
    written = money.units + money.nanos * Decimal("1e-9")
    return written / UNITS[expression.usage_unit], money.currency_code


# From parts to machines ----------------------------------------------------------------------------------------------


def price_of(machine: MachineType, gpu: Part, prices: Prices) -> Decimal | None:
    """The whole machine in the region, on the terms and in the currency of its GPU; None: a part has no price."""
    whole = Decimal(0)
    for name, units in machine.parts.items():
        part = gpu._replace(name=name)
        if name == SSD and part not in prices and gpu.terms.pricing is PurchaseOption.RESERVED:
            part = part._replace(terms=ON_DEMAND)
        if part not in prices:
            return None
        whole += units * prices[part]
    return Decimal(f"{whole:.9f}").normalize()  # as fine as the list itself


def offer(machine: MachineType, gpu: Part, price: Decimal) -> Offer:
    return Offer(
        instance_type=machine.name,
        gpu=machine.gpu,
        gpu_count=machine.gpu_count,
        gpu_memory_gb=machine.gpu_memory_gb,
        price_per_hour=price,
        currency=gpu.currency,
        pricing=gpu.terms.pricing,
        term_months=gpu.terms.months,
        region=gpu.region,
        country=countries().get(gpu.region),
        available=False if gpu.terms == ON_DEMAND and not machine.on_demand else None,
        vcpus=machine.vcpus,
        host_memory_gb=machine.ram_gib,
        disk_gb=machine.ssd_gib or None,
        interconnect=machine.interconnect,
        network_gbit_s=machine.network_gbit_s,
    )


def unknown_gpus(skus: Iterable[Sku]) -> Iterator[Offer]:
    """GPUs on demand that no machine of the table has, each under the whole description of its SKU."""
    for sku in skus:
        new = sku.category.resource_group == "GPU" and terms_of(sku) == ON_DEMAND
        if not new or LEFT_OUT.search(sku.description) or part_name(sku.description) in part_names():
            continue
        price, currency = hourly(sku)
        for region in sku.service_regions if price else ():
            yield Offer(
                instance_type=sku.description,
                gpu=sku.description,
                gpu_count=1,
                price_per_hour=price,
                currency=currency,
                region=region,
                country=countries().get(region),
            )


# Tables --------------------------------------------------------------------------------------------------------------


@cache
def machine_types() -> dict[str, list[MachineType]]:
    """Every machine with GPUs, by what its GPU is called."""
    found: dict[str, list[MachineType]] = {}
    for row in read_table(__file__, "machine_types.csv"):
        found.setdefault(row["gpu_sku"], []).append(machine_type(row))
    return found


def machine_type(row: Mapping[str, str]) -> MachineType:
    host, count, vcpus, ram, ssd = row["host"], *(int(row[name]) for name in ("count", "vcpus", "ram_gib", "ssd_gib"))
    beside = {f"{host} Cpu": vcpus, f"{host} Ram": ram, SSD: ssd} if host else {}
    return MachineType(
        name=row["name"],
        gpu_sku=row["gpu_sku"],
        gpu=row["gpu"],
        gpu_memory_gb=float(row["memory_gb"]),
        gpu_count=count,
        vcpus=vcpus,
        ram_gib=ram,
        ssd_gib=ssd,
        parts={row["gpu_sku"]: count, **{name: units for name, units in beside.items() if units}},
        network_gbit_s=float(row["network_gbit_s"]),
        interconnect=row["interconnect"] or None,
        on_demand=row["sold"] != "spot",
    )


@cache
def part_names() -> frozenset[str]:
    return frozenset(name for machines in machine_types().values() for machine in machines for name in machine.parts)


@cache
def countries() -> dict[str, str]:
    return {row["region"]: row["country"] for row in read_table(__file__, "regions.csv")}
