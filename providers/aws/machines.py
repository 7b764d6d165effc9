"""What Amazon's price lists leave out: which GPUs an instance type has, and where a region is."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """What comes with the GPUs. None: not said."""

    vcpus: float | None = None
    host_memory_gb: float | None = None
    disk_gb: float | None = None
    network_gbit_s: float | None = None


NOT_SAID = Included()


def included(vcpus: str | None, memory: str | None, storage: str | None, network: str | None) -> Included:
    """In the lists' words: "192", "2048 GiB", "8 x 3840 GB SSD" or "EBS only", "3200 Gigabit"."""
    return Included(
        vcpus=number(r"([\d,]+)", vcpus),
        host_memory_gb=number(r"([\d,.]+) GiB", memory),
        disk_gb=disk(storage),
        network_gbit_s=bandwidth(network),
    )


def number(pattern: str, words: str | None) -> float | None:
    found = re.fullmatch(pattern, words or "")
    return float(found[1].replace(",", "")) if found else None


def disk(storage: str | None) -> float | None:
    """GB of all local disks: of "8 x 1000 SSD", of "900 GB NVMe SSD"."""
    found = re.fullmatch(r"(?:(\d+) x )?(\d+)(?: GB)?(?: NVMe)?(?: SSD| HDD)?", storage or "")
    return int(found[1] or 1) * float(found[2]) if found else None


def bandwidth(network: str | None) -> float | None:
    """Gbit/s that the machine has; "Up to 10 Gigabit" is a moment's, and no promise."""
    gigabit, megabit = number(r"([\d,.]+) Gigabit", network), number(r"([\d,.]+) Megabit", network)
    return gigabit if megabit is None else megabit / 1000


def machine(instance_type: str) -> Machine | None:
    """Its GPUs; None if it has none or a slice of one. A GPU type that the table lacks goes under its own name."""
    if instance_type in machines():
        return machines()[instance_type]
    return Machine(instance_type, 1, None) if GPU_FAMILY.match(instance_type) else None


def region(written: str) -> Region:
    """The region of a display name, a code, or a code of the old spot list; any other is kept as written."""
    return regions().get(written, Region(written, None))


def offers_of(
    instance_type: str,
    price: Decimal,
    where: Region,
    pricing: PurchaseOption,
    *,
    has: Included = NOT_SAID,
    currency: str = "USD",
    term_months: int | None = None,
    upfront: Decimal | None = None,
    tier: str | None = None,
) -> Iterator[Offer]:
    """The offer of a GPU machine at a price; nothing for other machines and for a price of zero, which is none."""
    gpus = machine(instance_type)
    if gpus is None or price <= 0:
        return
    yield Offer(
        instance_type=instance_type,
        gpu=gpus.gpu,
        gpu_count=gpus.gpu_count,
        gpu_memory_gb=gpus.gpu_memory_gb,
        price_per_hour=price,
        currency=currency,
        pricing=pricing,
        term_months=term_months,
        upfront=upfront,
        tier=tier,
        region=where.code,
        country=where.country,
        vcpus=has.vcpus,
        host_memory_gb=has.host_memory_gb,
        disk_gb=has.disk_gb,
        network_gbit_s=has.network_gbit_s,
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
