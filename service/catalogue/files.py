"""How the files of the catalogue are read: every entry typed, sourced and dated, or refused by file and entry."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from service.estimation.hardware import Gpu
from service.estimation.workload import Model, Optimizer, Precision, Reference, Workload

T = TypeVar("T")

Positive = Annotated[float, Meta(gt=0)]
Year = Annotated[int, Meta(ge=2010, le=2030)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(gt=0)]
Words = Annotated[str, Meta(min_length=1)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Urls = Annotated[tuple[Url, ...], Meta(min_length=1)]


class CatalogueError(Exception):
    """A file of the catalogue does not hold; the message names file and entry."""


# Accelerators --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSheet:
    """A GPU with what its data sheet does not say: how lists spell it, where each number was read, what is unsure."""

    gpu: Gpu
    memory_type: str
    launch_usd: float | None  # None: never sold alone, or not known
    aliases: tuple[str, ...]  # spellings of price lists, beyond what folding a name covers
    sources: tuple[str, ...]
    retrieved: date  # when the sources were read
    unverified: tuple[str, ...]  # fields that rest on memory, a ratio or a second hand
    notes: str
    matmul_precision: Precision | None  # in which the matrix rate was measured; None: nobody did
    matmul_sources: tuple[str, ...]


class GpuEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    vendor: Words
    architecture: Words
    year: Year
    memory_gb: Positive
    memory_type: Words
    bandwidth_gb_s: Positive
    bf16_tflops: Positive | None = None
    fp16_tflops: Positive | None = None
    fp8_tflops: Positive | None = None
    tf32_tflops: Positive | None = None
    fp32_tflops: Positive
    board_power_w: Positive
    form_factor: Words
    pcie_gen: Count
    pcie_lanes: Count
    nvlink_gb_s: NotNegative
    consumer: bool
    launch_usd: Positive | None = None
    matmul_tflops: Positive | None = None
    matmul_precision: Precision | None = None
    matmul_sources: tuple[Url, ...] = ()
    aliases: tuple[Words, ...] = ()
    sources: Urls
    retrieved: date
    unverified: tuple[str, ...] = ()
    notes: str = ""


class SharedName(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A name that several GPUs go by, and in which order they are meant."""

    name: Words
    order: tuple[Words, ...]
    why: Words


def read_gpus(text: str) -> tuple[dict[str, GpuSheet], dict[str, tuple[str, ...]]]:
    """Sheets by catalogue name, and the names that GPUs share with who is meant first."""
    parsed = parse_toml("gpus.toml", text, {"gpu", "shared_name"})
    sheets = {name: _sheet(name, typed("gpus.toml", name, entry, GpuEntry)) for name, entry in parsed["gpu"].items()}
    shared = [typed("gpus.toml", "shared_name", entry, SharedName) for entry in parsed["shared_name"]]
    return sheets, {entry.name: entry.order for entry in shared}


def _sheet(name: str, entry: GpuEntry) -> GpuSheet:
    unknown = set(entry.unverified) - {*SHEET_FIELDS, "launch_usd"}
    if unknown:
        raise CatalogueError(f"gpus.toml: {name}: unverified names no field: {', '.join(sorted(unknown))}")
    if (entry.matmul_tflops is None) == bool(entry.matmul_precision and entry.matmul_sources):
        raise CatalogueError(f"gpus.toml: {name}: a measured matrix rate needs precision and sources")
    sheet = {field: getattr(entry, field) for field in SHEET_FIELDS}
    return GpuSheet(
        gpu=Gpu(name=name, **sheet, matmul_bf16_tflops=entry.matmul_tflops),
        memory_type=entry.memory_type,
        launch_usd=entry.launch_usd,
        aliases=entry.aliases,
        sources=entry.sources,
        retrieved=entry.retrieved,
        unverified=entry.unverified,
        notes=entry.notes,
        matmul_precision=entry.matmul_precision,
        matmul_sources=entry.matmul_sources,
    )


SHEET_FIELDS = tuple(field.name for field in fields(Gpu) if field.name not in ("name", "matmul_bf16_tflops"))


# Workloads -----------------------------------------------------------------------------------------------------------


class ReferenceEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    gpu: Words
    gpu_count: Count
    hours: Positive  # wall time
    source: Url
    date: Words  # of the run, as far as it is known: 2025-10


class WorkloadEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Words
    tokens: Positive
    tokens_per_step: Count
    precision: Precision
    optimizer: Optimizer
    model: Model
    reference: ReferenceEntry | None = None
    source: Url
    retrieved: date


def read_workloads(text: str, gpus: Mapping[str, Gpu]) -> dict[str, Workload]:
    """Presets by slug, in the order of the file."""
    parsed = parse_toml("workloads.toml", text, {"workload"})
    return {
        slug: _workload(slug, typed("workloads.toml", slug, entry, WorkloadEntry), gpus)
        for slug, entry in parsed["workload"].items()
    }


