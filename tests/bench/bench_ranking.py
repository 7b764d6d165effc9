"""How long a ranking over 60,000 offers of 2,000 kinds of machines takes inside the process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from measure import measured, observations, repeated

from service import catalogue
from service.checks import Observation
from service.estimation.estimate import Estimator
from service.estimation.hardware import Machine
from service.market import Market, RememberingEstimator, current_ranking, market_of
from service.ranking.request import RankingRequest, Rig
from service.rates import shipped_rates
from service.store.prices import NUMBERS, TEXTS, CurrentPrices

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OFFERS, MACHINES = 60_000, 2_000


def market() -> Market:
    seen = list(observations(OFFERS, MACHINES, NOW))
    columns: dict[str, Any] = {name: [getattr(each, name, None) or "" for each in seen] for name in TEXTS}
    columns |= {name: np.array([_number(each, name) for each in seen]) for name in NUMBERS}
    columns["offer_id"] = [f"{number:012x}" for number in range(OFFERS)]
    with measured(f"{OFFERS:,} prices to columns"):
        return market_of(CurrentPrices(**columns), set(), catalogue.load(), NOW, {}, shipped_rates())


def _number(seen: Observation, name: str) -> float:
    value = NOW.timestamp() if name in ("first_seen", "last_seen") else getattr(seen, name)
    return float("nan") if value is None else float(value)


def main() -> None:
    known = catalogue.load()
    rig = Rig(
        name=None,
        machine=Machine(gpu=known.gpus["RTX 4070"]),
        country="US",
        electricity_usd_per_kwh=0.17,
        electricity_source="a benchmark",
        carbon_g_per_kwh=380,
        gpu_watts=200,
        host_watts=90,
    )
    prices = market()
    estimator = RememberingEstimator(Estimator(known.efficiencies, known.runs))
    asked = RankingRequest(workload=known.workloads["nanochat-d32"], rigs=(rig,))
    what = f"ranking, {len(prices.offers):,} offers, {len(prices.machines):,} machines"
    current_ranking(prices, asked, estimator, NOW)  # warms the constants; other workloads are estimated afresh below
    for number in range(3):
        fresh = replace(asked, workload=replace(asked.workload, name=f"workload {number}"))
        with measured(f"{what}, not estimated", 250):
            current_ranking(prices, fresh, estimator, NOW)
    for name, request in {
        "per machine": asked,
        "per offer": replace(asked, per="offer"),
        "per GPU": replace(asked, per="gpu"),
        "by days": replace(asked, sort="days"),
        "1,000 rows explained": replace(asked, limit=1000, explain=True),
        "with deadline and budget": replace(asked, per="offer", deadline_days=3, budget_usd=600),
    }.items():
        repeated(f"{what}, {name}", partial(current_ranking, prices, request, estimator, NOW), 50)


if __name__ == "__main__":
    main()
