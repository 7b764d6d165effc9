"""The HTTP client that is handed to every provider: patient, bounded, and honest about who is asking.

What a provider asks for passes through these transports, outermost first: redirects, retries, limits, overrides.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version

import httpx
import stamina
import stamina.instrumentation

from service.settings import Settings

MOST_BYTES = 64 * 1024 * 1024  # of one decoded answer; the longest price list we read whole is about 10 MB
MOST_REDIRECTS = 5
LONGEST_RETRY_AFTER_S = 30.0  # told to wait longer: the next run will have waited
PATIENT = httpx.Timeout(30, connect=10, pool=120)
QUICK = httpx.Timeout(15, connect=3)  # somebody is waiting for a first answer
LIMITS = httpx.Limits(max_connections=40, max_keepalive_connections=10)


class BodyTooLarge(httpx.TransportError):
    """An answer that does not end: no price list is that long."""


class RedirectRefused(httpx.TransportError):
    """A redirect to where a price list has no reason to send us."""


@dataclass(slots=True)
class Traffic:
    """What one run received."""

    answers: int = 0
    bytes: int = 0
    retry_after_s: float | None = None  # the longest that anybody asked us to wait


traffic: ContextVar[Traffic] = ContextVar("traffic")  # of the run in whose task a request is made


def make_client(
    settings: Settings,
    *,
    patient: bool = True,
    timeout: httpx.Timeout | None = None,
    most_bytes: int = MOST_BYTES,
    on_answer: Callable[[], object] = lambda: None,
) -> httpx.AsyncClient:
    """The client for all price sources. Not patient: no retries and short timeouts, since somebody is waiting."""
    stamina.instrumentation.set_on_retry_hooks([])  # a run logs once, with its outcome
    overrides = _Overrides(settings.origin_overrides)
    limits = _Limits(overrides, most_bytes, on_answer)
    retries = _Retries(limits, attempts=4 if patient else 1)
    return httpx.AsyncClient(
        transport=_Redirects(retries, trusted=frozenset(settings.origin_overrides.values())),
        timeout=timeout or (PATIENT if patient else QUICK),
        headers={"User-Agent": f"rig-or-rent/{version('rig-or-rent')}"},
    )


class _Around(httpx.AsyncBaseTransport):
    """A transport that does something around another one."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def aclose(self) -> None:
        await self._inner.aclose()


# Redirects -----------------------------------------------------------------------------------------------------------


class _Redirects(_Around):
    """Follows a reading request within its host or to public https; secrets stay with the origin meant for them."""

    def __init__(self, inner: httpx.AsyncBaseTransport, trusted: frozenset[str]) -> None:
        super().__init__(inner)
        self._trusted = trusted  # origins that the settings put in another's place

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(MOST_REDIRECTS):
            response = await self._inner.handle_async_request(request)
            if not response.has_redirect_location:
                return response
            await response.aclose()
            request = await self._next(request, response)
        raise RedirectRefused(f"more than {MOST_REDIRECTS} redirects", request=request)

    async def _next(self, request: httpx.Request, response: httpx.Response) -> httpx.Request:
        if request.method != "GET":
            raise RedirectRefused(f"a {request.method} was answered with a redirect", request=request)
        target = request.url.join(response.headers["Location"])
        same_origin = origin_of(target) == origin_of(request.url)
        if not same_origin:
            await self._check(request, target)
        headers = request.headers if same_origin else _public(request.headers)
        headers = httpx.Headers(headers)
        headers["Host"] = target.netloc.decode("ascii")
        return httpx.Request("GET", target, headers=headers, extensions=request.extensions)

    async def _check(self, request: httpx.Request, target: httpx.URL) -> None:
        if origin_of(target) in self._trusted:
            return
        if target.scheme != "https" and (target.scheme != "http" or target.host != request.url.host):
            raise RedirectRefused(f"redirected to {origin_of(target)}", request=request)
        if target.host != request.url.host and await is_private(target.host):
            raise RedirectRefused(f"redirected to the private address {target.host}", request=request)


def _public(headers: httpx.Headers) -> dict[str, str]:
    """What says nothing but who asks and in which form."""
    return {name: headers[name] for name in ("User-Agent", "Accept", "Accept-Encoding") if name in headers}


