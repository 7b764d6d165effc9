"""Exoscale: whole machines by the hour, the same figure in francs, euros and dollars; no GPU, count or zone is named.

A key is `running_<family>_<size>`; what a family is stands in `FAMILIES`. Since the figures are the same, a machine is
given once per zone, in the currency of the zone's country; where the zone is not known, in euros. Local disks cost
extra. Types that are no longer sold may still have a price. "0E-8" is how a zero is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, get_json, narrow
from providers.words import country_before, link


class Family(NamedTuple):
    gpu: str
    memory_gb: int
    counts: tuple[int, ...]  # GPUs of the sizes, in the order of SIZES
    zones: tuple[str, ...] = ()
    form: str | None = "pcie"  # of the card; None: sold in two


SIZES = ("small", "medium", "large", "huge")

# Families and their zones, as of 2026-10: github.com/e-minguez/suse-ai-factory-cloud-providers (notes on GPUs) and
# https://community.exoscale.com/product/concrete-ai/dedicated-inference/service-boundaries/limits-and-quotas/
# GPUs of a size are inferred from how prices grow with it; GET https://api-<zone>.exoscale.com/v2/instance-type says
# them, but only to those who may order the type. Of gpub300 one size is sold, "huge", a whole board.
FAMILIES = {
    "gpu": Family("P100", 16, (1, 2, 3, 4), form=None),
    "gpu2": Family("V100", 16, (1, 2, 3, 4), ("at-vie-1",), form=None),
    "gpu3": Family("A40", 48, (1, 2, 4, 8), ("de-fra-1",)),
    "gpua30": Family("A30", 24, (1, 2, 3, 4), ("ch-gva-2",)),
    "gpua5000": Family("RTX A5000", 24, (1, 2, 4, 8), ("at-vie-2",)),
    "gpu3080ti": Family("RTX 3080 Ti", 12, (1, 2, 4, 8), ("at-vie-2",)),
    "gpurtx6000pro": Family("RTX PRO 6000", 96, (1, 2, 4, 8), ("ch-dk-2", "de-fra-1", "hr-zag-1")),
    "gpub300": Family("B300", 288, (1, 2, 4, 8), ("ch-gva-2",), form="sxm"),
}


class PriceLists(msgspec.Struct):
    chf: dict[str, Decimal | None]
    eur: dict[str, Decimal | None]


class Exoscale(Provider):
    name = "Exoscale"
    pricing_page = "https://www.exoscale.com/pricing/"
    calls = {"opencompute": PriceLists}
    interval = timedelta(hours=12)
    url = "https://portal.exoscale.com/api/pricing/opencompute"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("opencompute", await get_json(client, self.url))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            lists: PriceLists = narrow(answer.body, PriceLists)
            types = [key.removeprefix("running_") for key in lists.eur if key.startswith("running_gpu")]
            if not types:
                raise PayloadChanged("no price is that of a machine with GPUs - at `$.eur`")
            for instance_type in types:
                yield from offers_of(instance_type, lists)


def offers_of(instance_type: str, lists: PriceLists) -> Iterator[Offer]:
    family, _, size = instance_type.partition("_")
    known = FAMILIES.get(family)
    for zone in known.zones if known and known.zones else (None,):
        currency, prices = ("CHF", lists.chf) if zone and zone.startswith("ch-") else ("EUR", lists.eur)
        if price := prices.get(f"running_{instance_type}"):
            yield offer(f"{family}.{size.replace('_', '-')}", zone, price, currency, counts_by_size(known).get(size))


def counts_by_size(family: Family | None) -> Mapping[str, int]:
    return dict(zip(SIZES, family.counts, strict=True)) if family else {}


def offer(instance_type: str, zone: str | None, price: Decimal, currency: str, count: int | None) -> Offer:
    """A machine in one zone; with a family or a size that the table does not know, under its own name."""
    family = FAMILIES[instance_type.partition(".")[0]] if count else None
    return Offer(
        instance_type=instance_type,
        gpu=family.gpu if family else instance_type,
        gpu_count=count or 1,
        gpu_memory_gb=family.memory_gb if family else None,
        price_per_hour=price,
        currency=currency,
        region=zone,
        country=country_before(zone),
        interconnect=link(count, family.form) if family and count else None,
    )
