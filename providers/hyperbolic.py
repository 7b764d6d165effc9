"""Hyperbolic: rental options on demand, in US cents per whole option and hour; anyone may read them.

`providerCostPerHourCents` is what Hyperbolic pays and no price. An option may be several machines that are rented
together (more GPUs than its first node has): that is no machine, and is left out. Missing `totalAvailable` stands for
not said. How machines are linked (ethernet, infiniband) has its price and so is part of the tier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, get_json, narrow
from providers.words import country_in, link


class Node(msgspec.Struct, rename="camel"):
    gpu_count: int
    vcpu_count: float | None = None
    cpu_count: float | None = None  # in its place on bare metal
    ram_gb: float | None = None
    storage_gb: float | None = None


class RentalOption(msgspec.Struct, rename="camel"):
    enabled: bool
    cost_per_hour_cents: Decimal
    region: str
    gpu_count: int
    gpu_type: str
    gpu_form_factor: str
    connection_type: str
    machine_type: str
    nodes: list[Node]
    ethernet_variant: str | None = None
    total_available: int | None = None


class Hyperbolic(Provider):
    name = "Hyperbolic"
    pricing_page = "https://app.hyperbolic.ai/compute"
    calls = {"rental_options": list[RentalOption]}
    interval = timedelta(minutes=30)
    marketplace = True
    url = "https://api.hyperbolic.ai/v2/alpha/on-demand/rental-options"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("rental_options", await get_json(client, self.url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            options: list[RentalOption] = narrow(answer.body, list[RentalOption])
            for option in options:
                if not option.nodes:
                    raise PayloadChanged("an option without machines - at `$[...].nodes`")
                if option.nodes[0].gpu_count == option.gpu_count > 0 and option.cost_per_hour_cents:
                    yield offer(option, option.nodes[0])


def offer(option: RentalOption, node: Node) -> Offer:
    linked = " ".join(filter(None, (option.connection_type, option.ethernet_variant)))
    return Offer(
        instance_type=f"{option.gpu_count}x {option.gpu_type} {option.gpu_form_factor}",
        gpu=f"{option.gpu_type} {option.gpu_form_factor}",
        gpu_count=option.gpu_count,
        price_per_hour=option.cost_per_hour_cents / 100,
        currency="USD",
        region=option.region,
        country=country_in(option.region),
        tier=f"{option.machine_type}, {linked}",
        available=is_available(option),
        vcpus=node.vcpu_count or node.cpu_count,
        host_memory_gb=node.ram_gb,
        disk_gb=node.storage_gb,
        interconnect=link(option.gpu_count, option.gpu_form_factor),
    )


def is_available(option: RentalOption) -> bool | None:
    if not option.enabled:
        return False
    return None if option.total_available is None else option.total_available > 0
