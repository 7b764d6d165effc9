"""A recording: what a provider answered once, cut down to what shows how it is read, without a secret in it.

`record` makes one from live answers; tests play it. Each answer keeps the address it was asked from, so that a test
server can give it again; an answer without one is only ever handed over as a saved answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import inspect

from providers.base import Answer, Offer, PayloadChanged, Provider, decode_json

T = TypeVar("T")

STAND_IN = (
    "of-the-test"  # in the place of every secret and name; tests ask with it, and so find a recorded address again
)
MOST_ENTRIES = 12  # of one list in a recording
FEWEST_ENTRIES = 4  # of each, where many answers have the same list


@dataclass(frozen=True, slots=True)
class Recorded:
    answer: Answer
    url: str | None = None  # None: not fetched, but a shape that saved answers may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    source: str  # where the answers come from, in a sentence with its address
    recorded: datetime
    answers: Sequence[Recorded]


async def record(provider: Provider, client: httpx.AsyncClient, now: datetime) -> Recording:
    """The provider's answers of this moment, cut down. Raises what `fetch` raises."""
    exchanges: list[tuple[str, bytes]] = []
    streamed: list[str] = []

    async def remember(response: httpx.Response) -> None:
        url = str(response.request.url)
        if "most_bytes" in response.request.extensions:  # too long to be held, and narrowed as it comes
            streamed.append(url)
        else:
            exchanges.append((url, await response.aread()))

    client.event_hooks["response"].append(remember)
    try:
        answers = await provider.fetch(client)
    finally:
        client.event_hooks["response"].remove(remember)
    recorded = [
        Recorded(answer, take_address(answer, exchanges) or address_of_streamed(answer, streamed)) for answer in answers
    ]
    origins = sorted({f"https://{httpx.URL(each.url).host}" for each in recorded if each.url})
    recording = Recording(source=f"Recorded live from {', '.join(origins)}.", recorded=now, answers=recorded)
    return cut_down(provider, redacted(recording, secrets_of(provider)))


def secrets_of(provider: Provider) -> dict[str, str]:
    """What the provider was asked with; it may have been handed a whole environment."""
    return {name: provider.secrets[name] for name in provider.auth.variables if name in provider.secrets}


def take_address(answer: Answer, exchanges: list[tuple[str, bytes]]) -> str | None:
    """Where an answer was asked from: of the exchanges with this very body, the one that names its parameters."""
    same = [exchange for exchange in exchanges if is_body(answer.body, exchange[1])]
    if not same:
        return None
    best = max(same, key=lambda exchange: sum(value in exchange[0] for value in answer.parameters.values()))
    exchanges.remove(best)
    return best[0]


def address_of_streamed(answer: Answer, streamed: Sequence[str]) -> str | None:
    """The address that names all parameters of an answer, where its body is not what was sent."""
    wanted = answer.parameters.values()
    return next((url for url in streamed if wanted and all(value in url.split("/") for value in wanted)), None)


def is_body(body: Any, content: bytes) -> bool:
    if isinstance(body, str):
        return body.encode() == content
    try:
        return bool(decode_json(content) == body)
    except PayloadChanged:
        return False


def redacted(recording: Recording, secrets: Mapping[str, str]) -> Recording:
    """The recording with a stand-in for every secret, wherever the provider repeats one; a team's name is one, too."""
    values = [secret for value in secrets.values() if value for secret in (value, quote(value, safe=""))]
    if not values:
        return recording
    told = "|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    whole = re.compile(rf"(?<![A-Za-z0-9])(?:{told})(?![A-Za-z0-9])")  # a team called "gpu" is not in "gpus"

    def clean(part: Any) -> Any:
        if isinstance(part, str):
            return whole.sub(STAND_IN, part)
        if isinstance(part, Mapping):
            return {clean(name): clean(value) for name, value in part.items()}
        return [clean(entry) for entry in part] if isinstance(part, list) else part

    answers = [
        Recorded(
            Answer(each.answer.call, clean(each.answer.body), clean(each.answer.parameters)),
            clean(each.url) if each.url else None,
        )
        for each in recording.answers
    ]
    return replace(recording, answers=answers)


# Cutting down --------------------------------------------------------------------------------------------------------

OffersWith = Callable[[Any], list[Offer]]  # what is offered with this in the place of a part


