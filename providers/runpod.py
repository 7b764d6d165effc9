"""RunPod: a price per GPU in two tiers, secure (its own data centres) and community, on demand and spot.

A price of 0 (or none) is not offered in that tier, and neither is one whose tier is switched off. The spot price is the
on-demand price repeated where there is no spot, and so it is none where there is no other. Prices hold in every region.
Machines are as large as `maxGpuCount…` says; an answer without it only tells that one GPU can be had. What is bid
(`minimumBidPrice`) is no price.

Three answers are read: GraphQL's `gpuTypes` with the prices of both tiers, which needs no key and is what `fetch` asks
for; the same with only a `lowestPrice`, as in the documentation (there inside `examples`); and REST v2's
`catalog/gpus`. Serverless prices are not read. MIG slices are listed like GPUs; the check knows them as slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from msgspec import UNSET, UnsetType

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, counts_up_to, get_json, narrow

QUERY = """query GpuPrices {
  gpuTypes {
    id displayName memoryInGb secureCloud communityCloud
    securePrice communityPrice secureSpotPrice communitySpotPrice
    maxGpuCountSecureCloud maxGpuCountCommunityCloud
    secureStock: lowestPrice(input: {gpuCount: 1, secureCloud: true}) { stockStatus }
    communityStock: lowestPrice(input: {gpuCount: 1, secureCloud: false}) { stockStatus }
  }
}"""


class Stock(msgspec.Struct, rename="camel"):
    stock_status: str | None  # High, Medium, Low; null: none left


class PricedGpu(msgspec.Struct, rename="camel"):
    id: str
    memory_in_gb: float
    secure_price: Decimal | None
    community_price: Decimal | None
    secure_spot_price: Decimal | None
    community_spot_price: Decimal | None
    secure_cloud: bool = True
    community_cloud: bool = True
    max_gpu_count_secure_cloud: int | None = None
    max_gpu_count_community_cloud: int | None = None
    secure_stock: Stock | None = None
    community_stock: Stock | None = None


class LowestPrice(msgspec.Struct, rename="camel"):
    uninterruptable_price: Decimal | None
    stock_status: str | UnsetType | None = UNSET
    available_gpu_counts: list[int] | None = None


class LowestPricedGpu(msgspec.Struct, rename="camel"):
    id: str
    lowest_price: LowestPrice
    memory_in_gb: float | None = None
    secure_cloud: bool = False
    community_cloud: bool = False


class ExampleGpu(msgspec.Struct, rename="camel"):
    id: str
    lowest_price: LowestPrice | None = None  # some examples of the documentation ask for names only


class ByTier(msgspec.Struct):
    secure: Decimal | None
    community: Decimal | None


class LargestCount(msgspec.Struct):
    secure: int | None
    community: int | None


class CatalogGpu(msgspec.Struct, rename="camel"):
    id: str
    memory: float
    secure: bool
    community: bool
    price: ByTier
    max_count: LargestCount
    availability: str | None = None  # HIGH, MEDIUM, LOW, NONE; only where it was asked for


class PricedTypes(msgspec.Struct, rename="camel"):
    gpu_types: list[PricedGpu]


class LowestPricedTypes(msgspec.Struct, rename="camel"):
    gpu_types: list[LowestPricedGpu]


class ExampleTypes(msgspec.Struct, rename="camel"):
    gpu_types: list[ExampleGpu]


class Prices(msgspec.Struct):
    data: PricedTypes


class LowestPrices(msgspec.Struct):
    data: LowestPricedTypes


class Example(msgspec.Struct):
    data: ExampleTypes


class Examples(msgspec.Struct):
    examples: list[Example]


class Catalog(msgspec.Struct):
    gpus: list[CatalogGpu]


class RunPod(Provider):
    name = "RunPod"
    pricing_page = "https://www.runpod.io/pricing"
    calls = {"gpu_types": Prices, "lowest_price": LowestPrices, "catalog_gpus": Catalog, "examples": Examples}
    url = "https://api.runpod.io/graphql"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("gpu_types", await get_json(client, self.url, json={"query": QUERY}))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            yield from READERS[answer.call](answer.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One GPU type as one tier sells it."""

    gpu: str
    memory_gb: float | None
    name: str | None  # None: not said
    largest: int | None  # GPUs of the largest machine; None: not said
    available: bool | None

    def at(self, price: Decimal | None, pricing: PurchaseOption = PurchaseOption.ON_DEMAND) -> Iterator[Offer]:
        """A price per GPU as machines of 1, 2, 4, 8 GPUs; none where the price is 0."""
        if not price:
            return
        for count in counts_up_to(self.largest or 1):
            yield Offer(
                instance_type=self.gpu,
                gpu=self.gpu,
                gpu_count=count,
                gpu_memory_gb=self.memory_gb,
                price_per_hour=price * count,
                currency="USD",
                pricing=pricing,
                tier=self.name,
                available=self.available,
                count_is_derived=True,
            )


