"""What we remember: prices with their dates, runs, what was set aside, and the few questions asked of them.

Reading order: tables (what is kept), saving, past and rates (how a run is remembered), prices, history,
runs, workloads (the questions).
"""

from service.store import outbox
from service.store.history import (
    Chosen,
    DayOfGpu,
    PastPrice,
    ever_sold,
    first_price_at,
    offer_exists,
    prices_by_day,
    prices_of_offer,
)
from service.store.past import Held, Span, save_history, spans_held
from service.store.prices import CurrentPrices, KnownPrice, current_prices, known_prices, live_providers, previous
from service.store.rates import exchange_rates, save_rates
from service.store.report_tables import StoredDelivery, StoredDestination, StoredReport, StoredSubscription, is_id
from service.store.reports import forget_reports, report, reports
from service.store.runs import (
    CollectorState,
    InvalidCursor,
    Page,
    collectors,
    failures,
    knows_prices,
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
    "Chosen",
    "CollectorState",
    "CurrentPrices",
    "DayOfGpu",
    "ExchangeRate",
    "Held",
    "InvalidCursor",
    "KnownPrice",
    "Outcome",
    "Page",
    "PastPrice",
    "Price",
    "Run",
    "SavedWorkload",
    "Sku",
    "Span",
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
    "ever_sold",
    "exchange_rates",
    "failures",
    "first_price_at",
    "forget_reports",
    "is_id",
    "known_prices",
    "knows_prices",
    "last_outcome",
    "live_providers",
    "offer_exists",
    "outbox",
    "previous",
    "prices_by_day",
    "prices_of_offer",
    "rejections",
    "report",
    "reports",
    "reserve_run",
    "run",
    "run_is_under_way",
    "runs",
    "save_history",
    "save_rates",
    "save_run",
    "saved_workload",
    "saved_workloads",
    "spans_held",
    "subscription",
    "subscriptions",
    "subscriptions_named",
    "subscriptions_to_check",
]