def origin_of(url: httpx.URL) -> str:
    """Scheme, host and port in the spelling of the settings."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + ("" if url.port is None else f":{url.port}")


async def is_private(host: str) -> bool:
    """Whether a host is, or resolves to, an address that is not on the public internet."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # reaches nothing
    return any(not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


# Retries -------------------------------------------------------------------------------------------------------------


class _TryAgain(Exception):
    """The server asks for another try: 429 or 5xx."""

    def __init__(self, response: httpx.Response, after_s: float | None) -> None:
        super().__init__(response.status_code)
        self.response = response
        self.after_s = after_s  # None: the server did not say


class _Retries(_Around):
    """Tries again what may pass: no connection, 5xx, 429 as its Retry-After says; every request of ours only reads."""

    def __init__(self, inner: httpx.AsyncBaseTransport, attempts: int) -> None:
        super().__init__(inner)
        self._attempts = attempts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        retries = stamina.retry_context(
            on=_worth_retrying, attempts=self._attempts, timeout=90, wait_initial=0.5, wait_max=10, wait_jitter=0.5
        )
        try:
            async for attempt in retries:
                with attempt:
                    return await self._once(request)
        except _TryAgain as last:
            return last.response
        raise AssertionError("stamina yields an attempt or raises")

    async def _once(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if response.status_code != 429 and response.status_code < 500:
            return response
        await response.aclose()
        refusal = httpx.Response(response.status_code, headers=response.headers, content=b"", request=request)
        after_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
        counted = traffic.get(None)
        if counted is not None and after_s is not None:
            counted.retry_after_s = max(after_s, counted.retry_after_s or 0.0)
        if after_s is not None and after_s > LONGEST_RETRY_AFTER_S:
            return refusal
        raise _TryAgain(refusal, after_s)


def _worth_retrying(error: Exception) -> bool | float:
    if isinstance(error, _TryAgain):
        return True if error.after_s is None else error.after_s
    return isinstance(error, httpx.TransportError) and not isinstance(error, (BodyTooLarge, httpx.UnsupportedProtocol))


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which says seconds or a date. None: nothing readable."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


# Limits --------------------------------------------------------------------------------------------------------------


class _Limits(_Around):
    """Bounds what is read of an answer, and counts it."""

    def __init__(self, inner: httpx.AsyncBaseTransport, most_bytes: int, on_answer: Callable[[], object]) -> None:
        super().__init__(inner)
        self._most_bytes = most_bytes
        self._on_answer = on_answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        self._on_answer()
        counted = traffic.get(None) or Traffic()
        counted.answers += 1
        most_bytes = request.extensions.get("most_bytes", self._most_bytes)  # who reads it in parts may have more
        return _Bounded(response, most_bytes, counted)


class _Bounded(httpx.Response):
    """An answer that stops when it grows too long, measured as decoded: a few kilobytes can unpack to gigabytes."""

    def __init__(self, response: httpx.Response, most_bytes: int, counted: Traffic) -> None:
        super().__init__(
            response.status_code, headers=response.headers, stream=response.stream, extensions=response.extensions
        )
        self._most_bytes = most_bytes
        self._counted = counted

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        read = 0
        async for part in super().aiter_bytes(chunk_size):
            read += len(part)
            self._counted.bytes += len(part)
            if read > self._most_bytes:
                raise BodyTooLarge(f"an answer of more than {self._most_bytes:,} bytes")
            yield part


# Overrides -----------------------------------------------------------------------------------------------------------


class _Overrides(httpx.AsyncBaseTransport):
    """Sends each request to its origin, or to the one that the settings put in its place."""

    def __init__(self, origins: Mapping[str, str]) -> None:
        self._origins = {origin: httpx.URL(instead) for origin, instead in origins.items()}
        self._outside = httpx.AsyncClient(limits=LIMITS)  # goes through the proxy that the system names, if any
        self._instead = httpx.AsyncClient(limits=LIMITS, trust_env=False)  # goes where it was told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        instead = self._origins.get(origin_of(request.url))
        if instead is None:
            return await self._outside.send(request, stream=True)
        return await self._instead.send(_sent_to(instead, request), stream=True)

    async def aclose(self) -> None:
        await self._outside.aclose()
        await self._instead.aclose()


def _sent_to(origin: httpx.URL, request: httpx.Request) -> httpx.Request:
    url = request.url.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port)
    headers = httpx.Headers(request.headers)
    headers["Host"] = url.netloc.decode("ascii")
    return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
