"""The API for programs, version 1. A handler is one expression; what it needs is handed to it, already validated.

Reading order: ranking, catalogue, prices, sources, health.
"""

from __future__ import annotations

from litestar import Router

from service.web.api import catalogue, health, prices, ranking, sources

HANDLERS = [*ranking.HANDLERS, *catalogue.HANDLERS, *prices.HANDLERS, *sources.HANDLERS]

routers = [Router("/api/v1", route_handlers=HANDLERS), health.router]
