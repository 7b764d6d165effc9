"""In which order: what comes first, what nothing beats, and how likely each is to be the cheapest."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from zlib import crc32

import numpy as np

from service.ranking.offers import Bools, Floats, Integers
from service.ranking.ways import Ways, best_of_each, keys_of

DRAWS = 1024
CONTENDERS = 256  # that may turn out to be the cheapest; the rest are taken never to


def in_order(ways: Ways, sort: str) -> Integers:
    """The ways that are ranked, first to last."""
    ranked = np.flatnonzero(ways.reason == 0)
    keys = keys_of(sort, ways)
    return ranked[np.lexsort([key[ranked] for key in reversed(keys)])]


def on_frontier(ways: Ways, cheapest_first: Integers) -> Bools:
    """Which ways no other beats on both cost and days (the Pareto frontier)."""
    days = ways.hours[1][cheapest_first]
    fastest_before = np.r_[np.inf, np.minimum.accumulate(days)[:-1]] if len(days) else days
    frontier = np.zeros(len(ways), bool)
    frontier[cheapest_first] = days < fastest_before
    return frontier


def in_stock(ways: Ways, ranked: Integers) -> Integers:
    """Those that may be the answer: what is not known to be out of stock, or all if nothing else is left."""
    available = ranked[~ways.unavailable[ranked]]
    return available if len(available) else ranked


def probability_cheapest(ways: Ways, ranked: Integers) -> Floats:
    """How likely each way is to be the cheapest; sums to 1. What cannot be the answer has none.

    The error that all estimates share cancels. What is left belongs to a GPU, so that all machines with it are
    faster or slower together. Of offers of the same machine the one that is cheapest at the median is taken to win,
    though steps and fixed amounts differ; a tie is shared.
    """
    probability = np.zeros(len(ways))
    candidates = in_stock(ways, ranked)
    machine = ways.item[candidates] * 2 + (ways.growth[candidates] > 0)
    lowest = best_of_each(machine, ways.cost[1][candidates])
    machines, first, members, ties = np.unique(
        machine[lowest], return_index=True, return_inverse=True, return_counts=True
    )
    best = candidates[lowest[first]]
    plausible = np.argsort(ways.cost[1][best], kind="stable")[:CONTENDERS]
    won = np.zeros(len(machines))
    won[plausible] = _share_of_wins(ways, best[plausible])
    probability[candidates[lowest]] = (won / ties)[members]
    return probability


def contenders(ways: Ways, probability: Floats, most: int) -> list[tuple[int, float]]:
    """The likeliest GPUs and counts to be the cheapest, each by its cheapest way and their probability together."""
    likely: dict[tuple[str, int, bool], float] = {}
    cheapest: dict[tuple[str, int, bool], int] = {}
    places = np.flatnonzero(probability)
    for place in places[np.argsort(ways.cost[1][places], kind="stable")].tolist():
        machine = ways.machine(place)
        kind = (machine.gpu.name, machine.gpu_count, ways.rig(place) is not None)
        cheapest.setdefault(kind, place)
        likely[kind] = likely.get(kind, 0.0) + float(probability[place])
    likeliest = sorted(likely, key=lambda kind: -likely[kind])[:most]
    return [(cheapest[kind], likely[kind]) for kind in likeliest]


def _share_of_wins(ways: Ways, places: Integers) -> Floats:
    if not len(places):
        return np.zeros(0)
    gpus = [ways.machine(place).gpu.name for place in places.tolist()]
    column = {gpu: number for number, gpu in enumerate(dict.fromkeys(gpus))}
    drawn = np.stack([_draws(gpu) for gpu in column], axis=1)[:, [column[gpu] for gpu in gpus]]
    hours = ways.hours[1][places] * np.exp(ways.sigma_own[places] * drawn)
    cost = ways.tariff[places].cost(hours)
    wins = cost == cost.min(axis=1, keepdims=True)
    share: Floats = (wins / wins.sum(axis=1, keepdims=True)).mean(axis=0)
    return share


@cache
def _draws(gpu: str) -> Floats:
    """The same standard normal draws for a GPU in every ranking: stratified, shuffled by its name."""
    quantiles = [NormalDist().inv_cdf((number + 0.5) / DRAWS) for number in range(DRAWS)]
    return np.random.default_rng(crc32(gpu.encode())).permutation(np.array(quantiles))
