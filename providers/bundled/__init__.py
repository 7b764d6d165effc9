"""The list that ships: dated prices of many providers, so that the first ranking works without a network.

Every row of `offers.csv` was published, and says on which day and where. A row without a region is one whose source
names none, or that costs the same everywhere. Prices that were published per GPU stand in the sizes that are sold, and
`published_per` says so. What needs parts that the source does not price (processors and memory billed on top) is left
out, and so is what is sold per request. Providers that have a live module here are replaced by it as a whole.

Rows that were read from the providers' pages by gpurentalprices.com say so in `read_by`: its data is licensed under CC
BY 4.0 (https://creativecommons.org/licenses/by/4.0/); instance types and sizes were added, what is no rented machine
was left out. The rest are recordings of the providers' own interfaces and readings of their price pages.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Literal

import httpx
import msgspec

from providers.base import Answer, Offer, Provider, PurchaseOption, narrow
from providers.gpurentalprices import ATTRIBUTION


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One line of offers.csv; an empty field is not there."""

    provider: str
    instance_type: str
    gpu: str  # name in the catalogue
    gpu_memory_gb: float
    gpu_count: int
    price_per_hour: Decimal  # of the whole machine
    currency: str
    observed_on: date
    source_url: str
    published_per: Literal["machine", "gpu"]
    pricing: PurchaseOption = PurchaseOption.ON_DEMAND
    term_months: int | None = None
    seller: str | None = None
    tier: str | None = None
    region: str | None = None
    country: str | None = None
    read_by: Literal["gpurentalprices.com"] | None = None  # whom its licence says to name; None: the page itself


class Bundled(Provider):
    name = "Bundled list"
    pricing_page = "https://gpurentalprices.com"
    calls = {"offers": str}
    source = "bundled"
    slug = "bundled"  # known without discover(), which looks into every other module
    interval = timedelta(days=365)  # it changes with the software only

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return published()

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for line in csv.DictReader(narrow(answer.body, str).splitlines()):
                yield _offer(narrow({name: text for name, text in line.items() if text}, Row))


def published() -> list[Answer]:
    """The list as it ships."""
    return [Answer("offers", files(__name__).joinpath("offers.csv").read_text(encoding="utf-8"))]


def _offer(row: Row) -> Offer:
    return Offer(
        provider=row.provider,
        seller=row.seller,
        instance_type=row.instance_type,
        gpu=row.gpu,
        gpu_memory_gb=row.gpu_memory_gb,
        gpu_count=row.gpu_count,
        pricing=row.pricing,
        term_months=row.term_months,
        tier=row.tier,
        region=row.region,
        country=row.country,
        price_per_hour=row.price_per_hour,
        currency=row.currency,
        observed_at=datetime.combine(row.observed_on, time(), UTC),
        source_url=row.source_url,
        count_is_derived=row.published_per == "gpu" and row.gpu_count > 1,
        attribution=ATTRIBUTION if row.read_by else None,
    )
