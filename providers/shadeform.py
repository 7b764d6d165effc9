"""Shadeform: an aggregator; each type is a machine of another cloud, in US cents per whole machine and hour.

The list is asked for without a key, and with one where SHADEFORM_API_KEY is set. A type may be sold in several regions,
free or not. The form of the card (`interconnect`: pcie, sxm5) stands beside its name, and an H100 without it may be
either. Machines without a GPU are listed too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Header, Offer, Provider, get_json, narrow
from providers.words import country_in, in_form, in_usual_form, link, seller_slug


class Configuration(msgspec.Struct):
    gpu_type: str
    num_gpus: int
    vram_per_gpu_in_gb: float | None = None  # not on machines without a GPU
    interconnect: str | None = None
    nvlink: bool | None = None
    vcpus: float | None = None
    memory_in_gb: float | None = None
    storage_in_gb: float | None = None


class Place(msgspec.Struct):
    region: str
    available: bool
    display_name: str | None = None  # "US, New York, NY"


class InstanceType(msgspec.Struct):
    cloud: str
    shade_instance_type: str
    configuration: Configuration
    hourly_price: Decimal
    availability: list[Place]
    deployment_type: str | None = None  # vm, container, baremetal


class InstanceTypes(msgspec.Struct):
    instance_types: list[InstanceType]


class Shadeform(Provider):
    name = "Shadeform"
    pricing_page = "https://www.shadeform.ai/instances"
    calls = {"instance_types": InstanceTypes}
    auth = Header("SHADEFORM_API_KEY", header="X-API-KEY")
    auth_is_optional = True
    interval = timedelta(hours=1)
    url = "https://api.shadeform.ai/v1/instances/types"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [Answer("instance_types", await get_json(client, self.url, headers=headers))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            listed: InstanceTypes = narrow(answer.body, InstanceTypes)
            for machine in listed.instance_types:
                if machine.configuration.num_gpus > 0 and machine.hourly_price > 0:
                    yield from (offer(machine, place) for place in tuple(machine.availability) or (None,))


def offer(machine: InstanceType, place: Place | None) -> Offer:
    has, seller = machine.configuration, seller_slug(machine.cloud)
    return Offer(
        instance_type=machine.shade_instance_type,
        gpu=in_usual_form(in_form(has.gpu_type, has.interconnect), seller),
        gpu_count=has.num_gpus,
        gpu_memory_gb=has.vram_per_gpu_in_gb,
        price_per_hour=machine.hourly_price / 100,
        currency="USD",
        region=place.region if place else None,
        country=country_of(place) if place else None,
        tier=machine.deployment_type,
        available=place.available if place else False,
        vcpus=has.vcpus,
        host_memory_gb=has.memory_in_gb,
        disk_gb=has.storage_in_gb,
        interconnect=link(has.num_gpus, has.interconnect, has.nvlink),
        seller=seller,
    )


def country_of(place: Place) -> str | None:
    """By the region, "newyork-usa-1"; else by its name where that begins with a country's code."""
    code = re.match(r"([A-Z]{2}), ", place.display_name or "")
    return country_in(place.region) or (code[1] if code else None)
