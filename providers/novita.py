"""Novita: a price per GPU and hour in hundred-thousandths of a dollar, as text: "339000" is $3.39.

A product is one GPU with its share of a host; `memoryPerGpu` is the host's RAM, the GPU's memory stands in its name.
How many can be had together is not said, so only one is offered. The list is asked for by way of billing, as a product
need not be sold in each; a saved answer that does not say for which is read for both. A product without regions is sold
in all of them. `monthlyPrice` is not read: whether it is for a month or for the term is not documented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, Provider, PurchaseOption, get_json, narrow
from providers.words import memory_in

UNIT = Decimal(100_000)  # of the prices, in one dollar
BILLING = {"onDemand": PurchaseOption.ON_DEMAND, "spot": PurchaseOption.SPOT}
CONTINENTS = {"AF", "AS", "EU", "NA", "OC", "SA"}  # what a region begins with, unless it is its country
COUNTRIES = {"GER": "DE"}  # the one that is not a code of ISO 3166


class Product(msgspec.Struct, rename="camel"):
    id: str
    name: str
    available_deploy: bool
    price: Decimal | None
    regions: list[str]
    spot_price: Decimal | None = None
    billing_methods: list[str] | None = None
    cpu_per_gpu: float | None = None
    memory_per_gpu: float | None = None


class Products(msgspec.Struct):
    data: list[Product]


class Novita(Provider):
    name = "Novita"
    pricing_page = "https://novita.ai/pricing"
    calls = {"products": Products}
    auth = Bearer("NOVITA_API_KEY")
    interval = timedelta(hours=1)
    url = "https://api.novita.ai/gpu-instance/openapi/v1/products"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        answers = []
        for method in BILLING:
            asked = {"billingMethod": method}
            answers.append(Answer("products", await get_json(client, self.url, params=asked, headers=headers), asked))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            asked = answer.parameters.get("billingMethod")
            for product in narrow(answer.body, Products).data:
                for pricing, price in prices_of(product):
                    if asked is None or BILLING[asked] is pricing:
                        yield from offers_of(product, pricing, price)


def prices_of(product: Product) -> Iterator[tuple[PurchaseOption, Decimal]]:
    if product.price:
        yield PurchaseOption.ON_DEMAND, product.price / UNIT
    sold = product.billing_methods is None or "spot" in product.billing_methods
    if sold and product.spot_price and product.spot_price != product.price:
        yield PurchaseOption.SPOT, product.spot_price / UNIT


def offers_of(product: Product, pricing: PurchaseOption, price: Decimal) -> Iterator[Offer]:
    anywhere = Offer(
        instance_type=product.id,
        gpu=product.name,
        gpu_count=1,
        gpu_memory_gb=memory_in(product.name),
        price_per_hour=price,
        currency="USD",
        pricing=pricing,
        available=product.available_deploy,
        vcpus=product.cpu_per_gpu,
        host_memory_gb=product.memory_per_gpu,
        count_is_derived=True,
    )
    for region in product.regions:
        yield replace(anywhere, region=region, country=country_of(region))
    if not product.regions:
        yield anywhere


def country_of(region: str) -> str | None:
    """The DE of "EU-GER-02 (Germany)", the US of "US-01 (Dallas)"."""
    parts = region.split(" ")[0].split("-")
    code = next((part for part in parts if part not in CONTINENTS), "")
    code = COUNTRIES.get(code, code)
    return code if re.fullmatch("[A-Z]{2}", code) else None
