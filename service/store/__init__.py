"""What we remember: prices with their dates, runs, what was set aside, and the few questions asked of them.

Reading order: tables (what is kept), saving and rates (how a run is remembered), prices, runs, workloads (the
questions).
"""

from service.store import outbox
from service.store.prices import CurrentPrice, KnownPrice, current_prices, known_prices, live_providers, previous
from service.store.rates import exchange_rates, save_rates
from service.store.report_tables import StoredDelivery, StoredDestination, StoredReport, StoredSubscription
from service.store.reports import last_report_before, report, reports
from service.store.runs import (
    CollectorState,
    InvalidCursor,
    Page,
    collectors,
    failures,
    last_outcome,
    rejections,
    reserve_run,
    run,
    run_is_under_way,
    runs,
)
from service.store.saving import CHANNEL, StoredRun, save_run
from service.store.subscriptions import (
    count_subscriptions,
    destination,
    due_subscriptions,
    subscription,
    subscriptions,
    subscriptions_named,
    subscriptions_to_check,
)
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
    "StoredDelivery",
    "StoredDestination",
    "StoredRejection",
    "StoredReport",
    "StoredRun",
    "StoredSubscription",
    "Table",
    "WorkloadExists",
    "add_workload",
    "collectors",
    "count_subscriptions",
    "current_prices",
    "destination",
    "due_subscriptions",
    "exchange_rates",
    "failures",
    "known_prices",
    "last_outcome",
    "last_report_before",
    "live_providers",
    "outbox",
    "previous",
    "rejections",
    "report",
    "reports",
    "reserve_run",
    "run",
    "run_is_under_way",
    "runs",
    "save_rates",
    "save_run",
    "saved_workload",
    "saved_workloads",
    "subscription",
    "subscriptions",
    "subscriptions_named",
    "subscriptions_to_check",
]
