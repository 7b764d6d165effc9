"""Voltage Park: whole nodes by the price of a GPU, on Ethernet or InfiniBand, and virtual machines in a few sizes.

A node is rented whole, so it is offered with all its GPUs at their price together. A virtual machine has two rates, for
computing and for the disk that comes with it; both are paid while it runs (together they are the price of the node's
GPUs on Ethernet). Everything stays listed while nothing is free. Places have no name but their id, and of a virtual
machine only the places that have one free are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, decode_json, get, get_json, narrow
from providers.words import form_in, link

PER_PAGE = 100


class Node(msgspec.Struct):
    gpu_model: str  # h100-sxm5-80gb
    gpu_count: int
    cpu_count: float | None = None
    ram_gb: float | None = None
    storage_gb: float | None = None


class Location(msgspec.Struct):
    id: str
    specs_per_node: Node
    gpu_price_ethernet: Decimal | None
    gpu_price_infiniband: Decimal | None
    gpu_count_ethernet: int | None = None  # free
    gpu_count_infiniband: int | None = None


class Locations(msgspec.Struct):
    results: list[Location]


class Paged(msgspec.Struct):
    results: list[object]
    has_next: bool  # must be there: part of a list must not pass for the whole


class Count(msgspec.Struct):
    count: int


class Resources(msgspec.Struct):
    gpus: dict[str, Count]
    vcpu_count: float | None = None
    ram_gb: float | None = None
    storage_gb: float | None = None


class Preset(msgspec.Struct):
    resources: Resources
    compute_rate_hourly: Decimal
    storage_rate_hourly: Decimal
    location_ids_with_availability: list[str]


class VoltagePark(Provider):
    name = "Voltage Park"
    pricing_page = "https://www.voltagepark.com/pricing"
    calls = {"locations": Locations, "presets": list[Preset]}
    interval = timedelta(hours=1)  # few requests, and stock is what changes
    url = "https://cloud-api.voltagepark.com/api/v1"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        answers: list[Answer] = []
        seen, has_next = 0, True
        while has_next:
            asked = {"limit": str(PER_PAGE), "offset": str(seen)}
            body = await get_json(client, f"{self.url}/bare-metal/locations", params=asked)
            answers.append(Answer("locations", body, asked))
            page: Paged = narrow(body, Paged)
            seen += len(page.results)
            has_next = page.has_next and bool(page.results)
        presets = await get(client, f"{self.url}/instant-deploy-presets/", accept=(404,))  # announced to go
        if presets.status_code == 404:
            return answers
        return [*answers, Answer("presets", decode_json(presets.content))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            if answer.call == "locations":
                for location in narrow(answer.body, Locations).results:
                    yield from nodes_at(location)
            else:
                presets: list[Preset] = narrow(answer.body, list[Preset])
                if not presets:
                    raise PayloadChanged("the list is empty - at `$`")
                for preset in presets:
                    yield from virtual_machine(preset)


def nodes_at(location: Location) -> Iterator[Offer]:
    node = location.specs_per_node
    for network, per_gpu, free in (
        ("ethernet", location.gpu_price_ethernet, location.gpu_count_ethernet),
        ("infiniband", location.gpu_price_infiniband, location.gpu_count_infiniband),
    ):
        if per_gpu and node.gpu_count > 0:
            yield Offer(
                instance_type=f"{node.gpu_count}x {node.gpu_model}",
                gpu=node.gpu_model,
                gpu_count=node.gpu_count,
                price_per_hour=per_gpu * node.gpu_count,
                currency="USD",
                region=location.id,
                tier=network,
                available=None if free is None else free >= node.gpu_count,
                vcpus=node.cpu_count,
                host_memory_gb=node.ram_gb,
                disk_gb=node.storage_gb,
                interconnect=link(node.gpu_count, form_in(node.gpu_model)),
                count_is_derived=True,
            )


def virtual_machine(preset: Preset) -> Iterator[Offer]:
    """The machine of a preset with GPUs of one kind at a price."""
    has = preset.resources
    if len(has.gpus) != 1 or preset.compute_rate_hourly <= 0:
        return
    [(model, gpus)] = has.gpus.items()
    if gpus.count > 0:
        yield Offer(
            instance_type=f"{gpus.count}x {model}",
            gpu=model,
            gpu_count=gpus.count,
            price_per_hour=preset.compute_rate_hourly + preset.storage_rate_hourly,
            currency="USD",
            tier="virtual machine",
            available=bool(preset.location_ids_with_availability),
            vcpus=has.vcpu_count,
            host_memory_gb=has.ram_gb,
            disk_gb=has.storage_gb,
            interconnect=link(gpus.count, form_in(model)),
        )
