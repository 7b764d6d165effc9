"""For every price source: whatever its answers turn into, a run ends, and no price is stored that can not be true."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from builders import NOON
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_providers import RECORDED, answers_of

from providers.base import Answer, Provider, PurchaseOption
from providers.recording import ENCODER
from service import catalogue
from service.checks import CollectedRun, medians
from service.checks.offer import MOST_GPUS, MOST_USD_PER_GPU_HOUR, PLAUSIBLE_FACTOR
from service.collect.run import Fetched, Memory, judge, prior
from service.rates import shipped_rates

EXAMPLES = 100  # of each source; the same ones every time
Path = tuple[Any, ...]
Priced = tuple[str, str, str, int | None, str, Decimal]  # provider, GPU, pricing, term, currency, price per GPU

MISSING: tuple[tuple[str, Any], ...] = (("drop", None), ("replace", None), ("replace", []), ("replace", {}))
OTHERWISE_SAID = {  # what may be missing because the module says what holds without it: the prices are other, and right
    "cudo": {"minVcpuPerGpu", "minVcpuPerMemoryGib"},  # the size is then put together more freely
    "inference": {"interconnect"},  # the card is then the usual one of its name, as wherever no form is said
    "linode": {"data"},  # without regions, the price of each that has its own
    "latitude": {"USD"},  # the price in reais is another
    "primeintellect": {"socket"},
    "sesterce": {"configuration", "interconnect"},
    "shadeform": {"interconnect"},
    "tensordock": {"pricing"},  # the tier says "GPU only"
    "vultr": {"deploy_ondemand", "hourly_cost", "hourly_cost_preemptible"},  # the price of no region in particular
}

WRONG: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        3,
        10**30,
        Decimal("0.0001"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        Decimal("1e400"),
    ),
    *("", "0", "-5", "NaN", "Infinity", "1e999", "0.00", "1,5", "$3.20", "h100", "H100 SXM", "8", "\x00", "x" * 5000),
    *([], {}, [None], {"a": 1}, [[[]]], "2026-13-45T99:00:00Z", "None", "null", "０", "１２"),
)


@pytest.mark.parametrize("provider_class", RECORDED.values(), ids=RECORDED)
def test_a_changed_answer_never_breaks_a_run_nor_makes_a_price_that_can_not_be(provider_class: type[Provider]) -> None:
    places = [(number, path) for number, answer in enumerate(answers_of(provider_class)) for path in walk(answer.body)]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(st.integers(0, len(places) - 1), CHANGES), min_size=1, max_size=3))
    @example([(0, ("drop", None))])
    def changed(changes: list[tuple[int, tuple[str, Any]]]) -> None:
        answers = answers_of(provider_class)
        for place, change in changes:
            answers = with_change(answers, *places[place], change)

        run = judge(provider_class, Fetched(answers=answers), Memory(), catalogue.load(), NOON)

        assert run.error_kind in (None, "payload_changed")
        why_wrong = [reason for seen in run.observations if (reason := why_unbelievable(run, seen))]
        assert why_wrong == []

    changed()


@pytest.mark.parametrize("provider_class", RECORDED.values(), ids=RECORDED)
def test_what_is_missing_makes_no_price_that_was_not_published(provider_class: type[Provider]) -> None:
    answers = answers_of(provider_class)
    published = prices_in(provider_class, answers)
    made_up = {
        path
        for number, path in one_of_each_kind(answers)
        for change in MISSING
        if prices_in(provider_class, with_change(answers, number, path, change)) - published
    }

    assert [path for path in made_up if path[-1] not in OTHERWISE_SAID.get(provider_class.slug, ())] == []


@pytest.mark.parametrize("provider_class", RECORDED.values(), ids=RECORDED)
def test_a_number_that_is_written_as_text_is_that_number_or_is_refused(provider_class: type[Provider]) -> None:
    answers = answers_of(provider_class)
    written = [Answer(answer.call, as_text(answer.body), answer.parameters) for answer in answers]

    run = judge(provider_class, Fetched(answers=written), Memory(), catalogue.load(), NOON)

    assert run.error_kind == "payload_changed" or priced(run) == prices_in(provider_class, answers)


@pytest.mark.parametrize("provider_class", RECORDED.values(), ids=RECORDED)
def test_an_answer_that_is_cut_off_makes_no_price_that_was_not_published(provider_class: type[Provider]) -> None:
    answers = answers_of(provider_class)
    published = prices_in(provider_class, answers)

    for number, answer in enumerate(answers):
        for share in (0.3, 0.6, 0.9):
            body = cut_off(answer.body, share)
            cut = [*answers[:number], Answer(answer.call, body, answer.parameters), *answers[number + 1 :]]

            run = judge(provider_class, Fetched(answers=cut), Memory(), catalogue.load(), NOON)

            assert run.error_kind == "payload_changed" or priced(run) <= published
            assert run.error or run.rejections or run.observations


def prices_in(provider_class: type[Provider], answers: Sequence[Answer]) -> set[Priced]:
    return priced(judge(provider_class, Fetched(answers=answers), Memory(), catalogue.load(), NOON))


def priced(run: CollectedRun) -> set[Priced]:
    return {
        (o.provider, o.gpu, o.pricing, o.term_months, o.currency, o.price_per_hour / o.gpu_count)
        for o in run.observations
    }


def one_of_each_kind(answers: Sequence[Answer]) -> list[tuple[int, Path]]:
    """The first two places of every kind: the names on the way to it are the same, whatever the numbers are."""
    found: dict[tuple[Any, ...], list[tuple[int, Path]]] = {}
    for number, answer in enumerate(answers):
        for path in walk(answer.body):
            kind = (answer.call, *("#" if isinstance(step, int) else step for step in path))
            found.setdefault(kind, []).append((number, path))
    return [place for places in found.values() for place in places[:2] if place[1]]


def as_text(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: as_text(part) for name, part in body.items()}
    if isinstance(body, list):
        return [as_text(part) for part in body]
    return str(body) if isinstance(body, int | Decimal) and not isinstance(body, bool) else body


def cut_off(body: Any, share: float) -> Any:
    """What is read of the beginning of an answer; JSON that is cut off is none, and read as text."""
    whole = body if isinstance(body, str) else ENCODER.encode(body).decode()
    return whole[: int(len(whole) * share)]


CHANGES = st.one_of(
    st.tuples(st.just("replace"), st.sampled_from(WRONG)),
    st.tuples(st.just("scale"), st.sampled_from([Decimal(-1), Decimal("0.001"), Decimal(1000), Decimal("1e20")])),
    st.tuples(st.sampled_from(["drop", "double", "rename"]), st.none()),
)


def why_unbelievable(run: CollectedRun, seen: Any) -> str | None:
    """A price that no reader should see, in words."""
    usd = float(seen.price_per_hour * shipped_rates().usd_per_unit(seen.currency, run.started_at)) / seen.gpu_count
    known = known_prices().get(seen.gpu)
    if not (seen.price_per_hour.is_finite() and 0 < usd <= MOST_USD_PER_GPU_HOUR):
        return f"{seen}: {usd} USD per GPU-hour"
    if known and not known / PLAUSIBLE_FACTOR <= usd <= known * PLAUSIBLE_FACTOR:
        return f"{seen}: {usd} USD per GPU-hour, where {known} is known"
    if not (1 <= seen.gpu_count <= MOST_GPUS and seen.gpu in catalogue.load().gpus):
        return f"{seen}: {seen.gpu_count} x {seen.gpu}"
    if (seen.pricing is PurchaseOption.RESERVED) != (seen.term_months is not None) or seen.observed_at > NOON:
        return f"{seen}: term or date"
    amounts = (seen.vcpus, seen.host_memory_gb, seen.disk_gb, seen.network_gbit_s)
    return None if all(amount is None or 0 < amount < math.inf for amount in amounts) else f"{seen}: {amounts}"


@cache
def known_prices() -> dict[str, float]:
    return medians(prior(catalogue.load(), NOON))


# Changing an answer --------------------------------------------------------------------------------------------------


def walk(body: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in an answer, the whole among them; of long texts the lines."""
    yield path
    if isinstance(body, dict):
        for key, value in body.items():
            yield from walk(value, (*path, key))
    elif isinstance(body, list):
        for number, value in enumerate(body):
            yield from walk(value, (*path, number))
    elif isinstance(body, str) and body.count("\n") > 1:
        yield from ((*path, number) for number in range(body.count("\n")))