def _workload(slug: str, entry: WorkloadEntry, gpus: Mapping[str, Gpu]) -> Workload:
    return Workload(
        slug=slug,
        name=entry.name,
        tokens=entry.tokens,
        tokens_per_step=entry.tokens_per_step,
        precision=entry.precision,
        optimizer=entry.optimizer,
        model=entry.model,
        reference=_reference(slug, entry.reference, gpus) if entry.reference else None,
        source=entry.source,
    )


def _reference(slug: str, entry: ReferenceEntry, gpus: Mapping[str, Gpu]) -> Reference:
    if entry.gpu not in gpus:
        raise CatalogueError(f"workloads.toml: {slug}: reference.gpu {entry.gpu!r} is no catalogue name")
    return Reference(gpu=gpus[entry.gpu], gpu_count=entry.gpu_count, hours=entry.hours, source=entry.source)


# Currencies ----------------------------------------------------------------------------------------------------------


class RateRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One reference rate as the European Central Bank publishes them: against the euro."""

    date: date
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    units_per_eur: Decimal
    source_url: Url
    read_in: Words  # where, since it was not read at its source


@dataclass(frozen=True, slots=True)
class DatedRate:
    date: date
    usd_per_unit: Decimal


def read_exchange_rates(text: str) -> dict[str, tuple[DatedRate, ...]]:
    """US dollars per unit by currency, oldest first."""
    days: dict[date, dict[str, Decimal]] = defaultdict(lambda: {"EUR": Decimal(1)})
    for row in csv.DictReader(text.splitlines()):
        rate = typed("exchange_rates.csv", f"{row['date']} {row['currency']}", row, RateRow, strict=False)
        if rate.units_per_eur <= 0 or rate.currency in days[rate.date]:
            raise CatalogueError(f"exchange_rates.csv: {rate.date} {rate.currency}: not positive, or stands twice")
        days[rate.date][rate.currency] = rate.units_per_eur
    found: dict[str, list[DatedRate]] = defaultdict(list)
    for day, units in sorted(days.items()):
        if "USD" not in units:
            raise CatalogueError(f"exchange_rates.csv: {day}: has no rate of the dollar")
        for currency, per_eur in units.items():
            found[currency].append(DatedRate(day, units["USD"] / per_eur))
    return {currency: tuple(rates) for currency, rates in found.items()}


# Electricity ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Electricity:
    """What a household pays for a kWh, taxes included, and what the grid emits for it."""

    code: str  # ISO 3166-1 alpha-2, or a state such as US-CA
    name: str
    usd_per_kwh: float  # at the newest exchange rate
    price_per_kwh: float
    currency: str
    period: str  # of the price: 2025-S2, 2026-06, 2023-2026
    official: bool  # by a statistics office or regulator; else averages gathered by others
    source: str
    source_url: str
    read_at_url: str | None  # where it was read, if not at its source
    carbon_g_per_kwh: float | None
    carbon_year: int | None
    carbon_source_url: str | None

    @property
    def year(self) -> int:
        """The last year that the price is of."""
        return max(int(year) for year in YEAR.findall(self.period))


YEAR = re.compile(r"\b20\d\d\b")


class ElectricityRow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    code: Annotated[str, Meta(pattern="^[A-Z]{2}(-[A-Z]{2})?$")]
    name: Words
    price_per_kwh: Positive
    currency: Words
    period: Annotated[str, Meta(pattern=r"^20\d\d(-20\d\d|-S[12]|-Q[1-4]|-[01]\d)?$")]
    official: bool
    source: Words
    source_url: Url
    read_at_url: Url | None
    carbon_g_per_kwh: Positive | None
    carbon_year: Year | None
    carbon_source_url: Url | None


def read_electricity(text: str, rates: Mapping[str, Sequence[DatedRate]]) -> dict[str, Electricity]:
    """Prices and carbon by country code, in the order of the file."""
    found: dict[str, Electricity] = {}
    for row in csv.DictReader(text.splitlines()):
        filled = {name: value or None for name, value in row.items()}
        entry = typed("electricity.csv", row["code"], filled, ElectricityRow, strict=False)
        if entry.code in found or entry.currency not in rates:
            raise CatalogueError(
                f"electricity.csv: {entry.code}: stands twice, or {entry.currency} has no exchange rate"
            )
        usd = entry.price_per_kwh * float(rates[entry.currency][-1].usd_per_unit)
        found[entry.code] = Electricity(usd_per_kwh=usd, **msgspec.structs.asdict(entry))
    return found


# What all of them need -----------------------------------------------------------------------------------------------


def parse_toml(file: str, text: str, tables: set[str]) -> dict[str, Any]:
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{file}: {error}") from error
    if parsed.keys() != tables:
        raise CatalogueError(
            f"{file}: expects the tables {', '.join(sorted(tables))}, found {', '.join(sorted(parsed))}"
        )
    return parsed


def typed(file: str, entry: str, value: object, shape: type[T], *, strict: bool = True) -> T:
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{file}: {entry}: {error}") from error
