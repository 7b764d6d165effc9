"""io.net: other people's machines as configurations, in dollars per whole configuration and hour.

Two lists of the console, open to anyone: virtual machines with their prices, containers with how many are free; an id
joins them. `deploy_id` is what is ordered, `id` has its place behind it. Names of GPUs come in any spelling, with the
form of the card in `interconnect`. Machines without GPUs and prices of 0 are in the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, bodies_of, get_json
from providers.words import country_in, in_form, link


class Hardware(msgspec.Struct):
    id: int | str
    deploy_id: int | str
    name: str
    num_cards: int
    price: Decimal
    vram_per_card: float | None = None
    interconnect: str | None = None  # sxm5, PCIe
    nvlink: bool | None = None
    vcpu: float | None = None
    memory: float | None = None
    storage: float | None = None
    location: str | None = None  # a country's code
    sold_out: bool | None = None


class HardwareList(msgspec.Struct):
    hardware: list[Hardware]


class VirtualMachines(msgspec.Struct):
    data: HardwareList


class Stock(msgspec.Struct):
    id: int | str
    available_replicas: int | None


class StockList(msgspec.Struct):
    hardware: list[Stock]


class Containers(msgspec.Struct):
    data: StockList


class IoNet(Provider):
    name = "io.net"
    pricing_page = "https://io.net/pricing"
    calls = {"vmaas": VirtualMachines, "caas": Containers}
    interval = timedelta(minutes=30)
    marketplace = True
    url = "https://api.io.solutions/v1/io-cloud"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer(call, await get_json(client, f"{self.url}/{call}/hardware")) for call in self.calls]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "vmaas" for answer in answers):
            raise PayloadChanged("stock alone has no prices: the answer of vmaas/hardware is missing")
        containers = [stock for listed in bodies_of(answers, "caas", Containers) for stock in listed.data.hardware]
        replicas = {stock.id: stock.available_replicas for stock in containers}
        for listed in bodies_of(answers, "vmaas", VirtualMachines):
            for machine in listed.data.hardware:
                if machine.num_cards > 0 and machine.price:
                    yield offer(machine, replicas.get(machine.id))


def offer(machine: Hardware, replicas: int | None) -> Offer:
    is_code = machine.location is not None and re.fullmatch("[A-Z]{2}", machine.location)
    return Offer(
        instance_type=str(machine.deploy_id),
        gpu=in_form(machine.name, machine.interconnect),
        gpu_count=machine.num_cards,
        gpu_memory_gb=machine.vram_per_card or None,
        price_per_hour=machine.price,
        currency="USD",
        region=machine.location,
        country=machine.location if is_code else country_in(machine.location),
        available=is_available(machine, replicas),
        vcpus=machine.vcpu,
        host_memory_gb=machine.memory,
        disk_gb=machine.storage,
        interconnect=link(machine.num_cards, machine.interconnect, machine.nvlink),
    )


def is_available(machine: Hardware, replicas: int | None) -> bool | None:
    """None where neither list says."""
    if machine.sold_out:
        return False
    if replicas is not None:
        return replicas > 0
    return None if machine.sold_out is None else True
