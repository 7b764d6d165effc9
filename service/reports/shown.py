"""What a report before showed, as far as the next one is compared with it: read from its ranking, live or kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from service.ranking.option import Ranking
from service.store import StoredReport


class Middle(msgspec.Struct, frozen=True):
    p50: float


class ShownOffer(msgspec.Struct, frozen=True):
    usd_per_hour: float


class ShownOption(msgspec.Struct, frozen=True):
    """The names of an Option, so that both are read alike."""

    rank: int
    title: str
    kind: str
    cost_usd: Middle
    days: Middle
    offer: ShownOffer | None  # None: a rig


class _Answer(msgspec.Struct, frozen=True):
    cheapest: ShownOption | None
    soonest: ShownOption | None
    rigs: tuple[ShownOption, ...]


class _BreakEven(msgspec.Struct, frozen=True):
    electricity_usd_per_kwh: float | None


class _Ranking(msgspec.Struct, frozen=True):
    options: tuple[ShownOption, ...]
    answer: _Answer
    break_even: _BreakEven | None


class _Median(msgspec.Struct, frozen=True):
    gpu: str
    median_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the last report showed."""

    made_at: datetime
    options: Mapping[str, ShownOption]  # by title: the same thing to a reader, whatever its id
    cheapest: ShownOption | None
    soonest: ShownOption | None
    break_even_usd_per_kwh: float | None
    medians: Mapping[str, float]  # by GPU

    @classmethod
    def of_report(cls, report: StoredReport) -> Shown:
        medians = msgspec.convert(report.value.get("medians", []), list[_Median])
        ranking = msgspec.convert(report.ranking, _Ranking)
        return cls._of(ranking, report.made_at, {each.gpu: each.median_usd for each in medians})

    @classmethod
    def of_ranking(cls, ranking: Ranking, at: datetime, medians: Mapping[str, float]) -> Shown:
        """What a report of this ranking would have told."""
        return cls._of(msgspec.convert(ranking, _Ranking, from_attributes=True), at, medians)

    @classmethod
    def _of(cls, ranking: _Ranking, at: datetime, medians: Mapping[str, float]) -> Shown:
        """The best of several of one title."""
        options: dict[str, ShownOption] = {}
        for option in (*ranking.options, *ranking.answer.rigs):
            options.setdefault(option.title, option)
        return cls(
            made_at=at,
            options=options,
            cheapest=ranking.answer.cheapest,
            soonest=ranking.answer.soonest,
            break_even_usd_per_kwh=ranking.break_even.electricity_usd_per_kwh if ranking.break_even else None,
            medians=medians,
        )
