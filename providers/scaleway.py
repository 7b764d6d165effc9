"""Scaleway: one price list per zone, with its stock in a second one.

Prices are per machine and hour, in euros without tax. A type at the end of its service is still listed but can no
longer be ordered, and so are slices of a GPU (MIG), which train nothing we estimate; both are left out. An answer does
not say its zone: that stands in the request only, so a bare saved answer parses without a region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal, TypeVar

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, ProviderUnavailable, decode_json, each, get, narrow

API = "https://api.scaleway.com/instance/v1/zones"
ZONES = {  # those that the API's own clients know (github.com/scaleway/scaleway-sdk-go, scw/locality.go), as of 2026-11
    "fr-par-1": "FR",
    "fr-par-2": "FR",
    "fr-par-3": "FR",
    "it-mil-1": "IT",
    "nl-ams-1": "NL",
    "nl-ams-2": "NL",
    "nl-ams-3": "NL",
    "pl-waw-1": "PL",
    "pl-waw-2": "PL",
    "pl-waw-3": "PL",
}
PER_PAGE = 100  # the most that the API gives


class GpuInfo(msgspec.Struct):
    gpu_name: str
    gpu_memory: int  # bytes of one GPU


class Network(msgspec.Struct):
    sum_internal_bandwidth: float | None = None  # bit/s


class Server(msgspec.Struct):
    hourly_price: Decimal
    gpu: int | None
    end_of_service: bool
    gpu_info: GpuInfo | None  # null on machines without a GPU
    mig_profile: str | None = None
    ncpus: float | None = None
    ram: float | None = None  # bytes
    scratch_storage_max_size: float | None = None  # bytes of local disk
    network: Network | None = None


class Servers(msgspec.Struct):
    servers: dict[str, Server]


class Stock(msgspec.Struct):
    availability: Literal["available", "scarce", "shortage"]


class Availability(msgspec.Struct):
    servers: dict[str, Stock]


class Entries(msgspec.Struct):
    servers: dict[str, object]


S = TypeVar("S", Servers, Availability)


class Scaleway(Provider):
    name = "Scaleway"
    pricing_page = "https://www.scaleway.com/en/pricing/gpu/"
    calls = {"servers": Servers, "availability": Availability}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        async def of_one(wanted: tuple[str, str]) -> list[Answer]:
            return await pages(client, *wanted)

        wanted = [(zone, call) for zone in ZONES for call in self.calls]
        answers = [answer for part in await each(wanted, of_one) for answer in part]
        if not answers:
            raise ProviderUnavailable(f"{httpx.URL(API).host} knows none of the zones")
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "servers" for answer in answers):
            raise PayloadChanged("availability alone holds no prices: the answer of products/servers is missing")
        stock = {
            (zone, instance_type): listed.availability != "shortage"
            for zone, part in parts(answers, "availability", Availability)
            for instance_type, listed in part.servers.items()
        }
        for zone, part in parts(answers, "servers", Servers):
            for instance_type, server in part.servers.items():
                if server.gpu and not server.end_of_service and server.mig_profile is None:
                    yield offer(instance_type, server, zone, stock.get((zone, instance_type)))


async def pages(client: httpx.AsyncClient, zone: str, call: str) -> list[Answer]:
    """Every page of one list of one zone, none if there is no such zone; a header says how many entries there are."""
    url = f"{API}/{zone}/products/servers" + ("/availability" if call == "availability" else "")
    answers: list[Answer] = []
    seen, total = 0, 1
    while seen < total:
        page = str(len(answers) + 1)
        response = await get(client, url, params={"page": page, "per_page": str(PER_PAGE)}, accept=(404,))
        if response.status_code == 404:
            break
        answers.append(Answer(call, decode_json(response.content), {"zone": zone, "page": page}))
        entries = len(narrow(answers[-1].body, Entries).servers)
        seen += entries
        total = int(response.headers.get("X-Total-Count", "0")) if entries else 0
    return answers


def parts(answers: Sequence[Answer], call: str, shape: type[S]) -> Iterator[tuple[str | None, S]]:
    """The answers of one call, narrowed, each with its zone."""
    for answer in answers:
        if answer.call == call:
            yield answer.parameters.get("zone"), narrow(answer.body, shape)


def offer(instance_type: str, server: Server, zone: str | None, available: bool | None) -> Offer:
    gpu = server.gpu_info
    bandwidth = server.network.sum_internal_bandwidth if server.network else None
    return Offer(
        instance_type=instance_type,
        gpu=gpu.gpu_name if gpu else instance_type,
        gpu_count=server.gpu or 0,
        gpu_memory_gb=gpu.gpu_memory / 2**30 if gpu else None,
        price_per_hour=server.hourly_price,
        currency="EUR",
        region=zone,
        country=ZONES.get(zone) if zone else None,
        available=available,
        vcpus=server.ncpus,
        host_memory_gb=server.ram / 2**30 if server.ram else None,
        disk_gb=server.scratch_storage_max_size / 1e9 if server.scratch_storage_max_size else None,
        network_gbit_s=bandwidth / 1e9 if bandwidth else None,
    )
