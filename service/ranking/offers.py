"""What a ranking is given, as columns: every current price, and how long each kind of machine takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.estimation.answer import Estimate, Infeasible
from service.estimation.hardware import Machine
from service.ranking.interruptions import interruption_growth
from service.ranking.option import CloudOffer
from service.ranking.rules import Rules

Value = TypeVar("Value", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coded(Generic[Value]):
    """A column with few distinct values: each value once, and a code per row."""

    values: tuple[Value, ...]
    codes: Integers

    @classmethod
    def of(cls, column: Sequence[Value]) -> Coded[Value]:
        code = {value: number for number, value in enumerate(dict.fromkeys(column))}
        return cls(tuple(code), np.fromiter(map(code.__getitem__, column), np.int64, len(column)))

    @classmethod
    def of_numbers(cls, column: Floats, read: Callable[[float], Value]) -> Coded[Value]:
        """Numbers, each read as what it says; one that is none (NaN) too."""
        numbers, codes = np.unique(column, return_inverse=True)
        return cls(tuple(map(read, numbers.tolist())), codes)

    @classmethod
    def distinct(cls, column: Sequence[Value]) -> Coded[Value]:
        """A column in which hardly any value comes twice."""
        return cls(tuple(column), np.arange(len(column)))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> Value:
        return self.values[self.codes.item(row)]

    def at(self, rows: Integers) -> Coded[Value]:
        """These rows, in this order."""
        return Coded(self.values, self.codes[rows])

    @property
    def column(self) -> list[Value]:
        """Value by value."""
        return list(map(self.values.__getitem__, self.codes.tolist()))

    def mapped(self, function: Callable[[Value], Other]) -> Coded[Other]:
        """The same column with something else for each value."""
        others = Coded.of([function(value) for value in self.values])
        return Coded(others.values, others.codes[self.codes])

    def is_one_of(self, wanted: Iterable[Value]) -> Bools:
        """Which rows hold one of these values."""
        chosen = set(wanted)
        return np.array([value in chosen for value in self.values], bool)[self.codes]


@dataclass(frozen=True, eq=False, kw_only=True)
class Offers:
    """Every current price, by title and id: that order breaks ties, so that a ranking never depends on chance."""

    title: Coded[str]  # 8x H100 SXM at RunPod (secure), spot
    machine: Coded[Machine]
    kind: Coded[tuple[str, int]]  # GPU and count
    told: Mapping[str, Coded[Any]]  # what a reader is told of each, by the fields of CloudOffer
    rules: Coded[Rules]  # how whoever is paid bills
    gpu_count: Integers
    usd_per_hour: Floats
    is_spot: Bools
    growth: Floats  # of the hours, by interruptions
    own_disk_gb: Floats  # in the price, and there for as long as the run
    known_unavailable: Bools
    is_stale: Bools
    observed_at: Floats  # seconds since 1970

    def __len__(self) -> int:
        return len(self.usd_per_hour)

    @classmethod
    def of(
        cls, title: Coded[str], machine: Coded[Machine], told: Mapping[str, Coded[Any]], rules: Callable[[str], Rules]
    ) -> Offers:
        """Columns in any order, but all in the same; and the rules of a provider by its slug."""
        order = _by_title(title, told["id"])
        machine, told = machine.at(order), {name: column.at(order) for name, column in told.items()}
        billing, is_spot = told["provider"].mapped(rules), told["pricing"].is_one_of({"spot"})
        return cls(
            title=title.at(order),
            machine=machine,
            kind=machine.mapped(lambda kind: (kind.gpu.name, kind.gpu_count)),
            told=told,
            rules=billing,
            gpu_count=_numbers(told["gpu_count"]).astype(np.int64),
            usd_per_hour=_numbers(told["usd_per_hour"]),
            is_spot=is_spot,
            growth=np.where(is_spot, _growth(billing, told["gpu"]), 0.0),
            own_disk_gb=np.where(is_spot, 0.0, _own_disk_gb(told, billing)),
            known_unavailable=told["available"].is_one_of({False}),
            is_stale=told["stale"].is_one_of({True}),
            observed_at=_numbers(told["observed_at"].mapped(lambda at: at.timestamp())),
        )

    @property
    def provider(self) -> Coded[str]:
        return self.told["provider"]

    @property
    def collector(self) -> Coded[str]:
        return self.told["collector"]

    @property
    def gpu(self) -> Coded[str]:
        return self.told["gpu"]

    @property
    def region(self) -> Coded[str | None]:
        return self.told["region"]

    @property
    def country(self) -> Coded[str | None]:
        return self.told["country"]

    @property
    def pricing(self) -> Coded[str]:
        return self.told["pricing"]

    @property
    def source(self) -> Coded[str]:
        return self.told["source"]

    @cached_property
    def place(self) -> Mapping[str, int]:
        """In which row an offer stands, by its id."""
        ids = self.told["id"]
        return {ids.values[code]: row for row, code in enumerate(ids.codes.tolist())}

    def id(self, row: int) -> str:
        return str(self.told["id"][row])

    def row(self, row: int) -> CloudOffer:
        """One offer as a reader is told of it."""
        return CloudOffer(**{name: column.values[column.codes.item(row)] for name, column in self.told.items()})

    @cached_property
    def rows(self) -> tuple[CloudOffer, ...]:
        """All of them: a ranking shows a few, and needs none of the others in words."""
        columns = zip(*(column.column for column in self.told.values()), strict=True)
        return tuple(CloudOffer(**dict(zip(self.told, values, strict=True))) for values in columns)


def _by_title(title: Coded[str], ids: Coded[str]) -> Integers:
    place = {text: number for number, text in enumerate(sorted(title.values))}
    places = np.fromiter(map(place.__getitem__, title.values), np.int64, len(title.values))
    return np.lexsort([np.array(ids.values or [""])[ids.codes], places[title.codes]])


def _numbers(column: Coded[Any]) -> Floats:
    return np.array(column.values, np.float64)[column.codes]


def _growth(rules: Coded[Rules], gpu: Coded[str]) -> Floats:
    """By the rate that was counted with this provider's GPU, else by the one for all."""
    growth = np.full(len(gpu), interruption_growth())
    for code, each in enumerate(rules.values):
        for counted in each.interruptions:
            growth[(rules.codes == code) & gpu.is_one_of({counted.gpu})] = interruption_growth(counted.per_hour)
    return growth


