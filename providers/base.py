"""What a provider is: it fetches its published price list as it stands, and parses it into offers.

Fetching talks to the world and interprets nothing; parsing is pure and cleans, converts and resolves nothing.
"""

from __future__ import annotations

import asyncio
import csv
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import httpx
import msgspec

S = TypeVar("S")
T = TypeVar("T")
Source = Literal["live", "catalogue", "bundled", "rates"]  # rates: of currencies, which are no prices


class PurchaseOption(StrEnum):
    ON_DEMAND = "on_demand"
    SPOT = "spot"  # may be interrupted
    RESERVED = "reserved"  # committed for `term_months`


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One machine at one price, in the provider's words and our units: hour, whole machine, currency as published."""

    instance_type: str
    gpu: str  # as written; the check resolves it to the catalogue
    gpu_count: int
    price_per_hour: Decimal  # of the whole machine
    currency: str  # ISO 4217, upper case
    gpu_memory_gb: float | None = None  # of one GPU; None: not said
    pricing: PurchaseOption = PurchaseOption.ON_DEMAND
    term_months: int | None = None  # only with RESERVED
    region: str | None = None  # None: the same price everywhere
    country: str | None = None  # ISO 3166-1 alpha-2; None: not said
    tier: str | None = None  # what else tells two prices apart: secure, community, …
    available: bool | None = None  # None: not said
    upfront: Decimal | None = None  # of a reserved price_per_hour, what is paid at the start of the term, in all
    vcpus: float | None = None  # what is included; None: not said
    host_memory_gb: float | None = None  # RAM of the whole machine, binary gigabytes
    disk_gb: float | None = None  # local disk that is in the price
    interconnect: str | None = None  # between its GPUs: nvlink, pcie
    network_gbit_s: float | None = None  # between machines, of the whole machine
    count_is_derived: bool = False  # the price is published per GPU; this count was expanded from it
    provider: str | None = None  # slug of whom you pay, where one collector lists several; None: the collector itself
    seller: str | None = None  # who owns the machine, where the provider resells
    observed_at: datetime | None = None  # when the source says the price held; None: now
    source_url: str | None = None  # where this price stands, if not the provider's pricing page
    attribution: str | None = None  # whom a licence says to name beside the price


@dataclass(frozen=True, slots=True)
class Answer:
    """One published answer, untouched: JSON as decoded, anything else as text."""

    call: str  # one of the provider's `calls`
    body: Any
    parameters: Mapping[str, str] = field(default_factory=dict)  # what stood only in the request: zone, region, page


class SavedAnswer(msgspec.Struct):
    """An answer as a recording keeps it."""

    call: str
    body: Any
    parameters: dict[str, str] = msgspec.field(default_factory=dict)


class SavedRecording(msgspec.Struct):
    answers: list[SavedAnswer]


class ProviderUnavailable(Exception):
    """No answer, a 5xx, a 429 or a timeout: the next run tries again."""


class CredentialsRefused(Exception):
    """A secret is missing or was refused: the provider is off, and the message names the variable."""


class PayloadChanged(Exception):
    """The answer has a shape that this module does not know: a person has to look; nothing is stored."""


# How a provider lets us in -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keyless:
    """Anyone may read this price list."""

    variables: tuple[str, ...] = ()

    def headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Header:
    """A secret in a header: `prefix` and the variable's value; no header where there is none."""

    variable: str
    header: str = "Authorization"
    prefix: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.variable,)

    def headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        secret = secrets.get(self.variable)
        return {self.header: f"{self.prefix}{secret}"} if secret else {}


