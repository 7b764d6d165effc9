"""Spheron: an aggregator of data centres; each offer is a machine at a price per hour, the same in all its clusters.

An offer is on demand, or spot: then its type or its name says so, or `spot_price` repeats its price. One on demand
whose `spot_price` is lower is sold both ways. In maintenance it cannot be had. Memory is that of one GPU; a B300 is
listed with 262 or 268 GB. "H100_NVL" with 80 GB is the PCIe card with bridges, not the H100 NVL (94 GB).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get_json, narrow
from providers.words import country_in, link

PER_PAGE = 100
BRIDGED = "_NVL"
SPOT = re.compile(r"(?<![a-z])spot(?![a-z])")  # n3-A100x1-spot__CANADA-1, uk-b300-spot, …::spot


class Listing(msgspec.Struct):
    provider: str
    price: Decimal
    available: bool
    gpu_memory: float
    offer_id: str = msgspec.field(name="offerId")
    gpu_count: int = msgspec.field(name="gpuCount")
    clusters: list[str] = msgspec.field(default_factory=list)
    maintenance: bool = False
    spot_price: Decimal | None = None
    instance_type: str | None = msgspec.field(name="instanceType", default=None)  # DEDICATED, SPOT
    interconnect: str | None = msgspec.field(name="interconnectType", default=None)  # SXM5, PCIe
    vcpus: float | None = None
    memory: float | None = None
    storage: float | None = None


class Group(msgspec.Struct):
    offers: list[Listing]
    gpu_type: str = msgspec.field(name="gpuType")


class Page(msgspec.Struct):
    data: list[Group]


class Paged(msgspec.Struct):
    total_pages: int = msgspec.field(name="totalPages")  # must be there: part of a list must not pass for the whole


class Spheron(Provider):
    name = "Spheron"
    pricing_page = "https://www.spheron.network/pricing/"
    calls = {"offers": Page}
    interval = timedelta(hours=1)
    url = "https://app.spheron.ai/api/gpu-offers"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        answers: list[Answer] = []
        pages = 1
        while len(answers) < pages:
            asked = {"page": str(len(answers) + 1), "limit": str(PER_PAGE)}
            answers.append(Answer("offers", await get_json(client, self.url, params=asked), asked))
            pages = narrow(answers[-1].body, Paged).total_pages
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        groups = [group for answer in answers for group in narrow(answer.body, Page).data]
        if not groups:
            raise PayloadChanged("the list is empty - at `$.data`")
        for group in groups:
            for listing in group.offers:
                for pricing, price in prices_of(listing):
                    yield from offers_of(group.gpu_type, listing, pricing, price)


def prices_of(listing: Listing) -> Iterator[tuple[PurchaseOption, Decimal]]:
    if listing.gpu_count < 1 or listing.price <= 0:
        return
    says_spot = (listing.instance_type or "").upper() == "SPOT" or SPOT.search(listing.offer_id) is not None
    if says_spot or listing.spot_price == listing.price:
        yield PurchaseOption.SPOT, listing.price
        return
    yield PurchaseOption.ON_DEMAND, listing.price
    if listing.spot_price and 0 < listing.spot_price < listing.price:
        yield PurchaseOption.SPOT, listing.spot_price


def offers_of(gpu_type: str, listing: Listing, pricing: PurchaseOption, price: Decimal) -> Iterator[Offer]:
    for cluster in tuple(listing.clusters) or (None,):
        yield Offer(
            instance_type=listing.offer_id,
            gpu=gpu_type.replace(BRIDGED, "_PCIE") if listing.gpu_memory <= 80 else gpu_type,
            gpu_count=listing.gpu_count,
            gpu_memory_gb=listing.gpu_memory,
            price_per_hour=price,
            currency="USD",
            pricing=pricing,
            region=cluster,
            country=country_in(cluster),
            available=listing.available and not listing.maintenance,
            vcpus=listing.vcpus,
            host_memory_gb=listing.memory,
            disk_gb=listing.storage,
            interconnect=link(
                listing.gpu_count, listing.interconnect or gpu_type.rpartition("_")[2], BRIDGED in gpu_type
            ),
            seller=listing.provider,
        )
