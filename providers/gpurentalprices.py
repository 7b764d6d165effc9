"""GPU rental price data by gpurentalprices.com (https://gpurentalprices.com), CC BY 4.0: 34 providers, once a day.

Prices are US dollars per GPU and hour. `min_gpus` is the machine that the price was read from; where it is missing,
only one GPU is known to be offered. `kind` says secure, community or on-demand, which are all on demand; spot; or
serverless, which rents no machine and is left out. `fetched_at` is when a price was seen: before the snapshot where the
source could not be read that day. `vram_gb` is of one GPU, whose form is only said where its provider says it. `usd_hr`
leaves out storage, traffic and tax. Two providers whose pages price the card without its machine are left out.

Licence: Creative Commons Attribution 4.0 (https://creativecommons.org/licenses/by/4.0/); whoever shows the data names
the source with a link, so every offer carries both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import httpx
import msgspec

from providers.base import Answer, Offer, Provider, PurchaseOption, get_json, narrow
from providers.words import in_usual_form

ATTRIBUTION: Final = (
    "GPU rental price data by gpurentalprices.com (https://gpurentalprices.com), "
    "licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
)
SLUGS = {"datacrunch": "verda"}  # where ours is another
TIERS = ("secure", "community")

# Their pages price the card alone; processors and memory of the machine are charged beside it.
# https://cloud.google.com/compute/gpus-pricing ($0.560040239 is the L4, a g2-standard-4 with it $0.7068, August 2026),
# https://www.tensordock.com/cloud-gpus.html
PARTS_ONLY = ("gcp", "tensordock")


class Price(msgspec.Struct):
    provider: str
    gpu: str
    vram_gb: float
    usd_hr: Decimal
    kind: Literal["on-demand", "secure", "community", "spot", "serverless"]
    source_url: str
    fetched_at: datetime
    min_gpus: int | None = None


class Snapshot(msgspec.Struct):
    offers: list[Price]


class GpuRentalPrices(Provider):
    name = "GPU rental prices (gpurentalprices.com, CC BY 4.0)"
    pricing_page = "https://gpurentalprices.com"
    calls = {"latest": Snapshot}
    source = "catalogue"
    interval = timedelta(hours=24)  # a snapshot is published each morning
    url = "https://raw.githubusercontent.com/adriannutiu/gpu-rental-prices/main/data/latest.json"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("latest", await get_json(client, self.url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            snapshot: Snapshot = narrow(answer.body, Snapshot)
            yield from (offer_of(price) for price in snapshot.offers if is_of_a_machine(price))


def is_of_a_machine(price: Price) -> bool:
    return price.kind != "serverless" and price.provider not in PARTS_ONLY


def offer_of(price: Price) -> Offer:
    count = price.min_gpus or 1
    return Offer(
        instance_type=price.gpu,
        gpu=in_usual_form(price.gpu, price.provider),
        gpu_count=count,
        gpu_memory_gb=price.vram_gb,
        price_per_hour=price.usd_hr * count,
        currency="USD",
        pricing=PurchaseOption.SPOT if price.kind == "spot" else PurchaseOption.ON_DEMAND,
        tier=price.kind if price.kind in TIERS else None,
        count_is_derived=price.min_gpus is None,
        provider=SLUGS.get(price.provider, price.provider),
        observed_at=price.fetched_at,
        source_url=price.source_url,
        attribution=ATTRIBUTION,
    )