def Bearer(variable: str) -> Header:  # noqa: N802 - reads as a type where providers declare it
    return Header(variable, prefix="Bearer ")


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2 client credentials; the provider exchanges them for a token in its own `fetch`."""

    id_variable: str
    secret_variable: str

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.id_variable, self.secret_variable)

    def headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class Keys:
    """Several secrets or names that the provider signs or composes its requests with, in its own `fetch`."""

    variables: tuple[str, ...]

    def headers(self, secrets: Mapping[str, str]) -> dict[str, str]:
        return {}


Auth = Keyless | Header | ClientCredentials | Keys


# The contract --------------------------------------------------------------------------------------------------------


class Provider(ABC):
    """One price source. The folder is the registry: a module with a subclass is all it takes."""

    name: ClassVar[str]  # as people write it
    pricing_page: ClassVar[str]
    calls: ClassVar[Mapping[str, Any]]  # name of each answer it reads -> msgspec shape of that answer (str: text)
    auth: ClassVar[Auth] = Keyless()
    auth_is_optional: ClassVar[bool] = False  # tried without a key when the key is missing
    interval: ClassVar[timedelta] = timedelta(hours=6)
    patience: ClassVar[timedelta] = timedelta(minutes=10)  # many small answers take their time; more is a slow drip
    is_quick: ClassVar[bool] = True  # False: takes so long that nobody should wait for it
    source: ClassVar[Source] = "live"
    marketplace: ClassVar[bool] = False  # single machines come and go: a run is judged by its kinds of machines
    slug: ClassVar[str]  # the module's name without a trailing underscore, set by discover()

    def __init__(self, secrets: Mapping[str, str] | None = None, now: datetime | None = None) -> None:
        self.secrets = secrets or {}
        self.now = now  # when the answers were given, for lists with prices of the future; None: not said

    @classmethod
    def missing(cls, secrets: Mapping[str, str]) -> str | None:
        """The variable that has to be set before this provider can be read, if any."""
        if cls.auth_is_optional:
            return None
        return next((variable for variable in cls.auth.variables if not secrets.get(variable)), None)

    @abstractmethod
    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        """Every answer of one collection, untouched. Raises ProviderUnavailable, CredentialsRefused, PayloadChanged."""

    @abstractmethod
    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        """The offers in these answers, in the provider's words. Pure. Raises PayloadChanged, naming the path."""

    def read_saved(self, parts: Iterable[bytes]) -> Any:
        """A saved answer from its bytes as they come; to be narrowed on the way where it may be too long for memory."""
        return decode_saved(b"".join(parts))

    def saved_answers(self, body: Any) -> list[Answer]:
        """A saved answer as a list of answers: a recording, an object of answers by call name, or one bare answer.

        Raises PayloadChanged when the body fits none of the calls, with the path at which the nearest one differs.
        """
        if isinstance(body, dict) and "answers" in body:
            return self._recorded(body)
        named = {call: body[call] for call in self.calls if call in body} if isinstance(body, dict) else {}
        refused = self._misfits(named)
        if named and not refused:
            return [Answer(call, answer) for call, answer in named.items()]
        for call, shape in self.calls.items():
            try:
                narrow(body, shape)
            except PayloadChanged as mismatch:
                refused.append(f"{call}: {mismatch}")
            else:
                return [Answer(call, body)]
        nearest = max(refused, key=depth)
        raise PayloadChanged(nearest if depth(nearest) else "; ".join(refused))

    def _recorded(self, body: Any) -> list[Answer]:
        answers = narrow(body, SavedRecording).answers
        if strange := [answer.call for answer in answers if answer.call not in self.calls]:
            raise PayloadChanged(
                f"no answer is called {strange[0]!r}, but {', '.join(self.calls)} - at `$.answers[...]`"
            )
        return [Answer(answer.call, answer.body, answer.parameters) for answer in answers]

    def _misfits(self, named: Mapping[str, Any]) -> list[str]:
        """The parts that lack the shape of the call they are named after: a bare answer may use the same word."""
        misfits: list[str] = []
        for call, answer in named.items():
            try:
                narrow(answer, self.calls[call])
            except PayloadChanged as mismatch:
                misfits.append(f"{call}: {mismatch}")
        return misfits


