"""Hyperstack: prices per GPU in one list, machines in another; the name of the GPU joins them.

Processors, memory and the root disk of a machine with GPUs cost nothing on top. A name that ends in "-spot" is that GPU
on spot, with a price and with machines of its own. `value` is what the account pays, `original_value` the list's price
before a discount of its own; both as text in live answers. Machines ("flavors") are listed by region, sold out or not.

A GPU that is priced but in no machine is given per GPU: unavailable where the machines were told. Beside the GPUs the
price list has disks, addresses, processors and language models. Stock (`core/stocks`) counts the same cards once for
every size, and the machines say what is free: it is not read. Prices of reservations stand on the price page only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from providers.base import Answer, Header, Offer, PayloadChanged, Provider, PurchaseOption, bodies_of, get_json
from providers.words import country_in, form_in, link, memory_in

GPU = re.compile(r"(RTX-|[ABHL]\d|GB?H?\d|MI\d)")  # what the name of a GPU begins with
SPOT = "-spot"


class Price(msgspec.Struct):
    name: str
    value: Decimal


class Flavor(msgspec.Struct):
    name: str
    region_name: str
    gpu: str
    gpu_count: int
    cpu: float
    ram: float
    disk: float
    stock_available: bool
    ephemeral: float | None = None


class Group(msgspec.Struct):
    flavors: list[Flavor]


class Flavors(msgspec.Struct):
    data: list[Group]


class Hyperstack(Provider):
    name = "Hyperstack"
    pricing_page = "https://www.hyperstack.cloud/gpu-pricing"
    calls = {"flavors": Flavors, "pricebook": list[Price]}
    auth = Header("HYPERSTACK_API_KEY", header="api_key")
    url = "https://infrahub-api.nexgencloud.com/v1"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [
            Answer("flavors", await get_json(client, f"{self.url}/core/flavors", headers=headers)),
            Answer("pricebook", await get_json(client, f"{self.url}/pricebook", headers=headers)),
        ]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        if all(answer.call != "pricebook" for answer in answers):
            raise PayloadChanged("machines alone have no prices: the answer of v1/pricebook is missing")
        books = bodies_of(answers, "pricebook", list[Price])
        prices = {price.name: price.value for book in books for price in book if price.value}
        groups = [group for listed in bodies_of(answers, "flavors", Flavors) for group in listed.data]
        flavors = [flavor for group in groups for flavor in group.flavors if flavor.gpu and flavor.gpu_count > 0]
        for flavor in flavors:
            if flavor.gpu in prices:
                yield offer(flavor, prices[flavor.gpu])
        has_flavors = any(answer.call == "flavors" for answer in answers)
        for gpu in sorted(set(prices) - {flavor.gpu for flavor in flavors}):
            if GPU.match(gpu):
                yield single(gpu, prices[gpu], available=False if has_flavors else None)

    def saved_answers(self, body: Any) -> list[Answer]:
        """As always, but an answer's name may have a remark after it: `pricebook_docs_example`."""
        if isinstance(body, dict) and "answers" not in body:
            body = {named(key): part for key, part in body.items()}
        return super().saved_answers(body)


def named(key: str) -> str:
    return next((call for call in Hyperstack.calls if key.startswith(f"{call}_")), key)


def offer(flavor: Flavor, price: Decimal) -> Offer:
    return Offer(
        instance_type=flavor.name,
        gpu=flavor.gpu.removesuffix(SPOT),
        gpu_count=flavor.gpu_count,
        gpu_memory_gb=memory_in(flavor.gpu),
        price_per_hour=price * flavor.gpu_count,
        currency="USD",
        pricing=pricing_of(flavor.gpu),
        region=flavor.region_name,
        country=country_in(flavor.region_name),
        available=flavor.stock_available,
        vcpus=flavor.cpu,
        host_memory_gb=flavor.ram,
        disk_gb=flavor.disk + (flavor.ephemeral or 0),
        interconnect=link(flavor.gpu_count, form_in(flavor.gpu), "NVLink" in flavor.gpu),
    )


def single(gpu: str, price: Decimal, available: bool | None) -> Offer:
    return Offer(
        instance_type=gpu.removesuffix(SPOT),
        gpu=gpu.removesuffix(SPOT),
        gpu_count=1,
        gpu_memory_gb=memory_in(gpu),
        price_per_hour=price,
        currency="USD",
        pricing=pricing_of(gpu),
        available=available,
        count_is_derived=True,
    )


def pricing_of(gpu: str) -> PurchaseOption:
    return PurchaseOption.SPOT if gpu.endswith(SPOT) else PurchaseOption.ON_DEMAND
