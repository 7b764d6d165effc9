"""Whole questions, from a query, a command line or a body."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar, get_args

from service.catalogue import Catalogue
from service.estimation.answer import Method
from service.estimation.hardware import Machine
from service.estimation.workload import Workload
from service.parameters.machines import MOST_GPUS, described_machine, gpu_of, rigs_of
from service.parameters.reader import FieldError, InvalidParameters, Reader, nearest, shown
from service.parameters.vocabulary import PARAMETERS, Vocabulary
from service.parameters.workloads import described_workload, note_idle_plan, plan_of, workload_of
from service.ranking.request import Per, Pricing, RankingRequest, Sort

T = TypeVar("T")
MOST_DATA_GB = 1e9  # an exabyte
MOST_MACHINES = 1000  # in one request for estimates
MOST_EXPLAINED = 20  # each is estimated some twenty times over


def ranking_request(parameters: Mapping[str, Sequence[str]], vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    """A request from a query string or command line: every value is text, unknown names are ignored.

    Raises InvalidParameters.
    """
    repeating = {parameter.name for parameter in PARAMETERS if parameter.repeats}
    given = _filled(parameters, repeating)
    return _read(given, lambda reader: _ranking_request(reader, vocabulary, now), from_text=True)


def ranking_request_from_body(body: object, vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    """A request from a JSON body, which may also describe workloads and rigs that are in no catalogue.

    Raises InvalidParameters.
    """
    return _read(body, lambda reader: _ranking_request(reader, vocabulary, now))


@dataclass(frozen=True, slots=True)
class EstimatesRequest:
    """Which hours are asked for: one workload (with the plan pinned for it) and one machine each, in order."""

    questions: tuple[tuple[Workload, Machine], ...]
    notes: tuple[tuple[str, ...], ...]  # on each question: what of it has no effect
    method: Method
    explain: bool = False


def estimates_request(body: object, vocabulary: Vocabulary) -> EstimatesRequest:
    """The body of `/api/v1/estimates`. Raises InvalidParameters."""
    return _read(body, lambda reader: _estimates_request(reader, vocabulary))


def estimate_request(parameters: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> EstimatesRequest:
    """One machine with what it trains, from a command line: every value is text. Raises InvalidParameters."""
    given = _filled(parameters, {"offload"})
    return _read(given, lambda reader: _estimate_request(reader, vocabulary), from_text=True)


def workload_in(parameters: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> Workload:
    """What is trained, from a command line. Raises InvalidParameters."""
    return _read(_filled(parameters, ()), lambda reader: workload_of(reader, vocabulary), from_text=True)


def workload_from_body(body: object, vocabulary: Vocabulary) -> Workload:
    """A workload object of its own, as `POST /api/v1/workloads` takes it. Raises InvalidParameters."""
    return _read(body, lambda reader: described_workload(reader, vocabulary))


def saved_workload(slug: str, body: object, catalogue: Catalogue) -> Workload:
    """A workload that was kept earlier, from the body that described it. Raises InvalidParameters."""
    return replace(workload_from_body(body, Vocabulary(catalogue=catalogue)), slug=slug)


def _filled(parameters: Mapping[str, Sequence[str]], repeating: Collection[str]) -> dict[str, Any]:
    """Text as a body: an empty parameter counts as absent, and of one that does not repeat the last counts."""
    filled = {name: [value.strip() for value in values if value.strip()] for name, values in parameters.items()}
    return {name: values if name in repeating else values[-1] for name, values in filled.items() if values}


def _read(body: object, build: Callable[[Reader], T], *, from_text: bool = False) -> T:
    if not isinstance(body, dict):
        raise InvalidParameters([FieldError("body", "must be a JSON object")])
    reader = Reader(body, from_text=from_text)
    result = build(reader)
    if reader.errors:
        raise InvalidParameters(reader.errors)
    return result


# The ranking ---------------------------------------------------------------------------------------------------------


def _ranking_request(reader: Reader, vocabulary: Vocabulary, now: datetime) -> RankingRequest:
    pricing = [reader.checked_choice("pricing", value, get_args(Pricing)) for value in reader.texts("pricing")]
    min_gpus = reader.whole("min_gpus", most=MOST_GPUS) or 1
    max_gpus = reader.whole("max_gpus", most=MOST_GPUS) or 64
    if min_gpus > max_gpus:
        reader.wrong("min_gpus", f"must not be over max_gpus ({max_gpus})")
    request = RankingRequest(
        workload=workload_of(reader, vocabulary),
        method=reader.choice("method", get_args(Method)) or "model",
        rigs=rigs_of(reader, vocabulary),
        gpus=frozenset(gpu.name for text in reader.texts("gpu") if (gpu := gpu_of(reader, "gpu", text, vocabulary))),
        providers=_known(reader, "provider", vocabulary.providers),
        regions=_known(reader, "region", vocabulary.regions),
        cloud_countries=_known_countries(reader, vocabulary),
        min_gpus=min_gpus,
        max_gpus=max_gpus,
        deadline_days=reader.number("deadline_days", above=0, most=36_500),
        budget_usd=reader.number("budget_usd", above=0, most=1e12),
        usd_per_day=reader.number("usd_per_day", most=1e9) or 0.0,
        storage_gb=reader.number("storage_gb", most=MOST_DATA_GB),
        egress_gb=reader.number("egress_gb", most=MOST_DATA_GB),
        ingress_gb=reader.number("ingress_gb", most=MOST_DATA_GB),
        sort=reader.choice("sort", get_args(Sort)) or "cost",
        per=reader.choice("per", get_args(Per)) or "machine",
        as_of=_as_of(reader, now),
        max_age_hours=reader.number("max_age_hours", above=0, most=1e6),
        explain=reader.flag("explain") or False,
        limit=reader.whole("limit", most=1000) or 50,
        offset=_offset(reader),
    )
    note_idle_plan(reader, request.workload, request.method)
    request = replace(request, notes=tuple(_said(note) for note in _notes(reader)))
    return replace(request, pricing=frozenset(pricing)) if pricing else request


def _notes(reader: Reader) -> list[FieldError]:
    """What is known once everything is read."""
    return [*reader.notes, *reader.ignored()]


def _said(note: FieldError) -> str:
    return f"{note.field} {note.message}"


def _known(reader: Reader, name: str, known: Collection[str]) -> frozenset[str]:
    for value in reader.texts(name):
        if value not in known:
            reader.wrong(
                name, f"{shown(value)} is not known{nearest(value, known) or '; nothing is offered there now'}"
            )
    return frozenset(reader.texts(name))


def _known_countries(reader: Reader, vocabulary: Vocabulary) -> frozenset[str]:
    codes = [code.upper() for code in reader.texts("cloud_country")]
    known = {*vocabulary.catalogue.electricity, *vocabulary.cloud_countries}
    for code in codes:
        if not re.fullmatch(r"[A-Z]{2}", code) or code not in known:
            reader.wrong("cloud_country", f"must be two letters of a known country, such as ES, not {shown(code)}")
    return frozenset(codes)


def _as_of(reader: Reader, now: datetime) -> datetime | None:
    text = reader.text("as_of")
    if text is None or text == "now":
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            at = now if day == now.date() else datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
        else:
            at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        reader.wrong("as_of", "must be a date (2026-11-24) or an RFC 3339 time with its zone (2026-11-24T08:00:00Z)")
        return None
    if at > now:
        reader.wrong("as_of", f"must not be in the future (now is {now:%Y-%m-%dT%H:%M:%SZ})")
        return None
    return at.astimezone(UTC)


def _offset(reader: Reader) -> int:
    cursor = reader.text("cursor")
    if cursor is None:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:  # not ASCII, not base 64, not UTF-8
        decoded = ""
    if not re.fullmatch(r"o[0-9]{1,9}", decoded):
        reader.wrong("cursor", "must be the next_cursor of the page before")
        return 0
    return int(decoded[1:])


# Estimates -----------------------------------------------------------------------------------------------------------


def _estimates_request(reader: Reader, vocabulary: Vocabulary) -> EstimatesRequest:
    reader.missing("workload", "must be a slug of /api/v1/workloads or an object")
    workload, method = workload_of(reader, vocabulary), _method(reader)
    machines = reader.objects("machines", most=MOST_MACHINES)
    if not machines and not any(error.field == "machines" for error in reader.errors):
        reader.wrong("machines", 'must list at least one machine, such as {"gpu": "RTX 4070", "gpu_count": 1}')
    note_idle_plan(reader, workload, method)
    questions = []
    for nested in machines or []:
        machine, asked = described_machine(nested, vocabulary), workload
        if nested.has("plan"):
            asked = replace(workload, plan=plan_of(nested.object("plan"), workload.model))
            note_idle_plan(nested, asked, method)
        if machine is not None:
            questions.append((asked, machine))
    explain = reader.flag("explain") or False
    if explain and len(machines or []) > MOST_EXPLAINED:
        reader.wrong("explain", f"is for at most {MOST_EXPLAINED} machines at once")
    return EstimatesRequest(tuple(questions), _notes_by_machine(reader, len(questions)), method, explain)


def _method(reader: Reader) -> Method:
    method: Method | None = reader.choice("method", get_args(Method))
    return method or "model"


def _notes_by_machine(reader: Reader, machines: int) -> tuple[tuple[str, ...], ...]:
    """Each machine has the notes on itself, and those on all."""
    notes: dict[str, list[str]] = {}
    for note in _notes(reader):
        of_one = re.match(r"machines\[\d+\]", note.field)
        notes.setdefault(of_one[0] if of_one else "", []).append(_said(note))
    return tuple((*notes.get("", ()), *notes.get(f"machines[{place}]", ())) for place in range(machines))


def _estimate_request(reader: Reader, vocabulary: Vocabulary) -> EstimatesRequest:
    workload, method = workload_of(reader, vocabulary), _method(reader)
    machine = described_machine(reader, vocabulary)
    note_idle_plan(reader, workload, method)
    questions = () if machine is None else ((workload, machine),)
    return EstimatesRequest(questions, _notes_by_machine(reader, len(questions)), method)
