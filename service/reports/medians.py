"""What GPUs rent for: the medians of a market, and those that a report tells with how they moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Final

import numpy as np

from service.market import Market
from service.reports.given import Given, GpuPrices, percent_of
from service.reports.report import TOP, Median, Point

FEWEST: Final = 3  # offers of a GPU whose median says something
MEDIANS: Final = 6


def medians_of(market: Market) -> dict[str, float]:
    """By GPU, in dollars per GPU and hour, on demand."""
    return {gpu: median(prices) for gpu, prices in _by_gpu(market).items()}


def gpu_prices(market: Market, history: Sequence[tuple[datetime, Mapping[str, float]]]) -> tuple[GpuPrices, ...]:
    """The prices of now, with the medians of days before."""
    return tuple(
        GpuPrices(
            gpu=gpu,
            median_usd=median(prices),
            least_usd=min(prices),
            offers=len(prices),
            history=tuple(Point(at=at, median_usd=known[gpu]) for at, known in history if gpu in known),
        )
        for gpu, prices in _by_gpu(market).items()
    )


def _by_gpu(market: Market) -> dict[str, list[float]]:
    """The on-demand prices per GPU and hour, of the GPUs that are offered often enough."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    offers = market.offers
    rows = np.flatnonzero(offers.pricing.is_one_of({"on_demand"}))
    per_gpu = (offers.usd_per_hour / offers.gpu_count)[rows].tolist()
    for gpu, usd in zip(offers.gpu.at(rows).column, per_gpu, strict=True):
        found[gpu].append(usd)
    return {gpu: prices for gpu, prices in found.items() if len(prices) >= FEWEST}


def told_medians(given: Given) -> Iterator[Median]:
    """Of the GPUs that the top ten rent, in its order; then of those offered most."""
    wanted = [option.machine.gpu for option in given.ranking.options[:TOP] if option.offer]
    by_gpu = {each.gpu: each for each in sorted(given.prices, key=lambda each: -each.offers)}
    for gpu in list(dict.fromkeys([*wanted, *by_gpu]))[:MEDIANS]:
        if gpu in by_gpu:
            yield _told(given, by_gpu[gpu])


def _told(given: Given, each: GpuPrices) -> Median:
    words = given.words
    was = given.before.medians.get(each.gpu) if given.before else None
    change = percent_of(was, each.median_usd) if was else None
    return Median(
        gpu=each.gpu,
        median_usd=each.median_usd,
        least_usd=each.least_usd,
        offers=each.offers,
        change_percent=change,
        text=words.say(
            "median_changed" if change is not None and abs(change) >= 0.05 else "median",
            gpu=each.gpu,
            median=words.usd_rate(each.median_usd),
            percent=words.signed_percent(change) if change is not None else "",
            least=words.usd_rate(each.least_usd),
        ),
        points=(*each.history, Point(at=given.now, median_usd=each.median_usd)),
    )
