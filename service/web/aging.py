"""Which sources have fallen silent, by the prices of theirs that have grown old."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from service.market import Market, provider_name
from service.ranking.offers import Offers
from service.web.services import Services


@dataclass(frozen=True, slots=True)
class OldPrices:
    """A source whose prices are old: how many of them stand in the market, and when the newest of them was seen."""

    source: str  # as people write it
    prices: int
    seen: datetime


_last: dict[str, tuple[OldPrices, ...]] = {}  # of the newest market only, by its version


def old_prices(market: Market, services: Services) -> tuple[OldPrices, ...]:
    """The sources of this market that fell silent, the one with most prices first."""
    if market.version not in _last:
        _last.clear()
        _last[market.version] = _counted(market, services)
    return _last[market.version]


def _counted(market: Market, services: Services) -> tuple[OldPrices, ...]:
    offers = market.offers
    counts = Counter(offers.collector.at(np.flatnonzero(offers.is_stale)).column)
    return tuple(
        OldPrices(provider_name(slug, services.sources), count, _last_seen(offers, slug))
        for slug, count in counts.most_common()
    )


def _last_seen(offers: Offers, collector: str) -> datetime:
    theirs = offers.is_stale & offers.collector.is_one_of({collector})
    return datetime.fromtimestamp(offers.observed_at[theirs].max(), UTC)
