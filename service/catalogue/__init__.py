"""What is known: accelerators, workloads, electricity, measured runs; each number with its source and date.

Reading order: here, `spelling` (which GPU a name means), `files` and `billing` (how they are read, and refused).
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

from service.catalogue.billing import read_billing
from service.catalogue.files import (
    CatalogueError,
    DatedRate,
    Electricity,
    GpuSheet,
    read_electricity,
    read_exchange_rates,
    read_gpus,
    read_workloads,
)
from service.catalogue.spelling import Names, UnknownGpu, names_of, resolve
from service.estimation.efficiencies import Efficiencies, read_efficiencies
from service.estimation.hardware import Gpu
from service.estimation.runs import PublishedRun, read_runs
from service.estimation.workload import Workload
from service.ranking.rules import ASSUMED, Rules

__all__ = [
    "Catalogue",
    "CatalogueError",
    "DatedRate",
    "Electricity",
    "GpuSheet",
    "UnknownCountry",
    "UnknownGpu",
    "load",
]

HERE = Path(__file__).parent


class UnknownCountry(LookupError):
    """No electricity price is known for this code; the message says which come nearest."""

    def __init__(self, code: str, nearest: tuple[str, ...]) -> None:
        self.code = code
        self.nearest = nearest
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        super().__init__(f"no electricity price is known for country {code!r}{hint}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """All of it, read once and never changed, and so only the same as itself."""

    gpus: Mapping[str, Gpu]  # by catalogue name
    sheets: Mapping[str, GpuSheet]  # by catalogue name
    names: Names
    workloads: Mapping[str, Workload]  # by slug
    electricity: Mapping[str, Electricity]  # by country code
    exchange_rates: Mapping[str, tuple[DatedRate, ...]]  # by currency, oldest first

    def gpu(self, name: str) -> Gpu:
        """The GPU that a person means; of several that share a bare name, the usual one. Raises UnknownGpu."""
        return self.gpus.get(name) or resolve(self.names, name)

    def resolve(self, spelling: str, memory_gb: float | None = None) -> Gpu:
        """The GPU that a price list means, told from its namesakes by the memory of one GPU. Raises UnknownGpu."""
        return resolve(self.names, spelling, memory_gb)

    def country(self, code: str) -> Electricity:
        """Electricity by country code, in any case. Raises UnknownCountry."""
        if found := self.electricity.get(code.strip().upper()):
            return found
        raise UnknownCountry(code, self._nearest_countries(code.casefold()))

    def _nearest_countries(self, code: str) -> tuple[str, ...]:
        entries = self.electricity.values()
        known = {name.casefold(): entry.code for entry in entries for name in (entry.code, entry.name)}
        known |= {"uk": "GB", "el": "GR"}  # as the European Union writes them
        return tuple(dict.fromkeys(known[name] for name in get_close_matches(code, known)))

    def billing(self, provider: str) -> Rules:
        """How whoever has this slug bills; what is not known of it is assumed."""
        return load_billing().get(provider, ASSUMED)

    @property
    def efficiencies(self) -> Efficiencies:
        """The fitted constants; read when first asked for, since collecting prices needs none."""
        return load_efficiencies()

    @property
    def runs(self) -> tuple[PublishedRun, ...]:
        """The published runs that the constants are fitted to, and that an estimate names as its evidence."""
        return load_runs()


@cache
def load() -> Catalogue:
    """The catalogue that ships with the software. Raises CatalogueError, naming file and entry."""
    sheets, shared = read_gpus(text_of("gpus.toml"))
    gpus = {name: sheet.gpu for name, sheet in sheets.items()}
    try:
        names = names_of({sheet.gpu: sheet.aliases for sheet in sheets.values()}, shared)
    except ValueError as error:
        raise CatalogueError(f"gpus.toml: {error}") from error
    rates = read_exchange_rates(text_of("exchange_rates.csv"))
    return Catalogue(
        gpus=MappingProxyType(gpus),
        sheets=MappingProxyType(sheets),
        names=MappingProxyType(names),
        workloads=MappingProxyType(read_workloads(text_of("workloads.toml"), gpus)),
        electricity=MappingProxyType(read_electricity(text_of("electricity.csv"), rates)),
        exchange_rates=MappingProxyType(rates),
    )


@cache
def load_billing() -> Mapping[str, Rules]:
    known = load()
    return MappingProxyType(read_billing(text_of("billing.toml"), known.gpus, known.exchange_rates))


@cache
def load_efficiencies() -> Efficiencies:
    return read_efficiencies(tomllib.loads(text_of("efficiencies.toml")))


@cache
def load_runs() -> tuple[PublishedRun, ...]:
    return read_runs(csv.DictReader(text_of("runs.csv").splitlines()), load().gpus)


def text_of(file: str) -> str:
    return (HERE / file).read_text(encoding="utf-8")
