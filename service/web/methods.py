"""HEAD wherever GET is (RFC 9110, 9.3.2): the same headers, no content; monitors and link checkers ask for that."""

from __future__ import annotations

from typing import cast

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send


def head_as_get(app: ASGIApp) -> ASGIApp:
    """An application that answers HEAD as it would GET, but for the content; and says so where it tells its methods."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        is_head = scope["method"] == HttpMethod.HEAD

        async def send_as_asked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _allow_head(MutableScopeHeaders.from_message(message))
            elif message["type"] == "http.response.body" and is_head:
                message = {**message, "body": b""}
            await send(message)

        asked = cast(HTTPScope, {**scope, "method": HttpMethod.GET}) if is_head else scope
        await app(asked, receive, send_as_asked)

    return answer


def _allow_head(headers: MutableScopeHeaders) -> None:
    """The methods of a 405 and of OPTIONS, in one order (RFC 9110, 10.2.1 and 15.5.6)."""
    if allowed := headers.get("allow"):
        methods = set(allowed.split(", "))
        headers["Allow"] = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
