"""Mithril (once ML Foundry): machines by auction, at the price at which the last one went, as text: "$25.60".

The auctions name a machine type by an id, which the list of types explains; the same type may have several ids, one for
each region. Whoever bids less than the next is interrupted, so all of it is spot. `min_bid_price` is the floor of an
auction and no price. A capacity of 0 leaves nothing to bid for now. Types tell their GPUs in fields of their own; older
clients show them as a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Bearer, Offer, PayloadChanged, Provider, PurchaseOption, bodies_of, get_json
from providers.pages import dollars
from providers.words import country_in, form_in, in_form, link


class ListedGpus(msgspec.Struct):
    name: str
    count: int
    vram_gb: float | None = None


class InstanceType(msgspec.Struct):
    fid: str
    name: str  # h100-80gb.sxm.8x
    num_gpus: int | None = None
    gpu_type: str | None = None
    gpu_memory_gb: float | None = None
    gpu_socket: str | None = None
    gpus: list[ListedGpus] | None = None
    num_cpus: float | None = None
    ram_gb: float | None = None
    ram: float | None = None
    local_storage_gb: float | None = None


class Auction(msgspec.Struct):
    instance_type: str
    region: str
    capacity: int
    last_instance_price: str | None


class Mithril(Provider):
    name = "Mithril"
    pricing_page = "https://mithril.ai/pricing"
    calls = {"instance_types": list[InstanceType], "availability": list[Auction]}
    auth = Bearer("MITHRIL_API_KEY")
    interval = timedelta(minutes=15)
    url = "https://api.mithril.ai/v2"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        types = await get_json(client, f"{self.url}/instance-types", headers=headers)
        auctions = await get_json(client, f"{self.url}/spot/availability", headers=headers)
        return [Answer("instance_types", types), Answer("availability", auctions)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "availability" for answer in answers):
            raise PayloadChanged("instance types alone hold no prices: the answer of spot/availability is missing")
        lists = bodies_of(answers, "instance_types", list[InstanceType])
        types = {known.fid: known for listed in lists for known in listed}
        for auctions in bodies_of(answers, "availability", list[Auction]):
            yield from offers_of(auctions, types)


def offers_of(auctions: Sequence[Auction], types: Mapping[str, InstanceType]) -> Iterator[Offer]:
    for auction in auctions:
        if auction.last_instance_price is not None and (price := dollars(auction.last_instance_price)):
            machine = types.get(auction.instance_type, InstanceType(fid=auction.instance_type, name=""))
            yield offer_of(auction, machine, price)


def offer_of(auction: Auction, machine: InstanceType, price: Decimal) -> Offer:
    name = machine.name or auction.instance_type
    gpu, count, memory_gb = gpus_of(machine)
    form = machine.gpu_socket or form_in(machine.name)
    return Offer(
        instance_type=name,
        gpu=in_form(gpu, form) if gpu else name,
        gpu_count=count,
        gpu_memory_gb=memory_gb,
        price_per_hour=price,
        currency="USD",
        pricing=PurchaseOption.SPOT,
        region=auction.region,
        country=country_in(auction.region),
        available=auction.capacity > 0,
        vcpus=machine.num_cpus,
        host_memory_gb=machine.ram_gb or machine.ram,
        disk_gb=machine.local_storage_gb,
        interconnect=link(count, form),
    )


def gpus_of(machine: InstanceType) -> tuple[str | None, int, float | None]:
    """Name, number and memory; no name where the type is not in the list, or has GPUs of several kinds."""
    if machine.gpus and len(machine.gpus) == 1:
        return machine.gpus[0].name, machine.gpus[0].count, machine.gpus[0].vram_gb
    if machine.gpu_type and machine.num_gpus:
        return machine.gpu_type, machine.num_gpus, machine.gpu_memory_gb
    return None, 1, None
