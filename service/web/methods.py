"""HEAD wherever GET is (RFC 9110, 9.3.2): the same headers, no content; monitors and link checkers ask for that."""

from __future__ import annotations

from litestar.types import ASGIApp, Message, Receive, Scope, Send


def head_as_get(app: ASGIApp) -> ASGIApp:
    """An application that answers HEAD as it would GET, but for the content."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def send_without_content(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope["method"] = "GET"  # type: ignore[typeddict-item]
        await app(scope, receive, send_without_content)

    return answer
