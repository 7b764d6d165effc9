"""A run: every offer judged, then whether the run as a whole is believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from statistics import median

from providers.base import Offer
from service.catalogue import Catalogue
from service.checks.offer import Candidate, Origin, Reason, judge, readable
from service.checks.others import spot_judge, why_jumped, without, without_duplicates
from service.checks.values import Checked, Observation, Previous, Rejection, Source
from service.rates import Rates, shipped_rates


def check(
    offers: Iterable[Offer],
    *,
    collector: str,
    source: Source,
    pricing_page: str,
    catalogue: Catalogue,
    known: Mapping[str, float],
    previous: Previous,
    now: datetime,
    marketplace: bool = False,
    rates: Rates | None = None,  # None: those that ship
) -> Checked:
    """Every offer as observation, rejection or repetition; `known` is the median USD per GPU-hour of each GPU."""
    if source == "bundled":
        previous = Previous()  # what ships was read by a person: no jump is unexplained, no shorter list suspicious
    about = Origin(collector, source, pricing_page, catalogue, now, rates or shipped_rates())
    rejections: list[Rejection] = []
    candidates = _believable(map(readable, offers), about, known, rejections)
    unique, repeated = without_duplicates(candidates, rejections)
    believed = without(unique, rejections, spot_judge(unique))
    believed = without(believed, rejections, lambda candidate: why_jumped(candidate.observation, previous))
    observations = tuple(candidate.observation for candidate in believed)
    return Checked(
        observations=observations,
        rejections=tuple(rejections),
        repeated=repeated,
        unjudged=frozenset(o.gpu for o in observations if o.gpu not in known),
        set_aside=why_set_aside(observations, previous, marketplace=marketplace),
    )


def _believable(
    offers: Iterable[Offer], about: Origin, known: Mapping[str, float], rejections: list[Rejection]
) -> Iterator[Candidate]:
    for offer in offers:
        judged = judge(offer, about, known)
        if isinstance(judged, Reason):
            rejections.append(Rejection(*judged, offer))
        else:
            yield judged


def why_set_aside(
    observations: Collection[Observation], previous: Previous, *, marketplace: bool = False
) -> str | None:
    """Why a run as a whole is not believed. Machines of a marketplace come and go, its kinds of machines do not."""
    if not observations:
        return "no offer was believable"
    if marketplace:
        now_seen = len({(o.gpu, o.gpu_count) for o in observations})
        seen_before, what = len({(key.gpu, key.gpu_count) for key in previous.prices}), "groups of GPU and count"
    else:
        now_seen, seen_before, what = len(observations), previous.observations, "offers"
    if now_seen * 2 < seen_before:
        return f"{now_seen} {what} where the last good run had {seen_before}: fewer than half"
    return None


def medians(prices: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The median USD per GPU-hour of each GPU, of pairs of catalogue name and price.

    A price that is asked for several sizes or regions counts once: else the longest list alone would say what is usual.
    """
    by_gpu: defaultdict[str, set[float]] = defaultdict(set)
    for gpu, usd_per_gpu_hour in prices:
        by_gpu[gpu].add(round(usd_per_gpu_hour, 4))
    return {gpu: median(values) for gpu, values in by_gpu.items()}
