"""What Amazon's price lists leave out: which GPUs an instance type has, and where a region is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from providers.base import Offer, PurchaseOption, read_table

GPU_FAMILY = re.compile(r"(p|g|gr)\d")  # p5en.48xlarge, g6e.xlarge, gr6.4xlarge; not trn, inf, dl


@dataclass(frozen=True, slots=True)
class Machine:
    gpu: str
    gpu_count: int
    gpu_memory_gb: float | None


@dataclass(frozen=True, slots=True)
class Region:
    code: str
    country: str | None


def machine(instance_type: str) -> Machine | None:
    """Its GPUs; None if it has none or a slice of one. A GPU type that the table lacks goes under its own name."""
    if instance_type in machines():
        return machines()[instance_type]
    return Machine(instance_type, 1, None) if GPU_FAMILY.match(instance_type) else None


def region(written: str) -> Region:
    """The region of a display name, a code, or a code of the old spot list; any other is kept as written."""
    return regions().get(written, Region(written, None))


def offer(
    instance_type: str,
    price: Decimal,
    where: Region,
    pricing: PurchaseOption,
    *,
    currency: str = "USD",
    term_months: int | None = None,
    tier: str | None = None,
) -> Offer | None:
    """The offer of a GPU machine at a price; None for other machines and for a price of zero, which is none."""
    gpus = machine(instance_type)
    if gpus is None or price <= 0:
        return None
    return Offer(
        instance_type=instance_type,
        gpu=gpus.gpu,
        gpu_count=gpus.gpu_count,
        gpu_memory_gb=gpus.gpu_memory_gb,
        price_per_hour=price,
        currency=currency,
        pricing=pricing,
        term_months=term_months,
        tier=tier,
        region=where.code,
        country=where.country,
    )


@cache
def machines() -> dict[str, Machine | None]:
    return {
        row["instance_type"]: Machine(row["gpu"], int(row["count"]), float(row["memory_gb"]))
        if row["count"].isdigit()
        else None
        for row in read_table(__file__, "instance_types.csv")
    }


@cache
def regions() -> dict[str, Region]:
    return {
        row[column]: Region(row["code"], row["country"])
        for row in read_table(__file__, "regions.csv")
        for column in ("code", "name", "other_name", "old_code")
        if row[column]
    }
