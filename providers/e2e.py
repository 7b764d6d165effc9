"""E2E Networks: the structured data of its price page, in rupees, one GPU a row.

The page carries a schema.org catalogue of offers as JSON: cloud instances with and without a GPU, per hour, in rupees
also on the page for other countries. Two A100 have the same name and differ in their address and description only ("40
GB VRAM, 16 vCPUs, 115 GB RAM"). All are always in stock, so that says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, decode_json, get, narrow
from providers.pages import parsed

GPU_ROW = "GPU Cloud Instance"
DESCRIPTION = re.compile(r"(\d{1,4}) GB VRAM, (\d{1,4}) vCPUs?, (\d{1,5}) GB RAM")


class Unit(msgspec.Struct, rename="camel"):
    unit_text: str


class Item(msgspec.Struct):
    description: str


class Row(msgspec.Struct, rename="camel"):
    name: str
    category: str
    url: str
    price_currency: str
    price: Decimal
    price_specification: Unit
    item_offered: Item


class Catalog(msgspec.Struct, rename="camel"):
    item_list_element: list[Row]


class E2E(Provider):
    name = "E2E Networks"
    pricing_page = "https://www.e2enetworks.com/pricing"
    calls = {"page": str, "catalog": Catalog}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("page", (await get(client, self.pricing_page)).text)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            body = catalog_in(answer.body) if answer.call == "page" else answer.body
            for row in narrow(body, Catalog).item_list_element:
                if row.category == GPU_ROW and row.price:
                    yield offer_of(row)


def catalog_in(html: object) -> Any:
    """The catalogue of offers among the structured data of the page."""
    for script in parsed(html).css('script[type="application/ld+json"]'):
        for data in parts_of(decode_json(script.text().encode())):
            if isinstance(data, dict) and data.get("@type") == "OfferCatalog":
                return data
    raise PayloadChanged("no OfferCatalog among the structured data")


def parts_of(data: Any) -> list[Any]:
    """Structured data is one object, a list of them, or a graph."""
    if isinstance(data, dict):
        data = data.get("@graph", [data])
    return data if isinstance(data, list) else []


def offer_of(row: Row) -> Offer:
    if row.price_specification.unit_text != "per hour":
        unit = row.price_specification.unit_text
        raise PayloadChanged(f"a price {unit!r} - at `$.itemListElement[...].priceSpecification.unitText`")
    said = DESCRIPTION.fullmatch(row.item_offered.description)
    if said is None:  # without the memory one A100 passes for the other
        described = row.item_offered.description[:60]
        raise PayloadChanged(f"described as {described!r} - at `$.itemListElement[...].itemOffered.description`")
    memory_gb, vcpus, host_memory_gb = map(float, said.groups())
    return Offer(
        instance_type=row.url.rpartition("/")[2],
        gpu=row.name.removesuffix(GPU_ROW).strip(),
        gpu_count=1,
        gpu_memory_gb=memory_gb,
        price_per_hour=row.price,
        currency=row.price_currency,
        country="IN",  # where all its data centres are
        vcpus=vcpus,
        host_memory_gb=host_memory_gb,
    )
