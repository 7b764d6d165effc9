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
    faster or slower together. Of offers of the same machine only the cheapest can win; a tie is shared.
    """
    probability = np.zeros(len(ways))
    candidates = in_stock(ways, ranked)
    machine = ways.item[candidates] * 2 + (ways.growth[candidates] > 0)
    lowest = best_of_each(machine, ways.cost[1][candidates])
    machines, first, members, ties = np.unique(
        machine[lowest], return_index=True, return_inverse=True, return_counts=True
    )
    contenders = candidates[lowest[first]]
    plausible = np.argsort(ways.cost[1][contenders], kind="stable")[:CONTENDERS]
    won = np.zeros(len(machines))
    won[plausible] = _share_of_wins(ways, contenders[plausible])
    probability[candidates[lowest]] = (won / ties)[members]
    return probability


def _share_of_wins(ways: Ways, contenders: Integers) -> Floats:
    if not len(contenders):
        return np.zeros(0)
    gpus = [_gpu_name(ways, int(place)) for place in contenders]
    column = {gpu: number for number, gpu in enumerate(dict.fromkeys(gpus))}
    drawn = np.stack([_draws(gpu) for gpu in column], axis=1)[:, [column[gpu] for gpu in gpus]]
    hours = ways.hours[1][contenders] * np.exp(ways.sigma_own[contenders] * drawn)
    cost = ways.tariff[contenders].cost(hours)
    wins = cost == cost.min(axis=1, keepdims=True)
    share: Floats = (wins / wins.sum(axis=1, keepdims=True)).mean(axis=0)
    return share


def _gpu_name(ways: Ways, place: int) -> str:
    rig, offer = ways.rig(place), ways.offer(place)
    machine = rig.machine if rig else offer.machine if offer else None
    return machine.gpu.name if machine else ""


@cache
def _draws(gpu: str) -> Floats:
    """The same standard normal draws for a GPU in every ranking: stratified, shuffled by its name."""
    quantiles = [NormalDist().inv_cdf((number + 0.5) / DRAWS) for number in range(DRAWS)]
    return np.random.default_rng(crc32(gpu.encode())).permutation(np.array(quantiles))
