"""Where reports may be sent: public addresses only, unless the installation says otherwise; told after resolving."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import httpx

SETTING: Final = "RIG_OR_RENT_PRIVATE_DESTINATIONS=allow"
RESOLVING_S: Final = 5.0
TIMEOUT: Final = httpx.Timeout(15, connect=5, pool=30)
MOST_REDIRECTS: Final = 3
MOST_ANSWER_BYTES: Final = 65_536  # of what a receiver says; nobody needs more
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class PrivateAddress(httpx.TransportError):
    """The address is private, loopback, link-local or otherwise not of the public internet."""


def is_public(address: IPAddress) -> bool:
    """Whether anybody on the internet is there; an IPv4 address in IPv6 clothes is judged by what it is."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: IPAddress) -> IPAddress | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


async def addresses_of(host: str, port: int) -> list[IPAddress]:
    """What a name stands for just now. Raises OSError or TimeoutError where it stands for nothing."""
    literal = _literal(host)
    if literal is not None:
        return [literal]
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVING_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


async def why_refused(url: str) -> str | None:
    """Why reports may not go there; None: they may, or the name stands for nothing just now."""
    parsed = httpx.URL(url)
    try:
        addresses = await addresses_of(parsed.host, _port(parsed))
    except (OSError, TimeoutError, UnicodeError):
        return None  # asked again when something is sent
    if all(is_public(address) for address in addresses):
        return None
    return f"must be a public address, and {parsed.host} is not; {SETTING} permits it"


def make_sender(*, may_be_private: bool, overrides: Mapping[str, str]) -> httpx.AsyncClient:
    """The client that reports are sent with. It follows no redirect by itself, and asks no proxy of the environment."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every address, and these hold secrets
    return httpx.AsyncClient(
        transport=_Guarded(may_be_private, overrides),
        timeout=TIMEOUT,
        trust_env=False,
        headers={"User-Agent": f"rig-or-rent/{version('rig-or-rent')}"},
    )


class _Guarded(httpx.AsyncBaseTransport):
    """Resolves the name itself and connects to the very address it has judged: a name that changes gains nothing."""

    def __init__(self, may_be_private: bool, overrides: Mapping[str, str]) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
        self._may_be_private = may_be_private
        self._overrides = overrides

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        override = self._overrides.get(_origin(request.url))
        if override is not None:  # the installation's own word, for mirrors and for tests
            there = httpx.URL(override)
            request.url = request.url.copy_with(scheme=there.scheme, host=there.host, port=there.port)
        elif not self._may_be_private:
            await self._pin(request)
        return await self._inner.handle_async_request(request)

    async def _pin(self, request: httpx.Request) -> None:
        host = request.url.host
        try:
            addresses = await addresses_of(host, _port(request.url))
        except (OSError, TimeoutError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} cannot be resolved") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise PrivateAddress(f"{host} is not a public address; {SETTING} permits it")
        request.extensions = {**request.extensions, "sni_hostname": host}  # the certificate is still that of the name
        request.url = request.url.copy_with(host=str(addresses[0]))

    async def aclose(self) -> None:
        await self._inner.aclose()


def _origin(url: httpx.URL) -> str:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{url.host}" + ("" if url.port in (None, default) else f":{url.port}")


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
