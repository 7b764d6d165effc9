"""One offer among the others of its run, and against its own past."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from providers.base import PurchaseOption
from service.checks.offer import Candidate, Reason
from service.checks.values import LastPrice, Observation, Previous, Rejection, SkuKey

JUMP_FACTOR: Final = 2.0  # AWS's p5 from 98.32 to 55.04 (2025) and Lambda's A10 from 0.75 to 1.29 (2026) are no jumps
SAME_NEWS_FACTOR: Final = 1.25  # a spot price moves between two runs; a jump seen twice need not be seen to the cent


def without_duplicates(candidates: Iterable[Candidate], rejections: list[Rejection]) -> tuple[list[Candidate], int]:
    """One candidate per SKU: what can be had before what cannot, then the cheapest, since it is what one would pay.

    The same price said twice is a repetition, counted and no more; another price of the same SKU is rejected, because
    it shows that the module leaves out what tells the two apart.
    """
    best: dict[SkuKey, Candidate] = {}
    repeated = 0
    for candidate in sorted(candidates, key=_preference):
        first = best.setdefault(candidate.observation.key, candidate)
        if first is candidate:
            continue
        if first.observation.last_price == candidate.observation.last_price:
            repeated += 1
        else:
            rejections.append(Rejection(*_duplicate(first, candidate), candidate.offer))
    return list(best.values()), repeated


def _preference(candidate: Candidate) -> tuple[bool, float, bool, str]:
    seen = candidate.observation
    return seen.available is False, candidate.usd_per_hour, seen.available is None, seen.currency


def _duplicate(first: Candidate, other: Candidate) -> Reason:
    kept, left = first.observation, other.observation
    return Reason(
        "duplicate",
        f"{left.price_per_hour:f} {left.currency} where the same SKU costs {kept.price_per_hour:f} {kept.currency}",
    )


def spot_judge(candidates: Iterable[Candidate]) -> Callable[[Candidate], Reason | None]:
    """Why a spot price is none, given the on-demand prices of the same run."""
    on_demand = {
        c.observation.key: c.usd_per_hour for c in candidates if c.observation.pricing is PurchaseOption.ON_DEMAND
    }

    def why_not_spot(candidate: Candidate) -> Reason | None:
        """A spot price that saves nothing is a list's way to say that there is no spot."""
        if candidate.observation.pricing is not PurchaseOption.SPOT:
            return None
        twin = candidate.observation.key._replace(pricing=PurchaseOption.ON_DEMAND)
        price = on_demand.get(twin) or on_demand.get(twin._replace(region=None))
        if price is None or candidate.usd_per_hour < price:
            return None
        return Reason("spot_not_cheaper", f"{candidate.usd_per_hour:.4g} USD per hour; on demand it is {price:.4g}")

    return why_not_spot


def why_jumped(observation: Observation, previous: Previous) -> Reason | None:
    """A price that more than doubled or halved is believed when the run before saw it too: then it is news."""
    last, now = previous.prices.get(observation.key), observation.last_price
    if last is None or not _differ(now, last, JUMP_FACTOR):
        return None
    before = previous.jumps.get(observation.key)
    if before is not None and not _differ(now, before, SAME_NEWS_FACTOR):
        return None
    return Reason(
        "unexplained_jump",
        f"{now.price_per_hour:f} {now.currency} after {last.price_per_hour:f} {last.currency}; "
        "believed if the next run sees it too",
    )


def _differ(one: LastPrice, other: LastPrice, factor: float) -> bool:
    """Whether two prices differ by more than a factor. Another currency is another price, and no jump by itself."""
    if one.currency != other.currency:
        return False
    ratio = one.price_per_hour / other.price_per_hour
    return ratio > Decimal(factor) or ratio * Decimal(factor) < 1


def without(
    candidates: Iterable[Candidate], rejections: list[Rejection], judge: Callable[[Candidate], Reason | None]
) -> list[Candidate]:
    kept: list[Candidate] = []
    for candidate in candidates:
        reason = judge(candidate)
        if reason is None:
            kept.append(candidate)
        else:
            rejections.append(Rejection(*reason, candidate.offer))
    return kept
