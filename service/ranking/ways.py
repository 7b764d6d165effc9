"""Every way to run the workload as columns: which offers count, what each costs and takes, which stand for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from service.estimation.answer import Estimate, Infeasible
from service.estimation.hardware import Machine
from service.ranking.cost import HOURS_PER_DAY, Tariff, tariff_of_ways
from service.ranking.data import Data, data_of
from service.ranking.offers import Bools, Estimates, Floats, Integers, Offers
from service.ranking.option import CloudOffer
from service.ranking.request import Per, RankingRequest, Rig

SHARED = ("rigs", "offers", "items", "reasons", "data")  # by all ways; every other field is a column
OVER_DEADLINE, OVER_BUDGET = "over_deadline", "over_budget"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ways:
    """Many ways, one element each: rigs first, then offers by title; that order breaks ties.

    A way that cannot run takes and costs infinitely much; its reason is in `reasons`.
    """

    rigs: tuple[Rig, ...]  # all that were asked about; a way below their number is one of them
    offers: Offers  # the whole market; a way beyond the rigs is a row of it
    items: tuple[Estimate | Infeasible, ...]  # of the rigs, then of the market's machines
    reasons: tuple[str | None, ...]  # what the codes in `reason` mean; the first is None: ranked
    data: Data  # what every way stores and moves

    way: Integers
    item: Integers
    growth: Floats  # of the hours, by interruptions
    tariff: Tariff
    hours: Floats  # P10, P50, P90 by way, interruptions included
    cost: Floats  # P10, P50, P90 by way
    score: Floats
    sigma_own: Floats
    unavailable: Bools  # known to be out of stock
    reason: Integers
    grouped: Integers  # how many offers this way stands for, itself included

    def __len__(self) -> int:
        return len(self.way)

    def __getitem__(self, chosen: NDArray[np.intp]) -> Ways:
        """These ways only, in this order."""
        columns = [field.name for field in fields(self) if field.name not in SHARED]
        return replace(self, **{name: getattr(self, name)[..., chosen] for name in columns})

    def days(self, place: int) -> Floats:
        """P10, P50, P90."""
        return self.hours[:, place] / HOURS_PER_DAY

    def beside_rent_usd(self, place: int) -> float:
        """What disk and traffic cost (P50)."""
        here = np.array([place])
        return float(self.tariff[here].beside_rent(self.hours[1, here])[0])

    @property
    def is_local(self) -> Bools:
        return self.way < len(self.rigs)

    def machine(self, place: int) -> Machine:
        way = int(self.way[place])
        return self.rigs[way].machine if way < len(self.rigs) else self.offers.machine[way - len(self.rigs)]

    def rig(self, place: int) -> Rig | None:
        way = int(self.way[place])
        return self.rigs[way] if way < len(self.rigs) else None

    def offer_row(self, place: int) -> int | None:
        """Which row of the offers; None: a rig."""
        row = int(self.way[place]) - len(self.rigs)
        return row if row >= 0 else None

    def offer(self, place: int) -> CloudOffer | None:
        row = self.offer_row(place)
        return None if row is None else self.offers.row(row)


def kept(request: RankingRequest, offers: Offers, now: datetime) -> Bools:
    """Which offers pass the filters. What does not is no part of the question, and no exclusion."""
    keep = offers.pricing.is_one_of(request.pricing)
    keep &= (offers.gpu_count >= request.min_gpus) & (offers.gpu_count <= request.max_gpus)
    if request.gpus:
        keep &= offers.gpu.is_one_of(request.gpus)
    if request.providers:
        keep &= offers.provider.is_one_of(request.providers)
    if request.regions:
        keep &= offers.region.is_one_of(request.regions)
    if request.cloud_countries:
        keep &= offers.country.is_one_of(request.cloud_countries)
    if request.max_age_hours is not None:
        keep &= offers.observed_at >= now.timestamp() - request.max_age_hours * 3600
    return keep


def weigh(request: RankingRequest, offers: Offers, estimates: Estimates, rig_estimates: Estimates, keep: Bools) -> Ways:
    """What each rig and each of these offers takes and costs, and why it is left out if it is."""
    rows = np.flatnonzero(keep)
    rigs = len(request.rigs)
    item = np.r_[np.arange(rigs), rigs + offers.machine.codes[rows]]
    growth = np.r_[np.zeros(rigs), offers.growth[rows]]
    hours = np.hstack([rig_estimates.hours, estimates.hours])[:, item] * (1 + growth)
    data = data_of(request)
    tariff = tariff_of_ways(request.rigs, offers, rows, hours[1, rigs:], data)
    can_run = np.isfinite(hours[1])
    cost = np.where(can_run, tariff.cost(np.where(can_run, hours, 0.0)), np.inf)
    waiting = np.where(can_run, hours[1], 0.0) / HOURS_PER_DAY * request.usd_per_day
    reasons, reason = _reasons(request, [*rig_estimates.reason, *estimates.reason], item, hours[1], cost[1])
    return Ways(
        rigs=request.rigs,
        offers=offers,
        items=rig_estimates.items + estimates.items,
        reasons=reasons,
        way=np.r_[np.arange(rigs), rigs + rows],
        item=item,
        data=data,
        growth=growth,
        tariff=tariff,
        hours=hours,
        cost=cost,
        score=cost[1] + waiting,
        sigma_own=np.r_[rig_estimates.sigma_own, estimates.sigma_own][item],
        unavailable=np.r_[np.zeros(rigs, bool), offers.known_unavailable[rows]],
        reason=reason,
        grouped=np.ones(len(item), np.int64),
    )


def _reasons(
    request: RankingRequest, by_item: Sequence[str | None], item: Integers, hours: Floats, cost: Floats
) -> tuple[tuple[str | None, ...], Integers]:
    """The one reason why each way is left out: it cannot run, else it is late, else it is dear."""
    reasons = tuple(dict.fromkeys([None, OVER_DEADLINE, OVER_BUDGET, *by_item]))
    reason = np.array([reasons.index(name) for name in by_item], np.int64)[item]
    if request.deadline_days is not None:
        is_late = hours / HOURS_PER_DAY > request.deadline_days
        reason[(reason == 0) & is_late] = reasons.index(OVER_DEADLINE)
    if request.budget_usd is not None:
        is_dear = cost > request.budget_usd
        reason[(reason == 0) & is_dear] = reasons.index(OVER_BUDGET)
    return reasons, reason


def keys_of(sort: str, ways: Ways) -> tuple[Floats, ...]:
    """What the order goes by, the most important first; the order of the ways breaks the last ties."""
    cost, days = ways.cost[1], ways.hours[1]
    return {"cost": (cost, days), "days": (days, cost), "score": (ways.score, cost, days)}[sort]


def best_per(per: Per, sort: str, ways: Ways) -> Ways:
    """The best way of each group, which stands for the rest of it; a rig is a group of its own.

    Best is what can be ranked before what is excluded, then what may be in stock before what is known not to be,
    then what the ranking sorts by: one offer out of stock or too late never hides another that would do.
    """
    if per == "offer":
        return ways
    group = _groups(per, ways)
    is_excluded, is_out_of_stock = ways.reason > 0, ways.unavailable
    best = best_of_each(group, is_excluded.astype(float), is_out_of_stock.astype(float), *keys_of(sort, ways))
    _, first = np.unique(group[best], return_index=True)
    best = np.sort(best[first])
    return replace(ways[best], grouped=np.bincount(group)[group[best]])


def _groups(per: Per, ways: Ways) -> Integers:
    rigs, offers = len(ways.rigs), ways.offers
    row = np.maximum(ways.way - rigs, 0)  # of no meaning for rigs
    if not len(offers):
        return ways.way
    group = offers.kind.codes[row]
    if per == "machine":
        group = group * len(offers.provider.values) + offers.provider.codes[row]
    return np.where(ways.is_local, ways.way, rigs + group)


def best_of_each(group: Integers, *keys: Floats) -> Integers:
    """The members of each group that are lowest by the first key, then by the next, …: one, or several that tie."""
    members = np.arange(len(group))
    for key in keys:
        lowest = np.full(int(group.max(initial=-1)) + 1, np.inf)
        np.minimum.at(lowest, group[members], key[members])
        members = members[key[members] == lowest[group[members]]]
    return members
