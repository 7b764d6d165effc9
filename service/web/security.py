"""Who may write, and what a browser may do with a page."""

from __future__ import annotations

import hmac
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from service.web.services import Services

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def require_key(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuses whoever does not show the installation's key."""
    if may_write(connection):
        return
    raise NotAuthorizedException(
        "This call needs the installation's key: Authorization: Bearer <key>.",
        headers={"WWW-Authenticate": 'Bearer realm="rig-or-rent"'},
    )


def may_write(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the installation's key is shown."""
    services: Services = connection.app.state.services
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), services.api_key.encode())


async def secure(message: Message, scope: Scope) -> None:
    """The same strict headers on every answer."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
