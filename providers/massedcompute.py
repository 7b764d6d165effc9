"""Massed Compute: machines at a price per hour, from an inventory in US cents with a key, from the price page without.

The inventory tells where a machine is free; where it is free nowhere it is offered once, as unavailable. How many GPUs
it has stands in its description only: "8x B200 SXM6". The page has the same machines without places; it is a stream of
React's, in which each machine stands as a card and again as a row of a table, parts of which are elsewhere; the cards
are read. A form factor is said where it is SXM or NVL. A saved table may hold the page's cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Header, Offer, PayloadChanged, Provider, get, get_json, narrow
from providers.pages import dollars
from providers.words import country_in, form_in, in_usual_form, link, memory_in

# \"B300 SXM6-mobile-x 8-0\",{…}, backslashes removed: one card of the page, up to whatever is keyed next
CARD = re.compile(r'"([^"]{1,60}?)-mobile-x ?(\d{1,4})-\d+",(\{.*?)(?="[^"]{1,60}?-x ?\d+-\d+"|$)', re.DOTALL)
PRICE = re.compile(r'"\$(\$[\d.,]+)"')  # a dollar is written as two
LABELLED = re.compile(r'"children":"(vCPU|RAM|Storage)"\}\],\["\$","dd",null,\{[^{}]*"children":"?(\d+)')


class Specs(msgspec.Struct):
    vcpu_count: float
    memory_gib: float
    storage_gb: float


class InstanceType(msgspec.Struct):
    name: str
    description: str
    price_cents_per_hour: Decimal
    specs: Specs


class Region(msgspec.Struct):
    name: str  # us-central-3


class Listing(msgspec.Struct):
    instance_type: InstanceType
    regions_with_capacity_available: list[Region]


class Inventory(msgspec.Struct):
    gpu_inventory: dict[str, Listing]


class Cells(msgspec.Struct):
    gpu: str
    gpu_count: int
    usd_per_hour: Decimal
    vcpus: float | None = None
    ram_gb: float | None = None
    storage_gb: float | None = None


class MassedCompute(Provider):
    name = "Massed Compute"
    pricing_page = "https://vm.massedcompute.com/pricing"
    calls = {"inventory": Inventory, "table": list[Cells], "page": str}
    auth = Header("MASSED_COMPUTE_API_KEY", prefix="Bearer ")  # the name in the vendor's own client
    auth_is_optional = True
    url = "https://vm.massedcompute.com/api/v1/gpu-inventory"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        if not self.secrets.get(self.auth.variable):
            return [Answer("page", (await get(client, self.pricing_page)).text)]
        return [Answer("inventory", await get_json(client, self.url, headers=self.auth.headers(self.secrets)))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            if answer.call == "inventory":
                for listing in narrow(answer.body, Inventory).gpu_inventory.values():
                    yield from offers_of(listing)
            else:
                table = (
                    cards_in(narrow(answer.body, str)) if answer.call == "page" else narrow(answer.body, list[Cells])
                )
                yield from (offer_of(cells) for cells in table if cells.usd_per_hour)


def offers_of(listing: Listing) -> Iterator[Offer]:
    machine = listing.instance_type
    found = re.fullmatch(r"(\d{1,4})x (.+)", machine.description)
    cells = Cells(
        gpu=found[2] if found else machine.name,  # without its number it is set aside: it may be eight
        gpu_count=int(found[1]) if found else 1,
        usd_per_hour=machine.price_cents_per_hour / 100,
        vcpus=machine.specs.vcpu_count,
        ram_gb=machine.specs.memory_gib,
        storage_gb=machine.specs.storage_gb,
    )
    places = listing.regions_with_capacity_available
    offer = replace(offer_of(cells), instance_type=machine.name, available=bool(places))
    for place in places:
        yield replace(offer, region=place.name, country=country_in(place.name))
    if not places:
        yield offer


def offer_of(cells: Cells) -> Offer:
    return Offer(
        instance_type=f"{cells.gpu_count}x {cells.gpu}",
        gpu=in_usual_form(cells.gpu, "massedcompute"),
        gpu_count=cells.gpu_count,
        gpu_memory_gb=memory_in(cells.gpu),
        price_per_hour=cells.usd_per_hour,
        currency="USD",
        vcpus=cells.vcpus,
        host_memory_gb=cells.ram_gb,
        disk_gb=cells.storage_gb,
        interconnect=link(cells.gpu_count, form_in(cells.gpu), "NVLink" in cells.gpu),
    )


def cards_in(page: str) -> list[Cells]:
    """The machines that the page shows at one price; a card without a price asks to call."""
    cards = [card_of(found) for found in CARD.finditer(page.replace("\\", ""))]
    priced = [card for card in cards if card]
    if not priced:
        raise PayloadChanged(f"no machine with a price on the page, in {len(cards)} cards - at `$`")
    return list({(card.gpu, card.gpu_count): card for card in priced}.values())


def card_of(found: re.Match[str]) -> Cells | None:
    prices = {dollars(text) for text in PRICE.findall(found[3])}
    sizes = dict(LABELLED.findall(found[3]))
    if len(prices) != 1 or not int(found[2]):
        return None
    cells = {"gpu": found[1], "gpu_count": found[2], "usd_per_hour": str(prices.pop())}
    columns = {"vCPU": "vcpus", "RAM": "ram_gb", "Storage": "storage_gb"}
    return narrow(cells | {columns[label]: size for label, size in sizes.items()}, Cells)
