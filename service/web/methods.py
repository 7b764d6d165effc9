"""HEAD wherever GET is (RFC 9110, 9.3.2): the same headers, no content; monitors and link checkers ask for that."""

from __future__ import annotations

from typing import cast

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send


def head_as_get(app: ASGIApp) -> ASGIApp:
    """An application that answers HEAD as it would GET, but for the content."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != HttpMethod.HEAD:
            await app(scope, receive, send)
            return

        async def send_without_content(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = cast(HTTPScope, {**scope, "method": HttpMethod.GET})
        await app(asked, receive, send_without_content)

    return answer
