"""Sesterce: an aggregator; each offer is a machine of another cloud at one price, wherever that cloud has it.

The API answers with a key only. Without one the same list is read from the console's public page, into which it is
rendered (Next.js sends it as escaped text in pieces). `hourlyPrice` is that of the whole machine. No field says the
currency: the console prints dollars, accounts in euros exist. `cloud` is the owner under a name of Sesterce's own.
Tiers for CPUs are listed with 0 GPUs. A region may have the machine (`available`) or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    Answer,
    Header,
    Offer,
    Provider,
    PurchaseOption,
    get,
    get_json,
    narrow,
)
from providers.pages import carried_by
from providers.words import country_in, in_form, link


class Cloud(msgspec.Struct):
    name: str


class Configuration(msgspec.Struct):
    vRamGB: float | None = None  # noqa: N815 - of one GPU; none on tiers for CPUs
    interconnect: str | None = None
    ramGB: float | None = None  # noqa: N815
    storageGB: float | None = None  # noqa: N815
    vCpu: float | None = None  # noqa: N815


class Place(msgspec.Struct, rename="camel"):
    region: str
    available: bool
    country_code: str | None = None


class Listing(msgspec.Struct, rename="camel"):
    gpu_name: str
    gpu_count: int
    instance_id: str
    hourly_price: Decimal
    cloud: Cloud
    configuration: Configuration
    availability: list[Place]
    deployment_type: str | None = None  # vm, baremetal, container
    nvlink: bool | None = None
    spot_offer_available: bool = False
    hourly_spot_price: Decimal | None = None


class Sesterce(Provider):
    name = "Sesterce"
    pricing_page = "https://cloud.sesterce.com/compute"
    calls = {"offers": list[Listing], "console": str}
    auth = Header("SESTERCE_API_KEY", header="X-API-KEY")
    auth_is_optional = True
    interval = timedelta(hours=1)
    url = "https://api.cloud.sesterce.com/gpu-cloud/instances/offers"
    agent = "Mozilla/5.0 (compatible; rig-or-rent)"  # its Cloudflare refuses what does not look like one (error 1010)

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = {"User-Agent": self.agent}
        if self.secrets.get(self.auth.variable):
            headers = {**headers, **self.auth.headers(self.secrets)}
            return [Answer("offers", await get_json(client, self.url, headers=headers))]
        return [Answer("console", (await get(client, self.pricing_page, headers=headers)).text)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            body = answer.body if answer.call == "offers" else carried_by(answer.body, "filteredOffers")
            listings: list[Listing] = narrow(body, list[Listing])
            for listing in listings:
                if listing.gpu_count > 0:
                    yield from offers_of(listing)


def offers_of(listing: Listing) -> Iterator[Offer]:
    for pricing, price in prices_of(listing):
        for place in tuple(listing.availability) or (None,):
            yield offer(listing, pricing, price, place)


def prices_of(listing: Listing) -> Iterator[tuple[PurchaseOption, Decimal]]:
    if listing.hourly_price > 0:
        yield PurchaseOption.ON_DEMAND, listing.hourly_price
    spot = listing.hourly_spot_price
    if listing.spot_offer_available and spot and spot != listing.hourly_price:
        yield PurchaseOption.SPOT, spot


def offer(listing: Listing, pricing: PurchaseOption, price: Decimal, place: Place | None) -> Offer:
    machine = listing.configuration
    return Offer(
        instance_type=listing.instance_id,
        gpu=in_form(listing.gpu_name, machine.interconnect),
        gpu_count=listing.gpu_count,
        gpu_memory_gb=machine.vRamGB,
        price_per_hour=price,
        currency="USD",
        pricing=pricing,
        region=place.region if place else None,
        country=country_of(place) if place else None,
        tier=listing.deployment_type,
        available=place.available if place else False,
        vcpus=machine.vCpu,
        host_memory_gb=machine.ramGB,
        disk_gb=machine.storageGB,
        interconnect=link(listing.gpu_count, machine.interconnect, listing.nvlink),
        seller=listing.cloud.name,
    )


def country_of(place: Place) -> str | None:
    return place.country_code.upper() if place.country_code else country_in(place.region)