def depth(mismatch: str) -> int:
    """How far an answer fitted: the parts of the path at which it differs. Every object is a map of something."""
    return len(re.findall(r"[.\[]", mismatch.rpartition("- at `")[2].removeprefix("$[...]")))


# What modules use ----------------------------------------------------------------------------------------------------


def narrow(body: object, shape: type[T]) -> T:
    """The part of an answer that we rely on, typed; numbers exactly as written. Raises PayloadChanged with the path."""
    try:
        return msgspec.convert(body, shape, strict=False)
    except msgspec.ValidationError as error:
        raise PayloadChanged(str(error)) from error


def bodies_of(answers: Iterable[Answer], call: str, shape: type[T]) -> Iterator[T]:
    """The answers of one call, each narrowed."""
    for answer in answers:
        if answer.call == call:
            yield narrow(answer.body, shape)


async def get(
    client: httpx.AsyncClient,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
    accept: Collection[int] = (),
) -> httpx.Response:
    """One request (POST when it carries a body), with the outcome told apart as the service reacts to it.

    `accept` names statuses that are an answer here, such as the 403 of a CDN for a file that does not exist.
    """
    method = "GET" if json is None and form is None else "POST"
    try:
        response = await client.request(method, url, params=params, headers=headers, json=json, data=form)
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{httpx.URL(url).host}: {error or type(error).__name__}") from error
    if response.status_code not in accept:
        check(response)
    return response


async def stream(client: httpx.AsyncClient, url: str, *, most_bytes: int) -> AsyncIterator[bytes]:
    """The body of one answer in parts, for a list that is too long to be held; the outcome told apart as by `get`."""
    try:
        async with client.stream("GET", url, extensions={"most_bytes": most_bytes}) as response:
            check(response)
            async for part in response.aiter_bytes():
                yield part
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{httpx.URL(url).host}: {error or type(error).__name__}") from error


def check(response: httpx.Response) -> None:
    """Raises CredentialsRefused or ProviderUnavailable where the status is no success."""
    if response.status_code in (401, 403):
        raise CredentialsRefused(f"{response.url.host} answered {response.status_code}")
    if response.status_code >= 400:
        raise ProviderUnavailable(f"{response.url.host} answered {response.status_code}")


async def get_json(client: httpx.AsyncClient, url: str, **request: Any) -> Any:
    """The decoded JSON of one request; floats stay exact because they are read as Decimal."""
    response = await get(client, url, **request)
    return decode_json(response.content)


def decode_json(content: bytes) -> Any:
    """JSON with every non-integer number as Decimal, exactly as published. Raises PayloadChanged."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadChanged(f"not JSON: {error}; it begins with {content[:60]!r}") from error


_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def decode_saved(content: bytes) -> Any:
    """A saved answer as `parse` reads it: JSON decoded with exact numbers, anything else as text."""
    try:
        return decode_json(content)
    except PayloadChanged:
        return content.decode("utf-8-sig", errors="replace")


async def each(items: Iterable[S], call: Callable[[S], Awaitable[T]], *, at_once: int = 4) -> list[T]:
    """What `call` answers for every item, in their order, a few at a time; the first failure ends them all."""
    turn = asyncio.Semaphore(at_once)

    async def in_turn(item: S) -> T:
        async with turn:
            return await call(item)

    tasks = [asyncio.create_task(in_turn(item)) for item in items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_table(module: str, name: str) -> list[dict[str, str]]:
    """A CSV beside the module that reads it; lines that start with # say where its numbers come from."""
    with Path(module).with_name(name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


CALM = Context(traps=[])  # arithmetic that never raises: what is no number stays none, and the check says so


def spread(total: Decimal, hours: int) -> Decimal:
    """The price per hour of a total, to ten digits."""
    return Context(prec=10, traps=[]).divide(total, hours)


def counts_up_to(most: int) -> Iterable[int]:
    """The machine sizes that a price per GPU is expanded to: 1, 2, 4, 8 and so on, up to the published maximum."""
    count = 1
    while count <= most:
        yield count
        count *= 2
