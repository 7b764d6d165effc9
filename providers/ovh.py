"""OVHcloud: one catalogue for each of its companies, in its own currency; prices of whole machines, without tax.

A price is a whole number of hundred-millionths. What it pays for is told by the end of the plan's code, not by its
`intervalUnit`, which is "none" in the American book: ".consumption" an hour, ".monthly.postpaid" a month (offered per
hour of a twelfth of a year). What may follow is where it holds: regions of three zones, or local zones. Left out are
plans of other services, which also name GPUs but cost by the minute; flavours with a licence of Windows; what is only
coming soon; and the legacy twin ("t1-le-45") of a flavour, where it costs the same. No regions and no stock are in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Context, Decimal
from typing import NamedTuple

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get_json, narrow
from providers.words import in_usual_form

UNIT = Decimal(10**8)  # of the prices, in one of the currency
HOURS_PER_MONTH = Decimal(8760) / 12
TEN_DIGITS = Context(prec=10, traps=[])
BOOKS = {"FR": "https://api.ovh.com/1.0", "US": "https://api.us.ovhcloud.com/1.0"}
PLAN = re.compile(r"(.+)\.(consumption|monthly\.postpaid)(?:\.(3AZ|LZ(?:\.\w+)*))?")


class Locale(msgspec.Struct, rename="camel"):
    currency_code: str


class Pricing(msgspec.Struct):
    price: int
    commitment: int = 0  # months; its price would be that of the term
    mode: str = "default"


class Commercial(msgspec.Struct):
    brick: str | None = None


class Blobs(msgspec.Struct):
    commercial: Commercial | None = None
    tags: list[str] | None = None
    technical: dict[str, object] | None = None  # differs between products: see Technical


class Addon(msgspec.Struct, rename="camel"):
    plan_code: str
    pricings: list[Pricing]
    blobs: Blobs | None = None

    @property
    def is_gpu(self) -> bool:
        return bool(self.blobs and self.blobs.commercial and self.blobs.commercial.brick == "gpu")


class Catalog(msgspec.Struct):
    locale: Locale
    addons: list[Addon]


class Memory(msgspec.Struct):
    size: float | None = None


class Gpu(msgspec.Struct):
    model: str
    number: int
    memory: Memory | None = None


class Cpu(msgspec.Struct):
    cores: float | None = None


class System(msgspec.Struct):
    family: str | None = None


class Technical(msgspec.Struct):
    """What a machine with GPUs is."""

    gpu: Gpu | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    os: System | None = None


class Plan(NamedTuple):
    flavour: str
    billing: str
    zones: str | None


class Ovh(Provider):
    name = "OVHcloud"
    pricing_page = "https://www.ovhcloud.com/en/public-cloud/prices/"
    calls = dict.fromkeys(BOOKS, Catalog)
    interval = timedelta(hours=12)

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        answers = []
        for book, api in BOOKS.items():
            asked = {"ovhSubsidiary": book}
            answers.append(Answer(book, await get_json(client, f"{api}/order/catalog/public/cloud", params=asked)))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            catalog: Catalog = narrow(answer.body, Catalog)
            addons = {addon.plan_code: addon for addon in catalog.addons if addon.is_gpu}
            if not addons:
                raise PayloadChanged("no plan has the brick 'gpu' - at `$.addons[...].blobs.commercial.brick`")
            for code, addon in addons.items():
                twin = addons.get(code.replace("-le-", "-", 1), addon)
                if twin is addon or twin.pricings != addon.pricings:
                    yield from offers_of(addon, catalog.locale.currency_code)


def offers_of(addon: Addon, currency: str) -> Iterator[Offer]:
    """The offer of a plan, unless it is for something else or cannot be ordered."""
    machine = technical(addon)
    found = PLAN.fullmatch(addon.plan_code)
    is_windows = addon.plan_code.startswith("win-") or (machine.os and machine.os.family == "windows")
    is_to_come = "coming_soon" in (addon.blobs.tags or [] if addon.blobs else [])
    if found and not is_windows and not is_to_come:
        for pricing in addon.pricings:
            if pricing.price and not pricing.commitment and pricing.mode == "default":
                yield offer_of(Plan(found[1], found[2], found[3]), machine, pricing.price / UNIT, currency)


def technical(addon: Addon) -> Technical:
    try:
        machine: Technical = narrow((addon.blobs.technical if addon.blobs else None) or {}, Technical)
    except PayloadChanged as mismatch:
        raise PayloadChanged(f"{addon.plan_code}: {mismatch} in `$.addons[...].blobs.technical`") from mismatch
    return machine


def offer_of(plan: Plan, machine: Technical, price: Decimal, currency: str) -> Offer:
    gpu = machine.gpu
    is_monthly = plan.billing != "consumption"
    return Offer(
        instance_type=plan.flavour,
        gpu=in_usual_form(gpu.model, "ovh") if gpu else plan.flavour,
        gpu_count=gpu.number if gpu else 1,
        gpu_memory_gb=gpu.memory.size if gpu and gpu.memory else None,
        price_per_hour=TEN_DIGITS.divide(price, HOURS_PER_MONTH) if is_monthly else price,
        currency=currency,
        pricing=PurchaseOption.RESERVED if is_monthly else PurchaseOption.ON_DEMAND,
        term_months=1 if is_monthly else None,
        tier=plan.zones.lower() if plan.zones else None,
        vcpus=machine.cpu.cores if machine.cpu else None,
        host_memory_gb=machine.memory.size if machine.memory else None,
    )
