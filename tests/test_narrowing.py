"""A price list that is too long for memory: what is kept of it, however it is cut, from the network and from a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.aws import Aws
from providers.aws.narrowing import LONGEST_ENTRY, Narrower
from providers.awsreserved import LISTS, AwsReserved
from providers.base import Answer, Offer, PayloadChanged, ProviderUnavailable, get
from providers.recording import ENCODER, from_text, record
from service.collect import make_client
from service.settings import Settings

RECORDING = from_text((Path(__file__).with_name("payloads") / "aws.json").read_text(encoding="utf-8"))
WHOLE: dict[str, Any] = next(each.answer.body for each in RECORDING.answers if each.answer.call == "bulk")


def narrowed(content: bytes, size: int = 1_000_000) -> dict[str, Any]:
    narrower = Narrower()
    for start in range(0, len(content), size):
        narrower.feed(content[start : start + size])
    return narrower.close()


def offers_in(body: object) -> list[Offer]:
    return list(Aws().parse([Answer("bulk", body)]))


# What is kept --------------------------------------------------------------------------------------------------------


def test_nothing_that_is_offered_is_lost() -> None:
    kept = narrowed(ENCODER.encode(WHOLE))

    assert offers_in(kept) == offers_in(WHOLE)


def test_machines_that_are_not_compared_are_not_held() -> None:
    kept = narrowed(ENCODER.encode(WHOLE))

    assert set(WHOLE["products"]) > set(kept["products"]) == {"H7NGEAC6UEHNTKSJ"}
    assert {sku for terms in kept["terms"].values() for sku in terms} == {"H7NGEAC6UEHNTKSJ"}


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
@pytest.mark.parametrize("written", [ENCODER.encode, lambda body: json.dumps(body, indent=2, default=str).encode()])
def test_a_list_may_be_cut_anywhere_and_written_as_it_likes(size: int, written: Callable[[Any], bytes]) -> None:
    content = written(WHOLE)

    assert offers_in(narrowed(content, size)) == offers_in(narrowed(content))


def test_terms_may_come_before_their_products() -> None:
    turned = {name: WHOLE[name] for name in reversed(WHOLE)}

    assert offers_in(narrowed(ENCODER.encode(turned))) == offers_in(WHOLE)


def test_a_region_without_gpus_offers_nothing_and_is_no_changed_list() -> None:
    products = json.loads(json.dumps(WHOLE["products"], default=str).replace("p4d.24xlarge", "m5.large"))

    kept = narrowed(ENCODER.encode({**WHOLE, "products": products}))

    assert offers_in(kept) == []


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_list_that_ends_in_the_middle_is_refused(share: float) -> None:
    content = ENCODER.encode(WHOLE)

    with pytest.raises(PayloadChanged, match="ends in the middle"):
        narrowed(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!doctype html><title>We will be back soon</title>", "no price list"),
        (b"[1, 2]", "no price list"),
        (b'{"formatVersion": "v1.0"}', "no Compute Instance"),
        (b'{"formatVersion": "v1.0"} {"products": {}}', "outside of the object"),
        (b'{"products": {"SKU": {"attributes": 1}}}', "attributes"),
        (b'{"products": {"SKU": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"products": {"SKU": "' + b"x" * (LONGEST_ENTRY + 1), "an entry of more than"),
        (ENCODER.encode(WHOLE).replace(b"productFamily", b"newFamily"), "productFamily"),
        (ENCODER.encode(WHOLE).replace(b"instanceType", b"newType"), "instanceType"),
        (ENCODER.encode(WHOLE).replace(b"priceDimensions", b"newDimensions"), "priceDimensions"),
    ],
)
def test_what_is_no_such_list_is_refused_with_the_place(content: bytes, why: str) -> None:
    with pytest.raises(PayloadChanged, match=why):
        narrowed(content)


# From the network ----------------------------------------------------------------------------------------------------


class Slowly(httpx.AsyncByteStream):
    """A body in parts, which may break off."""

    def __init__(self, content: bytes, breaks_at: int | None = None) -> None:
        self.content = content
        self.breaks_at = breaks_at

    async def __aiter__(self) -> Any:
        for start in range(0, len(self.content), 1000):
            if self.breaks_at is not None and start >= self.breaks_at:
                raise httpx.ReadError("connection lost")
            yield self.content[start : start + 1000]


def lists(body: Callable[[], Slowly]) -> httpx.AsyncClient:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("region_index.json"):
            return httpx.Response(200, json={"regions": {"us-west-2": {}, "us-gov-west-1": {}, "us-west-2-lax-1": {}}})
        return httpx.Response(200, stream=body())

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


async def test_every_region_that_anyone_may_rent_in_is_read_as_it_comes() -> None:
    content = ENCODER.encode(WHOLE)

    answers = await AwsReserved().fetch(lists(lambda: Slowly(content)))

    assert [answer.parameters for answer in answers if answer.call == "bulk"] == [{"region": "us-west-2"}]
    assert [offer.term_months for offer in AwsReserved().parse(answers)] == [12, 12, 36]


async def test_a_list_that_breaks_off_fails_the_run() -> None:
    content = ENCODER.encode(WHOLE)

    with pytest.raises(ProviderUnavailable, match="connection lost"):
        await AwsReserved().fetch(lists(lambda: Slowly(content, breaks_at=2000)))


async def test_a_recording_of_a_narrowed_list_knows_where_it_is_from() -> None:
    content, now = ENCODER.encode(WHOLE), datetime(2026, 11, 24, tzinfo=UTC)

    made = await record(AwsReserved(), lists(lambda: Slowly(content)), now)

    assert [each.url for each in made.answers] == [f"{LISTS}/region_index.json", f"{LISTS}/us-west-2/index.json"]


# From a file ---------------------------------------------------------------------------------------------------------


def parts(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + 500] for start in range(0, len(content), 500))


def test_a_saved_list_is_narrowed_as_it_is_read_and_any_other_answer_is_not() -> None:
    spot = next(each.answer.body for each in RECORDING.answers if each.answer.call == "spot")

    assert Aws().read_saved(parts(ENCODER.encode(WHOLE))) == narrowed(ENCODER.encode(WHOLE))
    assert Aws().read_saved(parts(ENCODER.encode(spot))) == json.loads(ENCODER.encode(spot), parse_float=Decimal)
    assert Aws().read_saved(parts(b"callback({});")) == "callback({});"


async def test_a_list_in_parts_may_be_longer_than_any_other_answer() -> None:
    content = ENCODER.encode(WHOLE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = b'{"regions": {"us-west-2": {}}}' if b"region_index" in asked else content
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = Settings(origin_overrides={LISTS.partition("/offers")[0]: address})
        async with make_client(settings, patient=False, most_bytes=len(content) // 2) as client:
            answers = await AwsReserved().fetch(client)
            with pytest.raises(ProviderUnavailable, match="an answer of more than"):
                await get(client, f"{LISTS}/us-west-2/index.json")

    assert len(list(AwsReserved().parse(answers))) == 3
