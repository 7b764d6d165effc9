"""The charts of the ranking page, drawn once for each market, question and language."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Final, cast

from service.presentation.chart import NARROW, WIDE, Asked, Chart, Kind, cost_against_days
from service.presentation.numbers import TimeScale
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest
from service.web.form import Form

REMEMBERED: Final = 64  # pairs of charts, each some 200 KB

Pair = tuple[Chart | None, Chart | None]

_drawn: OrderedDict[Hashable, Pair] = OrderedDict()


def charts(drawn: Sequence[Option], ranking: Ranking, request: RankingRequest, form: Form, scale: TimeScale) -> Pair:
    """For wide screens and for narrow ones."""
    asked = Asked(
        of=ranking.ranked,
        deadline_days=request.deadline_days,
        budget_usd=request.budget_usd,
        x=_kind(form.typed("x")),
        y=_kind(form.typed("y")),
    )
    key = (ranking.market.version, ranking.as_of if request.as_of else None, replace(request, as_of=None), asked, scale)
    if key not in _drawn:
        _drawn[key] = _both(drawn, scale, asked)
    _drawn.move_to_end(key)
    while len(_drawn) > REMEMBERED:
        _drawn.popitem(last=False)
    return _drawn[key]


def _both(options: Sequence[Option], scale: TimeScale, asked: Asked) -> Pair:
    return cost_against_days(options, scale, asked, WIDE), cost_against_days(options, scale, asked, NARROW)


def _kind(typed: str) -> Kind | None:
    return cast(Kind, typed) if typed in ("log", "linear") else None
