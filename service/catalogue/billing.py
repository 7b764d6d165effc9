"""How `billing.toml` is read: the rules of each provider, with what is not known filled in as assumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from service.catalogue.files import (
    CatalogueError,
    DatedRate,
    NotNegative,
    Positive,
    Url,
    Words,
    parse_toml,
    typed,
)
from service.ranking.rules import ASSUMED, HOURS_PER_MONTH, InterruptionRate, Rent, Rules, Step, Storage, Traffic

FILE = "billing.toml"
NO_STEP_S = 1  # by the second is as good as by nothing

Read = Annotated[str, Meta(pattern=r"^(20\d\d(-[01]\d(-[0-3]\d)?)?(\.\.20\d\d)?|undated)$")]


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every part says: where it was read, of when that is, and what in it is unsure."""

    source: Url
    read: Read
    unverified: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """For the reader of a bill."""
        unsure = ", unverified" if self.unverified else ""
        return f"{self.source}, {self.read.replace('..', '–')}{unsure}"


class RentPart(Part, kw_only=True):
    step_s: Positive
    minimum_s: NotNegative = 0.0
    by_clock: bool = False
    capped_hours: Positive = HOURS_PER_MONTH


class StoragePart(Part, kw_only=True):
    per_gb_month: Decimal | None = None
    currency: Words = "USD"
    month_hours: Positive = HOURS_PER_MONTH
    included_gb: NotNegative = 0.0
    included_gb_per_gpu: NotNegative = 0.0


class StepPart(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    above_gb: NotNegative
    per_gb: Decimal


class TrafficPart(Part, kw_only=True):
    steps: tuple[StepPart, ...] = ()
    free_gb: NotNegative = 0.0
    accrues_hours: Positive | None = None


class InterruptionsPart(Part, kw_only=True):
    gpu: Words
    per_hour: Positive


class Entry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    rent: RentPart | None = None
    storage: StoragePart | None = None
    egress: TrafficPart | None = None
    ingress: TrafficPart | None = None
    interruptions: tuple[InterruptionsPart, ...] = ()


def read_billing(text: str, gpus: Collection[str], rates: Mapping[str, Sequence[DatedRate]]) -> dict[str, Rules]:
    """The rules by a provider's slug."""
    entries = parse_toml(FILE, text, {"provider"})["provider"]
    return {slug: _rules(slug, typed(FILE, slug, entry, Entry), gpus, rates) for slug, entry in entries.items()}


def _rules(slug: str, entry: Entry, gpus: Collection[str], rates: Mapping[str, Sequence[DatedRate]]) -> Rules:
    for part in (entry.rent, entry.storage, entry.egress, entry.ingress):
        if part and (unknown := set(part.unverified) - set(part.__struct_fields__)):
            raise CatalogueError(f"{FILE}: {slug}: unverified names no field: {', '.join(sorted(unknown))}")
    for counted in entry.interruptions:
        if counted.gpu not in gpus:
            raise CatalogueError(f"{FILE}: {slug}: interruptions.gpu {counted.gpu!r} is no catalogue name")
    return Rules(
        rent=_rent(entry.rent) if entry.rent else ASSUMED.rent,
        storage=_storage(slug, entry.storage, rates) if entry.storage else ASSUMED.storage,
        egress=_traffic(slug, entry.egress) if entry.egress else ASSUMED.egress,
        ingress=_traffic(slug, entry.ingress) if entry.ingress else ASSUMED.ingress,
        interruptions=tuple(
            InterruptionRate(gpu=counted.gpu, per_hour=counted.per_hour, source=counted.told)
            for counted in entry.interruptions
        ),
    )


def _rent(part: RentPart) -> Rent:
    return Rent(
        step_hours=0.0 if part.step_s <= NO_STEP_S else part.step_s / 3600,
        minimum_hours=part.minimum_s / 3600,
        by_clock=part.by_clock,
        capped_hours=part.capped_hours,
        source=part.told,
    )


def _storage(slug: str, part: StoragePart, rates: Mapping[str, Sequence[DatedRate]]) -> Storage:
    """In dollars at the newest rate that ships: the price of a disk is a small part of a bill."""
    if part.currency not in rates:
        raise CatalogueError(f"{FILE}: {slug}: {part.currency} has no exchange rate")
    price = part.per_gb_month
    return Storage(
        usd_per_gb_month=(
            ASSUMED.storage.usd_per_gb_month if price is None else price * rates[part.currency][-1].usd_per_unit
        ),
        month_hours=part.month_hours,
        included_gb=part.included_gb,
        included_gb_per_gpu=part.included_gb_per_gpu,
        rate_is_assumed=price is None,
        source=part.told,
    )


def _traffic(slug: str, part: TrafficPart) -> Traffic:
    places = [step.above_gb for step in part.steps]
    if places != sorted(set(places)) or places[:1] not in ([], [0]):
        raise CatalogueError(f"{FILE}: {slug}: steps must begin at 0 and rise")
    return Traffic(
        steps=tuple(Step(above_gb=step.above_gb, usd_per_gb=step.per_gb) for step in part.steps),
        free_gb=part.free_gb,
        accrues_hours=part.accrues_hours,
        source=part.told,
    )
