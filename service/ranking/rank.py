"""All the ways to run a workload, in order, with what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from service.ranking.break_even import crossings
from service.ranking.cost import SETUP_HOURS
from service.ranking.data import data_notes
from service.ranking.describe import described_workload, example, option, option_id
from service.ranking.interruptions import INTERRUPTIONS_PER_HOUR, interruption_growth
from service.ranking.offers import Bools, Estimates, Floats, Integers, Offers
from service.ranking.option import (
    Answer,
    BreakEven,
    Contender,
    Exclusion,
    ExclusionExample,
    MarketState,
    Option,
    Ranking,
)
from service.ranking.order import contenders, in_order, in_stock, on_frontier, probability_cheapest
from service.ranking.request import RankingRequest, Sort, cursor_of
from service.ranking.rules import ASSUMED
from service.ranking.ways import OVER_BUDGET, OVER_DEADLINE, Ways, best_of_each, best_per, kept, keys_of, weigh

EXAMPLES = 5
CONTENDERS = 3


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Standings:
    """All that a ranking knows, as columns; what is shown of it is written out on demand."""

    request: RankingRequest
    now: datetime
    ways: Ways
    order: Integers  # of the ranked ones, as asked for
    cheapest_first: Integers
    rank: Integers  # from 1; 0: not in this ranking
    on_frontier: Bools
    probability_cheapest: Floats

    @classmethod
    def of(
        cls,
        request: RankingRequest,
        offers: Offers,
        estimates: Estimates,
        rig_estimates: Estimates,
        *,
        now: datetime,
    ) -> Standings:
        """Every way to run the workload. `estimates` go by the market's machines, `rig_estimates` by the rigs."""
        ways = weigh(request, offers, estimates, rig_estimates, kept(request, offers, now))
        ways = best_per(request.per, request.sort, ways)
        order = in_order(ways, request.sort)
        cheapest_first = order if request.sort == "cost" else in_order(ways, "cost")
        rank = np.zeros(len(ways), np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        return cls(
            request=request,
            now=now,
            ways=ways,
            order=order,
            cheapest_first=cheapest_first,
            rank=rank,
            on_frontier=on_frontier(ways, cheapest_first),
            probability_cheapest=probability_cheapest(ways, cheapest_first),
        )

    @classmethod
    def outside(cls, request: RankingRequest, ways: Ways, now: datetime) -> Standings:
        """Ways that stand in no order."""
        nothing = np.zeros(0, np.int64)
        return cls(
            request=request,
            now=now,
            ways=ways,
            order=nothing,
            cheapest_first=nothing,
            rank=np.zeros(len(ways), np.int64),
            on_frontier=np.zeros(len(ways), bool),
            probability_cheapest=np.zeros(len(ways)),
        )

    def ranking(self, market: MarketState, notes: Iterable[str] = ()) -> Ranking:
        """The page that is asked for, with what is said of all."""
        request, order = self.request, self.order
        page = order[request.offset : request.offset + request.limit]
        end = request.offset + len(page)
        return Ranking(
            workload=described_workload(request.workload),
            data=self.ways.data,
            method=request.method,
            as_of=self.now,
            market=market,
            considered=len(self.ways),
            ranked=len(order),
            options=tuple(map(self.option, page.tolist())),
            excluded=tuple(_exclusions(self)),
            answer=_answer(self),
            break_even=_break_even(self),
            notes=(*notes, *_notes(self)),
            next_cursor=cursor_of(end) if end < len(order) else None,
        )

    def sketch(self, most: int) -> tuple[Option, ...]:
        """At most about so many of all options for a picture, in order."""
        return tuple(map(self.option, self._sampled(most)))

    def option(self, place: int) -> Option:
        return option(
            self.ways,
            place,
            rank=int(self.rank[place]),
            is_on_frontier=bool(self.on_frontier[place]),
            probability_cheapest=float(self.probability_cheapest[place]),
            explain=self.request.explain,
        )

    def place_of(self, wanted: str) -> int | None:
        """Where the way with this id is, if it is considered."""
        ways = self.ways
        row = ways.offers.place.get(wanted)
        rigs = (way for way in range(len(ways.rigs)) if option_id(ways, way) == wanted)
        places = np.flatnonzero(ways.way == next(rigs, -1 if row is None else len(ways.rigs) + row))
        return int(places[0]) if len(places) else None

    def _sampled(self, most: int) -> list[int]:
        """Places in order: the frontier and the rigs whole, of the others every so many."""
        important = self.on_frontier[self.order] | self.ways.is_local[self.order]
        others = np.flatnonzero(~important)
        step = max(1, -(-len(others) // max(1, most - int(important.sum()))))
        places: list[int] = self.order[np.sort(np.concatenate([np.flatnonzero(important), others[::step]]))].tolist()
        return places

    def first(self, sort: Sort) -> int | None:
        """The first of those that may be the answer."""
        candidates = in_stock(self.ways, np.flatnonzero(self.ways.reason == 0))
        keys = [key[candidates] for key in keys_of(sort, self.ways)]
        best = candidates[best_of_each(np.zeros(len(candidates), np.int64), *keys)]
        return int(best[0]) if len(best) else None


def find(
    option_id: str,
    request: RankingRequest,
    offers: Offers,
    estimates: Estimates,
    rig_estimates: Estimates,
    *,
    now: datetime,
) -> Option | ExclusionExample | None:
    """One way by its id, with its bill: as it stands in this ranking, or outside it (rank 0) if that leaves it out.

    An example where the machine cannot run the workload. None where no such offer is current.
    """
    request = replace(request, explain=True)
    standings = Standings.of(request, offers, estimates, rig_estimates, now=now)
    place = standings.place_of(option_id)
    if place is None or standings.ways.reason[place]:
        request = replace(request, deadline_days=None, budget_usd=None)
        everything = weigh(request, offers, estimates, rig_estimates, np.ones(len(offers), bool))
        standings = Standings.outside(request, everything, now)
        place = standings.place_of(option_id)
    if place is None:
        return None
    excluded = standings.ways.reason[place] > 0
    return example(standings.ways, place, request) if excluded else standings.option(place)


def _exclusions(standings: Standings) -> Iterator[Exclusion]:
    """What is left out, by reason, the most frequent first."""
    ways = standings.ways
    counts = Counter(ways.reason[ways.reason > 0].tolist())
    for code, count in sorted(counts.items(), key=lambda counted: (-counted[1], ways.reasons[counted[0]] or "")):
        yield Exclusion(
            reason=ways.reasons[code] or "",
            count=count,
            examples=tuple(
                example(ways, place, standings.request) for place in _closest(ways, np.flatnonzero(ways.reason == code))
            ),
        )


def _closest(ways: Ways, excluded: Integers) -> list[int]:
    """A few that are left out for one reason, each machine once: the user's own, then what lacks least."""
    lacking = _lacking(ways, excluded)
    nearest = excluded[np.argsort(np.where(ways.is_local[excluded], -1.0, lacking), kind="stable")]
    _, first = np.unique(ways.item[nearest], return_index=True)
    shown: list[int] = nearest[np.sort(first)[:EXAMPLES]].tolist()
    return shown


def _lacking(ways: Ways, excluded: Integers) -> Floats:
    """By how much each misses what it is left out for; all of them for the same reason."""
    reason = ways.reasons[ways.reason[excluded[0]]]
    if reason == OVER_DEADLINE:
        lacking = ways.hours[1]
    elif reason == OVER_BUDGET:
        lacking = ways.cost[1]
    else:
        lacking = np.array([item.lacks_gb or np.inf for item in ways.items], np.float64)[ways.item]
    chosen: Floats = lacking[excluded]
    return chosen


def _answer(standings: Standings) -> Answer:
    cheapest, soonest = standings.first("cost"), standings.first("days")
    best = standings.first("score") if standings.request.usd_per_day else None
    rigs = standings.order[standings.ways.is_local[standings.order]]
    return Answer(
        cheapest=None if cheapest is None else standings.option(cheapest),
        soonest=None if soonest is None else standings.option(soonest),
        lowest_score=None if best is None else standings.option(best),
        contenders=tuple(
            Contender(probability_cheapest=probability, option=standings.option(place))
            for place, probability in contenders(standings.ways, standings.probability_cheapest, CONTENDERS)
        ),
        rigs=tuple(standings.option(place) for place in rigs.tolist()),
        rented=len(standings.order) - len(rigs),
    )


def _break_even(standings: Standings) -> BreakEven | None:
    """Between the cheapest rig and the cheapest cloud option; None: one of them is missing."""
    ways, ranked = standings.ways, standings.cheapest_first
    locals_, clouds = ranked[ways.is_local[ranked]], in_stock(ways, ranked[~ways.is_local[ranked]])
    if not len(locals_) or not len(clouds):
        return None
    local, cloud = int(locals_[0]), int(clouds[0])
    return BreakEven(
        best_local=option_id(ways, local), best_cloud=option_id(ways, cloud), **crossings(ways, local, cloud)
    )


def _notes(standings: Standings) -> Iterator[str]:
    """What has no effect, and what was assumed for all options alike."""
    ways, request = standings.ways, standings.request
    yield from request.notes
    if not len(ways.offers):
        yield "no prices are known for this time; only your own machines are ranked"
    if not ways.is_local.all():
        yield (
            f"rent: as each provider bills; {SETUP_HOURS:g} h of setup are paid for but not counted in the days; not in"
            " it are taxes, support, public addresses, time between runs, and what is kept after the run"
        )
        yield from data_notes(request)
        yield from _assumed(ways)
    if ways.growth.any():
        yield (
            f"spot: {INTERRUPTIONS_PER_HOUR:g} interruptions an hour are assumed ({interruption_growth():.0%} more"
            " hours) where they were not counted with this provider's GPU; checkpoints at the best interval"
        )
    if request.per != "offer" and not ways.is_local.all():
        yield "each row stands for its group by the best offer that is not known to be out of stock"
    if "reserved" in request.pricing:
        yield "reserved: only the hours of this run are counted, not the rest of the term"


def _assumed(ways: Ways) -> Iterator[str]:
    """Of how many providers nothing is known."""
    rows = ways.way[~ways.is_local] - len(ways.rigs)
    provider, rules = ways.offers.provider, ways.offers.rules
    asked = np.unique(provider.codes[rows])
    unknown = np.unique(provider.codes[rows[rules.is_one_of({ASSUMED})[rows]]])
    if len(unknown):
        yield (
            f"of {len(unknown)} of {len(asked)} providers it is not known how they bill: by the second, one hour at"
            " least, a disk at what most charge and free traffic are assumed"
        )
