"""What we remember: prices with their dates, runs, what was set aside, and the few questions asked of them.

Reading order: tables (what is kept), saving and rates (how a run is remembered), prices, runs, workloads (the
questions).
"""

from service.store.prices import CurrentPrice, KnownPrice, current_prices, known_prices, live_providers, previous
from service.store.rates import exchange_rates, save_rates
from service.store.runs import (
    CollectorState,
    InvalidCursor,
    Page,
    collectors,
    last_outcome,
    rejections,
    reserve_run,
    run,
    run_is_under_way,
    runs,
)
from service.store.saving import CHANNEL, StoredRun, save_run
from service.store.tables import ExchangeRate, Outcome, Price, Run, SavedWorkload, Sku, StoredRejection, Table
from service.store.workloads import WorkloadExists, add_workload, saved_workload, saved_workloads

__all__ = [
    "CHANNEL",
    "CollectorState",
    "CurrentPrice",
    "ExchangeRate",
    "InvalidCursor",
    "KnownPrice",
    "Outcome",
    "Page",
    "Price",
    "Run",
    "SavedWorkload",
    "Sku",
    "StoredRejection",
    "StoredRun",
    "Table",
    "WorkloadExists",
    "add_workload",
    "collectors",
    "current_prices",
    "exchange_rates",
    "known_prices",
    "last_outcome",
    "live_providers",
    "previous",
    "rejections",
    "reserve_run",
    "run",
    "run_is_under_way",
    "runs",
    "save_rates",
    "save_run",
    "saved_workload",
    "saved_workloads",
]