def _own_disk_gb(told: Mapping[str, Coded[Any]], rules: Coded[Rules]) -> Floats:
    """As the offer says, else as with the provider's machines. An interruption takes it along: of spot it is none."""
    said = _numbers(told["disk_gb"].mapped(lambda gb: np.nan if gb is None else gb))
    usual = np.array([each.storage.included_gb for each in rules.values], np.float64)[rules.codes]
    per_gpu = np.array([each.storage.included_gb_per_gpu for each in rules.values], np.float64)[rules.codes]
    return np.where(np.isnan(said), usual + per_gpu * _numbers(told["gpu_count"]), said)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Estimates:
    """How long each machine takes, or why it cannot: the items in the order given, and their numbers as columns."""

    items: tuple[Estimate | Infeasible, ...]
    hours: Floats  # P10, P50, P90 by machine; infinite where it cannot run
    sigma_own: Floats
    reason: tuple[str | None, ...]  # None: it can run

    @classmethod
    def of(cls, items: Sequence[Estimate | Infeasible]) -> Estimates:
        return cls(
            items=tuple(items),
            hours=np.array([_hours(item) for item in items], np.float64).reshape(-1, 3).T,
            sigma_own=np.array([item.sigma_own if isinstance(item, Estimate) else 0.0 for item in items], np.float64),
            reason=tuple(why_excluded(item) for item in items),
        )


def why_excluded(item: Estimate | Infeasible) -> str | None:
    """The reason why this machine is left out, or nothing."""
    if isinstance(item, Infeasible):
        return item.reason
    return None if item.fits else "plan_out_of_memory"


def lacks_gb(item: Estimate | Infeasible) -> float | None:
    """How much memory is missing, where that is the reason."""
    return (item.lacks_gb or None) if why_excluded(item) else None


def _hours(item: Estimate | Infeasible) -> tuple[float, float, float]:
    if isinstance(item, Infeasible) or not item.fits:
        return (np.inf, np.inf, np.inf)
    return (item.hours.p10, item.hours.p50, item.hours.p90)
