"""How the files of the catalogue are read: every entry typed, sourced, dated and positive, or refused by file and entry."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from service.estimation.hardware import Gpu
from service.estimation.workload import Model, Optimizer, Precision, Reference, Workload

T = TypeVar("T")

Positive = Annotated[float, Meta(gt=0)]
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
    year: Annotated[int, Meta(ge=2010, le=2030)]
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


# Electricity ---------------------------------------------------------------------------------------------------------


class Electricity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a household pays for a kWh, taxes included, and what the grid emits for it."""

    code: Words  # ISO 3166-1 alpha-2, or a state as US-CA
    country: Words
    usd_per_kwh: Positive
    period: Words  # of the price: 2025-S2, 2026-06, 2023-2026
    official: bool  # by a statistics office or regulator; else averages gathered by others
    source: Words
    source_url: Url
    carbon_g_per_kwh: NotNegative | None
    carbon_year: Count | None
    carbon_source: str | None
    carbon_source_url: Url | None

    @property
    def year(self) -> int:
        """The year in which the price was last true."""
        return int(self.period[-4:]) if self.period[:4].isdigit() and len(self.period) == 9 else int(self.period[:4])


def read_electricity(text: str) -> dict[str, Electricity]:
    """Prices and carbon by country code."""
    found: dict[str, Electricity] = {}
    for row in csv.DictReader(text.splitlines()):
        entry = typed("electricity.csv", row["code"], {k: v or None for k, v in row.items()}, Electricity, strict=False)
        if entry.code in found:
            raise CatalogueError(f"electricity.csv: {entry.code}: stands twice")
        found[entry.code] = entry
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