def with_change(answers: Sequence[Answer], number: int, path: Path, change: tuple[str, Any]) -> list[Answer]:
    changed = list(answers)
    if number < len(changed):
        answer = changed[number]
        body = put(answer.body, path, change)
        text = isinstance(answer.body, str)  # whatever is served as text is text
        changed[number] = Answer(answer.call, str(body) if text else body, answer.parameters)
    return changed


def put(body: Any, path: Path, change: tuple[str, Any]) -> Any:
    """A copy with one place changed; an earlier change may have taken the place away."""
    if not path:
        return altered(body, change)
    key, rest = path[0], path[1:]
    if isinstance(body, str) and body.count("\n") > 1 and isinstance(key, int):
        lines = body.split("\n")
        return "\n".join(map(str, put(lines, path, change)))
    if isinstance(body, dict) and key in body:
        if not rest and change[0] in ("drop", "rename"):
            kept = {name: value for name, value in body.items() if name != key}
            return kept if change[0] == "drop" else {**kept, f"new_{key}": body[key]}
        return {**body, key: put(body[key], rest, change)}
    if isinstance(body, list) and isinstance(key, int) and key < len(body):
        if not rest and change[0] in ("drop", "double"):
            return [*body[:key], *([body[key]] * (2 if change[0] == "double" else 0)), *body[key + 1 :]]
        return [*body[:key], put(body[key], rest, change), *body[key + 1 :]]
    return body


def altered(value: Any, change: tuple[str, Any]) -> Any:
    kind, by = change
    if kind == "replace":
        return by
    if kind == "scale" and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value) * by
    if kind == "scale" and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return str(Decimal(value) * by)
    return value