def read_gpu_types(body: Any) -> Iterator[Offer]:
    prices: Prices = narrow(body, Prices)
    for gpu in prices.data.gpu_types:
        if gpu.secure_cloud:
            secure = tier(gpu, "secure", gpu.max_gpu_count_secure_cloud, gpu.secure_stock)
            yield from both_prices(secure, gpu.secure_price, gpu.secure_spot_price)
        if gpu.community_cloud:
            community = tier(gpu, "community", gpu.max_gpu_count_community_cloud, gpu.community_stock)
            yield from both_prices(community, gpu.community_price, gpu.community_spot_price)


def tier(gpu: PricedGpu, name: str, largest: int | None, stock: Stock | None) -> Tier:
    available = None if stock is None else stock.stock_status is not None
    return Tier(gpu=gpu.id, memory_gb=gpu.memory_in_gb, name=name, largest=largest, available=available)


def both_prices(sold: Tier, on_demand: Decimal | None, spot: Decimal | None) -> Iterator[Offer]:
    yield from sold.at(on_demand)
    if on_demand and spot != on_demand:
        yield from sold.at(spot, PurchaseOption.SPOT)


def read_lowest_price(body: Any) -> Iterator[Offer]:
    prices: LowestPrices = narrow(body, LowestPrices)
    for gpu in prices.data.gpu_types:
        lowest = gpu.lowest_price
        sold = Tier(
            gpu=gpu.id,
            memory_gb=gpu.memory_in_gb,
            name={(True, False): "secure", (False, True): "community"}.get((gpu.secure_cloud, gpu.community_cloud)),
            largest=max(lowest.available_gpu_counts or [1]),
            available=None if lowest.stock_status is UNSET else lowest.stock_status is not None,
        )
        yield from sold.at(lowest.uninterruptable_price)


def read_examples(body: Any) -> Iterator[Offer]:
    """Whole answers of `lowestPrice`, among which some show no price."""
    shown: Examples = narrow(body, Examples)
    priced = [all(gpu.lowest_price for gpu in example.data.gpu_types) for example in shown.examples]
    if not any(priced):
        raise PayloadChanged("no example has `lowestPrice` - at `$.examples[...].data.gpuTypes[...]`")
    for example, has_price in zip(body["examples"], priced, strict=True):
        if has_price:
            yield from read_lowest_price(example)


def read_catalog_gpus(body: Any) -> Iterator[Offer]:
    catalog: Catalog = narrow(body, Catalog)
    for gpu in catalog.gpus:
        available = None if gpu.availability is None else gpu.availability != "NONE"
        for name, offered in (("secure", gpu.secure), ("community", gpu.community)):
            largest: int | None = getattr(gpu.max_count, name)
            sold = Tier(gpu=gpu.id, memory_gb=gpu.memory, name=name, largest=largest, available=available)
            yield from sold.at(getattr(gpu.price, name)) if offered else ()


READERS = {
    "gpu_types": read_gpu_types,
    "lowest_price": read_lowest_price,
    "catalog_gpus": read_catalog_gpus,
    "examples": read_examples,
}