def cut_down(provider: Provider, recording: Recording, most: int = MOST_ENTRIES) -> Recording:
    """The recording with its long lists shortened to what makes offers, and two entries beside that make none.

    The longest answer is cut first, since every other is tried out beside it; the more of a kind, the shorter each.
    """
    answers = list(recording.answers)
    alike = Counter(each.answer.call for each in answers)
    for position in sorted(range(len(answers)), key=lambda at: -len(ENCODER.encode(answers[at].answer.body))):
        recorded = answers[position]
        call = recorded.answer.call
        others = [each.answer for each in answers if each.answer.call != call]
        offers_with = partial(offers_beside, provider, others, recorded.answer)
        shape = inspect.type_info(provider.calls[call])
        body = shortened(shape, recorded.answer.body, offers_with, max(FEWEST_ENTRIES, most // alike[call]))
        answers[position] = replace(recorded, answer=replace(recorded.answer, body=body))
    return replace(recording, answers=answers)


def offers_beside(provider: Provider, others: Sequence[Answer], answer: Answer, body: Any) -> list[Offer]:
    try:
        return list(provider.parse([replace(answer, body=body), *others]))
    except PayloadChanged:
        return []


def shortened(shape: inspect.Type, part: Any, offers_with: OffersWith, most: int) -> Any:
    """A part of an answer with every list in it, and every object that is a list by name, cut down."""
    shape = shape_of(shape, part)
    if isinstance(part, str):
        head, *lines = part.splitlines(keepends=True)
        part = head + "".join(kept(lines, lambda some: offers_with(head + "".join(some)), most)) if lines else part
    elif isinstance(part, list):
        part = kept(part, offers_with, most)
    elif isinstance(shape, inspect.DictType):
        part = dict(kept(list(part.items()), lambda some: offers_with(dict(some)), most))
    for place, inner in places(shape, part):
        part = put(part, place, shortened(inner, part[place], partial(offers_inside, offers_with, part, place), most))
    return part


def offers_inside(offers_with: OffersWith, part: Any, place: int | str, new: Any) -> list[Offer]:
    return offers_with(put(part, place, new))


def kept(entries: list[T], offers_with: Callable[[list[T]], list[Offer]], most: int) -> list[T]:
    if len(entries) <= most:
        return entries
    without = offers_with([])
    telling = set(islice(changing(entries, offers_with, without), most - 2))
    silent = [position for position in range(len(entries)) if position not in telling][:2]
    return [entries[position] for position in sorted({*telling, *silent})]


def changing(
    entries: list[T], offers_with: Callable[[list[T]], list[Offer]], without: list[Offer], start: int = 0
) -> Iterator[int]:
    """The positions of entries that change what is offered, found by halving since most do not."""
    if not entries or offers_with(entries) == without:
        return
    if len(entries) == 1:
        yield start
        return
    half = len(entries) // 2
    yield from changing(entries[:half], offers_with, without, start)
    yield from changing(entries[half:], offers_with, without, start + half)


# Answers and their shapes --------------------------------------------------------------------------------------------


def shape_of(shape: inspect.Type, part: Any) -> inspect.Type:
    """The shape that a part has where several are allowed, without remarks."""
    if isinstance(shape, inspect.Metadata):
        return shape_of(shape.type, part)
    if isinstance(shape, inspect.UnionType):
        wanted: tuple[type[inspect.Type], ...] = (
            (inspect.StructType, inspect.DictType) if isinstance(part, dict) else (inspect.ListType,)
        )
        return next((shape_of(one, part) for one in shape.types if isinstance(one, wanted)), shape)
    return shape


def places(shape: inspect.Type, part: Any) -> list[tuple[int | str, inspect.Type]]:
    """Where a part has parts of its own that the provider reads, and their shapes."""
    shape = shape_of(shape, part)
    if isinstance(shape, inspect.ListType) and isinstance(part, list):
        return [(position, shape.item_type) for position in range(len(part))]
    if isinstance(shape, inspect.DictType) and isinstance(part, dict):
        return [(name, shape.value_type) for name in part]
    if isinstance(shape, inspect.StructType) and isinstance(part, dict):
        return [(field.encode_name, field.type) for field in shape.fields if field.encode_name in part]
    return []


def put(part: Any, place: int | str, new: Any) -> Any:
    """The part with something else in one place."""
    if isinstance(part, list):
        return [new if position == place else entry for position, entry in enumerate(part)]
    return {name: new if name == place else entry for name, entry in part.items()}


# Files ---------------------------------------------------------------------------------------------------------------


def to_text(recording: Recording) -> str:
    """The recording as a file: JSON with every number exactly as it was."""
    answers = [
        {"call": each.answer.call, **({"url": each.url} if each.url else {}), **rest_of(each.answer)}
        for each in recording.answers
    ]
    whole = {"source": recording.source, "recorded": recording.recorded.isoformat(), "answers": answers}
    return in_lines(whole)


def rest_of(answer: Answer) -> dict[str, Any]:
    parameters = {"parameters": dict(answer.parameters)} if answer.parameters else {}
    return {**parameters, "body": answer.body}


def from_text(text: str) -> Recording:
    whole = decode_json(text.encode())
    return Recording(
        source=whole["source"],
        recorded=datetime.fromisoformat(whole["recorded"]),
        answers=[
            Recorded(Answer(one["call"], one["body"], one.get("parameters", {})), one.get("url"))
            for one in whole["answers"]
        ],
    )


def offers_to_text(offers: Iterable[Offer]) -> str:
    """Offers as a file, one a line, without what is not said."""
    lines = [ENCODER.encode(said_by(offer)).decode() for offer in offers]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def said_by(offer: Offer) -> dict[str, Any]:
    said = {field.name: getattr(offer, field.name) for field in fields(Offer)}
    return {
        field.name: said[field.name]
        for field in fields(Offer)
        if said[field.name] != field.default or field.name == "pricing"
    }


def in_lines(whole: Any) -> str:
    return msgspec.json.format(ENCODER.encode(whole), indent=1).decode() + "\n"


ENCODER = msgspec.json.Encoder(decimal_format="number")
