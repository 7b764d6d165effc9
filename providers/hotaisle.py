"""Hot Aisle: virtual and whole machines with AMD's GPUs in one place in Michigan, in US cents per machine and hour.

Only what is free is listed, and a list with nothing in it is null. Capacities are in bytes. Machines have no names, so
they are called by what tells them apart; `cpus` is an object in one list and an array in the other. The list is a
team's: its name is part of the address. Whole machines are let for some hours at least (`MinimumReservationMinutes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from providers.base import Answer, Keys, Offer, PayloadChanged, Provider, get_json, narrow

API = "https://admin.hotaisle.app/api"
KINDS = {"virtual_machines_available": "virtual machine", "bare_metal_available": "bare metal"}


class Gpus(msgspec.Struct):
    model: str
    count: int


class Specs(msgspec.Struct):
    cpu_cores: int
    ram_capacity: int  # bytes
    disk_capacity: int  # bytes
    gpus: list[Gpus] | None


class VirtualSpecs(Specs):
    cpus: dict[str, object]


class MetalSpecs(Specs):
    cpus: list[dict[str, object]]


class VirtualMachine(msgspec.Struct, rename="pascal"):
    on_demand_price: Decimal
    specs: VirtualSpecs
    quantity: int | None = None


class BareMetal(msgspec.Struct, rename="pascal"):
    on_demand_price: Decimal
    specs: MetalSpecs
    quantity: int | None = None


class HotAisle(Provider):
    name = "Hot Aisle"
    pricing_page = "https://hotaisle.xyz/pricing"
    calls = {"virtual_machines_available": list[VirtualMachine] | None, "bare_metal_available": list[BareMetal] | None}
    auth = Keys(("HOTAISLE_API_KEY", "HOTAISLE_TEAM_HANDLE"))
    interval = timedelta(minutes=30)
    marketplace = True  # what is taken leaves the list

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        key, team = (self.secrets[variable] for variable in self.auth.variables)
        headers = {"Authorization": f"Token {key}"}
        answers: list[Answer] = []
        for call in self.calls:
            url = f"{API}/teams/{quote(team, safe='')}/{call.removesuffix('_available')}/available/"
            answers.append(Answer(call, await get_json(client, url, headers=headers)))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            machines: list[VirtualMachine | BareMetal] | None = narrow(answer.body, self.calls[answer.call])
            for machine in machines or ():
                if machine.specs.gpus and machine.on_demand_price:
                    yield offer(machine, machine.specs.gpus, KINDS[answer.call])

    def saved_answers(self, body: Any) -> list[Answer]:
        if body is None:
            raise PayloadChanged("null stands for an empty list, but does not say of which - at `$`")
        return super().saved_answers(body)


def offer(machine: VirtualMachine | BareMetal, gpus: Sequence[Gpus], kind: str) -> Offer:
    specs = machine.specs
    count = sum(one.count for one in gpus)
    models = " + ".join(dict.fromkeys(one.model for one in gpus))  # a mixture is no GPU that a catalogue knows
    return Offer(
        instance_type=f"{count}x {models}, {specs.cpu_cores} cores",
        gpu=models,
        gpu_count=count,
        price_per_hour=machine.on_demand_price / 100,
        currency="USD",
        country="US",
        tier=kind,
        available=machine.quantity is None or machine.quantity > 0,
        vcpus=specs.cpu_cores,
        host_memory_gb=specs.ram_capacity / 2**30,
        disk_gb=specs.disk_capacity / 2**30,
    )
