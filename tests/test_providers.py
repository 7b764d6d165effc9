"""The contract that every provider keeps: found by standing in its folder, tested by its recording."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import textwrap
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest
from msgspec import inspect

import providers
from providers import discover
from providers.base import (
    Answer,
    CredentialsRefused,
    Offer,
    PayloadChanged,
    Provider,
    ProviderUnavailable,
    PurchaseOption,
)
from providers.recording import (
    ENCODER,
    STAND_IN,
    Recorded,
    Recording,
    cut_down,
    from_text,
    offers_to_text,
    places,
    put,
    record,
    redacted,
    shape_of,
    to_text,
)
from service import catalogue
from service.collect import make_client
from service.rates import usd_per_unit
from service.settings import Settings

PAYLOADS = Path(__file__).with_name("payloads")
EVERY = pytest.mark.parametrize("provider_class", discover().values(), ids=discover())
RECORDED = {slug: found for slug, found in discover().items() if found.source != "bundled"}  # that list ships whole
EVERY_RECORDED = pytest.mark.parametrize("provider_class", RECORDED.values(), ids=RECORDED)
KEYED = {slug: found for slug, found in RECORDED.items() if found.auth.variables and not found.auth_is_optional}
NO_PRICE_LIST = "<!doctype html><title>We will be back soon</title>"


# What a recording shows ----------------------------------------------------------------------------------------------


@EVERY_RECORDED
def test_a_recording_parses_to_exactly_the_recorded_offers(provider_class: type[Provider]) -> None:
    recorded = (PAYLOADS / f"{provider_class.slug}.offers.json").read_text(encoding="utf-8")

    offers = offers_in(provider_class)

    assert offers_to_text(offers) == recorded


@EVERY
def test_every_offer_is_a_machine_that_can_be_ranked(provider_class: type[Provider]) -> None:
    known = catalogue.load()

    offers = offers_in(provider_class)

    assert offers
    for offer in offers:
        assert known.resolve(offer.gpu, offer.gpu_memory_gb)
        assert isinstance(offer.price_per_hour, Decimal)
        assert offer.price_per_hour > 0
        assert offer.gpu_count >= 1
        assert usd_per_unit(offer.currency, datetime(2026, 11, 1, tzinfo=UTC)) > 0
        assert offer.country is None or re.fullmatch("[A-Z]{2}", offer.country)
        assert (offer.term_months is not None) == (offer.pricing is PurchaseOption.RESERVED)


@EVERY
def test_nothing_is_offered_twice(provider_class: type[Provider]) -> None:
    offers = parsed(provider_class, fetched_by(provider_class))

    sold = [
        (o.provider, o.seller, o.instance_type, o.gpu, o.gpu_count, o.region, o.tier, o.pricing, o.term_months)
        for o in offers
        if o.currency == offers[0].currency
    ]

    assert len(sold) == len(set(sold))


@EVERY_RECORDED
def test_a_recording_says_where_it_is_from_and_holds_no_secret(provider_class: type[Provider]) -> None:
    text = (PAYLOADS / f"{provider_class.slug}.json").read_text(encoding="utf-8")

    recording = from_text(text)

    assert re.search(r"https?://|[\w-]+\.\w+/", recording.source)
    assert recording.recorded.tzinfo is not None
    assert text == to_text(recording)
    assert not SECRET.search(text)
    assert not SECRET_NAME.search(text)


SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.|-----BEGIN|Bearer \w|\bsk[-_]\w{16,}"  # keys and tokens
    r"|[\w.+-]+@[\w-]+\.\w{2,}"  # people
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b"  # machines
)
SECRET_NAME = re.compile(
    r'"[\w-]*(?:api_?key|secret|passw|token|authorization|cookie|host_?id|user_?id|ip_?addr)[\w-]*": *"?[^"{[\s]', re.I
)


# A list that changes its shape ---------------------------------------------------------------------------------------


@EVERY_RECORDED
def test_a_renamed_field_is_a_changed_payload(provider_class: type[Provider]) -> None:
    unnoticed = [each for each in sorted(required_fields(provider_class)) if not is_noticed(provider_class, *each)]

    assert not unnoticed


def required_fields(provider_class: type[Provider]) -> set[tuple[str, str, str]]:
    """Call, type and name of every field in the recording that the provider cannot do without."""
    return {
        (answer.call, shape.cls.__name__, each.encode_name)
        for answer in answers_of(provider_class)
        for shape, _ in structs(inspect.type_info(provider_class.calls[answer.call]), answer.body)
        for each in shape.fields
        if each.required
    }


def structs(shape: inspect.Type, part: Any) -> Iterator[tuple[inspect.StructType, dict[str, Any]]]:
    """Every object in an answer whose fields the provider names."""
    shape = shape_of(shape, part)
    if isinstance(shape, inspect.StructType) and isinstance(part, dict):
        yield shape, part
    for place, inner in places(shape, part):
        yield from structs(inner, part[place])


def is_noticed(provider_class: type[Provider], call: str, owner: str, name: str) -> bool:
    """Whether the answers of a call are refused, and with the path, when a field has a new name in them."""

    def renamed(shape: inspect.StructType, part: dict[str, Any]) -> dict[str, Any]:
        is_it = shape.cls.__name__ == owner
        return {f"new_{key}" if is_it and key == name else key: value for key, value in part.items()}

    answers = [
        changed(provider_class, answer, renamed) if answer.call == call else answer
        for answer in answers_of(provider_class)
    ]
    try:
        parsed(provider_class, answers)
    except PayloadChanged as refused:
        return name in str(refused)
    return False


@EVERY_RECORDED
def test_an_extra_field_changes_nothing(provider_class: type[Provider]) -> None:
    def extended(_: inspect.StructType, part: dict[str, Any]) -> dict[str, Any]:
        return {"brandNew": {"nested": [1, None]}, **part}

    answers = [changed(provider_class, answer, extended) for answer in answers_of(provider_class)]

    assert parsed(provider_class, answers) == offers_in(provider_class)


def changed(provider_class: type[Provider], answer: Answer, change: Any) -> Answer:
    """The answer with a change to every object whose fields the provider names."""

    def inside(shape: inspect.Type, part: Any) -> Any:
        shape = shape_of(shape, part)
        for place, inner in places(shape, part):
            part = put(part, place, inside(inner, part[place]))
        return change(shape, part) if isinstance(shape, inspect.StructType) and isinstance(part, dict) else part

    return Answer(
        answer.call, inside(inspect.type_info(provider_class.calls[answer.call]), answer.body), answer.parameters
    )


@EVERY_RECORDED
@pytest.mark.parametrize(
    "body",
    [
        NO_PRICE_LIST,
        {},
        ["a"],
        {"error": "not found"},
        None,
        42,
        {"answers": [{"call": "x", "body": {}}]},
        {"answers": 1},
    ],
)
def test_a_saved_answer_of_another_shape_is_refused(provider_class: type[Provider], body: object) -> None:
    with pytest.raises(PayloadChanged):
        parsed(provider_class, provider_class().saved_answers(body))


# Saved answers -------------------------------------------------------------------------------------------------------


@EVERY_RECORDED
def test_a_recording_can_be_handed_over_as_a_saved_answer(provider_class: type[Provider]) -> None:
    body = json.loads((PAYLOADS / f"{provider_class.slug}.json").read_text(encoding="utf-8"), parse_float=Decimal)

    answers = provider_class().saved_answers(body)

    assert parsed(provider_class, answers) == offers_in(provider_class)


@EVERY_RECORDED
def test_a_bare_answer_is_recognised_and_may_stand_under_its_name(provider_class: type[Provider]) -> None:
    for answer in answers_of(provider_class):
        bare = provider_class().saved_answers(answer.body)
        named = provider_class().saved_answers({answer.call: answer.body})

        assert [each.body for each in bare] == [answer.body]
        assert [(each.call, each.body) for each in named] == [(answer.call, answer.body)]


# Fetching ------------------------------------------------------------------------------------------------------------


@dataclass
class PriceServer:
    """A real server on loopback that gives recorded answers again, or whatever else it is told to."""

    address: str
    answers: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    total: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failing: set[str] = field(default_factory=set)
    instead: tuple[int, str] | None = None  # status and text for every request

    def play(self, recording: Recording) -> None:
        for each in recording.answers:
            if each.url:
                self.answers[target(each.url)].append(as_sent(each.answer.body))
                self.total[urlsplit(each.url).path] += entries(each.answer.body)

    def reply(self, method: str, asked: str) -> tuple[int, bytes, int]:
        if self.instead:
            return self.instead[0], self.instead[1].encode(), 0
        if target(asked) in self.failing:
            return 503, b"", 0
        if method == "POST" and "token" in urlsplit(asked).path:
            return 200, b'{"access_token": "of-the-test", "token_type": "Bearer", "expires_in": 3600}', 0
        waiting = self.answers.get(target(asked), [])
        if not waiting:
            return 404, b'{"error": "not recorded"}', 0
        return 200, waiting.pop(0) if len(waiting) > 1 else waiting[0], self.total[urlsplit(asked).path]


def target(url: str) -> str:
    """Path and query, however they are encoded and ordered."""
    parts = urlsplit(url)
    return f"{httpx.URL(url).path}?{sorted(parse_qsl(parts.query))}"


def as_sent(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else ENCODER.encode(body)


def entries(body: Any) -> int:
    return sum(len(part) for part in body.values() if isinstance(part, dict)) if isinstance(body, dict) else 0


class Handler(BaseHTTPRequestHandler):
    playing: ClassVar[PriceServer]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content, total = self.playing.reply(self.command, self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Total-Count", str(total))
        self.end_headers()
        with suppress(ConnectionError):  # whoever gives up on a run hangs up
            self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - as http.server looks it up

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def price_server() -> Iterator[PriceServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.playing = PriceServer(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Handler.playing
        server.shutdown()


@pytest.fixture
async def client(price_server: PriceServer) -> AsyncIterator[httpx.AsyncClient]:
    urls = [each.url for slug in RECORDED for each in recording_of(slug).answers if each.url]
    origins = {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}": price_server.address for url in urls}
    async with make_client(Settings(origin_overrides=origins), patient=False) as client:
        yield client


@EVERY_RECORDED
async def test_fetching_yields_the_answers_untouched(
    provider_class: type[Provider], price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    recording = recording_of(provider_class.slug)
    price_server.play(recording)

    answers = await provider_class(secrets_of(provider_class)).fetch(client)

    assert in_order(answers) == in_order(each.answer for each in recording.answers if each.url)


def in_order(answers: Iterable[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda answer: (answer.call, sorted(answer.parameters.items())))


@EVERY_RECORDED
async def test_a_refused_key_is_told_from_a_provider_that_is_down(
    provider_class: type[Provider], price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    provider = provider_class(secrets_of(provider_class))

    price_server.instead = (401, '{"error": "who are you?"}')
    with pytest.raises(CredentialsRefused):
        await provider.fetch(client)

    price_server.instead = (500, "Internal Server Error")
    with pytest.raises(ProviderUnavailable):
        await provider.fetch(client)


@EVERY_RECORDED
async def test_a_page_instead_of_a_price_list_is_a_changed_payload(
    provider_class: type[Provider], price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    provider = provider_class(secrets_of(provider_class))
    price_server.instead = (200, NO_PRICE_LIST)

    with pytest.raises(PayloadChanged):
        list(provider.parse(await provider.fetch(client)))


@pytest.mark.parametrize("provider_class", KEYED.values(), ids=KEYED)
def test_a_provider_without_its_key_says_which_variable_is_missing(provider_class: type[Provider]) -> None:
    complete = secrets_of(provider_class)

    assert provider_class.missing(complete) is None
    for variable in provider_class.auth.variables:
        assert provider_class.missing({**complete, variable: ""}) == variable


# What no recording shows ---------------------------------------------------------------------------------------------


async def test_a_region_that_fails_fails_the_run(price_server: PriceServer, client: httpx.AsyncClient) -> None:
    recording = recording_of("aws")
    lost = next(each.url for each in recording.answers if each.answer.call == "on_demand")
    price_server.play(recording)
    price_server.failing.add(target(lost or ""))

    with pytest.raises(ProviderUnavailable):
        await discover()["aws"]().fetch(client)


async def test_a_next_page_on_another_host_is_not_followed(
    price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    provider_class = discover()["azure"]
    first = recording_of("azure").answers[0]
    body = {**first.answer.body, "NextPageLink": "https://elsewhere.example/api/retail/prices?$skip=1000"}
    price_server.play(
        Recording(source="", recorded=datetime.now(UTC), answers=[replace(first, answer=Answer("prices", body))])
    )

    with pytest.raises(PayloadChanged, match="NextPageLink"):
        await provider_class().fetch(client)


def test_a_saved_script_is_read_as_the_list_it_carries() -> None:
    provider_class = discover()["aws"]
    body = next(each.body for each in answers_of(provider_class) if each.call == "spot")

    saved = provider_class().saved_answers(f"callback({ENCODER.encode(body).decode()});")

    assert [(answer.call, answer.body) for answer in saved] == [("spot", body)]


@pytest.mark.parametrize(
    ("slug", "known", "unknown"),
    [
        ("aws", "p5.48xlarge", "p9x.48xlarge"),
        ("azure", "Standard_ND96isr_H100_v5", "Standard_ND256isr_X100_v9"),
        ("oracle", "Compute - GPU - H100", "Compute - GPU - X100"),
    ],
)
def test_a_machine_that_no_table_knows_is_reported_under_its_own_name(slug: str, known: str, unknown: str) -> None:
    provider_class = discover()[slug]
    text = to_text(recording_of(slug)).replace(known, unknown).replace("B98415", "B99999")

    offers = list(provider_class().parse([each.answer for each in from_text(text).answers]))

    assert unknown.rpartition(" ")[2] in {offer.gpu for offer in offers}


# The folder ----------------------------------------------------------------------------------------------------------


def test_names_are_unique_and_slugs_are_lower_case_words() -> None:
    found = discover()

    assert len({provider_class.name for provider_class in found.values()}) == len(found)
    assert all(re.fullmatch("[a-z][a-z0-9]*", slug) for slug in found)


def test_the_example_of_the_readme_is_a_provider() -> None:
    readme = (Path(providers.__file__).parent / "README.md").read_text(encoding="utf-8")
    code = textwrap.dedent(re.findall(r"( *)```python\n(.*?)```", readme, re.DOTALL)[0][1])
    known = {**vars(providers.base), "Decimal": Decimal, "msgspec": msgspec}

    exec(f"from __future__ import annotations\n{code}", known)
    machines = [{"name": "big", "gpu": "H100 SXM", "gpus": 8, "hourly": Decimal("20.80")}]
    offers = list(known["Example"]().parse([Answer("machines", machines)]))

    assert [(offer.instance_type, offer.price_per_hour) for offer in offers] == [("big", Decimal("20.80"))]


def test_providers_know_nothing_of_the_service() -> None:
    modules = sorted(Path(providers.__file__).parent.rglob("*.py"))

    imported = {name.partition(".")[0] for module in modules for name in imports_of(module)}

    assert not imported & {"service", "migrations", "tests"}


def imports_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


# Recording -----------------------------------------------------------------------------------------------------------


async def test_a_recording_is_made_of_what_was_answered_and_where(
    price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    provider_class, now = discover()["scaleway"], datetime(2026, 11, 24, tzinfo=UTC)
    played = recording_of("scaleway")
    price_server.play(played)

    made = await record(provider_class(now=now), client, now)

    assert made.recorded == now
    asked = [(each.answer.call, each.answer.parameters) for each in made.answers]
    assert asked == [(each.answer.call, each.answer.parameters) for each in played.answers]
    assert {each.url for each in made.answers} == {each.url for each in played.answers}
    offers = parsed(provider_class, [each.answer for each in made.answers])
    assert offers
    assert all(offer in offers_in(provider_class) for offer in offers)


@pytest.mark.parametrize("slug", ["hotaisle", "salad"])
async def test_a_recording_with_a_name_in_its_address_can_be_played(
    slug: str, price_server: PriceServer, client: httpx.AsyncClient
) -> None:
    provider_class, now = discover()[slug], datetime(2026, 11, 24, tzinfo=UTC)
    ours = dict.fromkeys(provider_class.auth.variables, "gpu team/1")
    price_server.play(from_text(to_text(recording_of(slug)).replace(STAND_IN, "gpu%20team%2F1")))

    text = to_text(await record(provider_class(ours, now), client, now))
    price_server.answers.clear()
    price_server.play(from_text(text))
    answers = await provider_class(secrets_of(provider_class)).fetch(client)

    assert not re.search("gpu(%20| )team", text)
    assert parsed(provider_class, answers) == offers_in(provider_class)


async def test_a_recording_keeps_no_secret_that_a_provider_repeats() -> None:
    answer = Answer("prices", {"asked_by": "key-of-the-test", "rows": ["key-of-the-test!"]}, {"key": "key-of-the-test"})
    answers = [Recorded(answer, "https://prices.example/?key=key-of-the-test")]
    recording = Recording(source="", recorded=datetime(2026, 11, 24, tzinfo=UTC), answers=answers)

    text = to_text(redacted(recording, {"A_KEY": "key-of-the-test", "A_TEAM": "row", "UNSET": ""}))

    assert "key-of-the-test" not in text
    assert '"rows"' in text


def test_a_recording_is_cut_down_to_what_shows_how_a_list_is_read() -> None:
    provider_class = discover()["azure"]
    recording = recording_of("azure")
    items = recording.answers[1].answer.body["Items"]
    many = [{**items[-1], "armSkuName": f"Standard_D{cores}s_v6"} for cores in range(500)]
    long = Answer("prices", {**recording.answers[1].answer.body, "Items": [*many, *items]})

    short = cut_down(provider_class(), Recording(source="", recorded=recording.recorded, answers=[Recorded(long)]))

    body = short.answers[0].answer.body
    assert len(body["Items"]) < 12
    assert list(provider_class().parse([Answer("prices", body)])) == list(provider_class().parse([long]))


# Reading recordings --------------------------------------------------------------------------------------------------


@cache
def recording_of(slug: str) -> Recording:
    return from_text((PAYLOADS / f"{slug}.json").read_text(encoding="utf-8"))


def answers_of(provider_class: type[Provider]) -> list[Answer]:
    if provider_class.slug in RECORDED:
        return [each.answer for each in recording_of(provider_class.slug).answers]
    return asyncio.run(provider_class().fetch(httpx.AsyncClient()))  # the list that ships asks nobody


def fetched_by(provider_class: type[Provider]) -> list[Answer]:
    """The answers of one run: without those that show another shape of the same list."""
    if provider_class.slug in RECORDED:
        return [each.answer for each in recording_of(provider_class.slug).answers if each.url]
    return answers_of(provider_class)


def offers_in(provider_class: type[Provider]) -> list[Offer]:
    return parsed(provider_class, answers_of(provider_class))


def parsed(provider_class: type[Provider], answers: list[Answer]) -> list[Offer]:
    now = recording_of(provider_class.slug).recorded if provider_class.slug in RECORDED else None
    return list(provider_class(now=now).parse(answers))


def secrets_of(provider_class: type[Provider]) -> dict[str, str]:
    return dict.fromkeys(provider_class.auth.variables, STAND_IN)
