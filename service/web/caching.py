"""What depends on prices is asked for again only when they changed: ETag and If-None-Match."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, Final

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service.web.services import Services

PRICES: Final[Mapping[str, Any]] = {"depends_on_prices": True}  # as a handler's `opt`
PAST_PRICES: Final[Mapping[str, Any]] = {**PRICES, "depends_on_the_past": True}
SOFTWARE: Final = version("rig-or-rent")
PROGRAMS: Final = ("/api/", "/feeds/")  # who asks there reads no language


class PriceCaching(ASGIMiddleware):
    """Answers 304 before anything is computed when the reader holds this market's answer to this very question."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        services: Services | None = scope["litestar_app"].state.get("services")
        depends = scope["route_handler"].opt.get("depends_on_prices")
        if not depends or services is None or scope["type"] != ScopeType.HTTP:
            await next_app(scope, receive, send)
            return
        is_past = "depends_on_the_past" in scope["route_handler"].opt or b"as_of=" in scope["query_string"]
        version = services.markets.version_with_past if is_past else services.market.version
        tag = entity_tag(scope, version, services.clock())
        if tag in _held(scope):
            await _not_modified(send, tag)
        else:
            await next_app(scope, receive, _tagging(send, tag))


def entity_tag(scope: HTTPScope, market_version: str, now: datetime) -> str:
    """The prices, the question, the form of the answer and the software that answers. Weak: compression may differ.

    A page also says how old its prices are, in the reader's language: it is another page a minute later.
    """
    headers = dict(scope["headers"])
    spoken = (
        b"" if scope["path"].startswith(PROGRAMS) else headers.get(b"accept-language", b"") + f"{now:%H%M}".encode()
    )
    form = [headers.get(b"accept", b""), spoken, SOFTWARE.encode()]
    question = b"\n".join([scope["path"].encode(), scope["query_string"], *form])
    return f'W/"{market_version}-{blake2b(question, digest_size=6).hexdigest()}"'


def _held(scope: HTTPScope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    return [tag.strip() for value in values for tag in value.split(",")]


async def _not_modified(send: Send, tag: str) -> None:
    headers = [(b"etag", tag.encode()), *_revalidate()]
    await send({"type": "http.response.start", "status": 304, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _tagging(send: Send, tag: str) -> Send:
    async def send_tagged(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            headers = MutableScopeHeaders.from_message(message)
            headers["ETag"] = tag
            for name, value in _revalidate():
                headers[name.decode()] = value.decode()
        await send(message)

    return send_tagged


def _revalidate() -> list[tuple[bytes, bytes]]:
    """Kept, but asked about each time: a price may have changed a second ago."""
    return [(b"cache-control", b"no-cache"), (b"vary", b"Accept, Accept-Language")]
