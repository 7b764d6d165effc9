"""The API for programs, version 1. A handler is one expression; what it needs is handed to it, already validated.

Reading order: ranking, catalogue, prices, history, sources, subscriptions, reports, feed, health.
"""

from __future__ import annotations

from litestar import Router

from service.web.api import catalogue, feed, health, history, prices, ranking, reports, sources, subscriptions

HANDLERS = [
    *ranking.HANDLERS,
    *catalogue.HANDLERS,
    *prices.HANDLERS,
    *history.HANDLERS,
    *sources.HANDLERS,
    *subscriptions.HANDLERS,
    *reports.HANDLERS,
]

routers = [
    Router("/api/v1", route_handlers=HANDLERS),
    Router("/", route_handlers=[*reports.PAGES, feed.price_feed]),
    health.router,
]
