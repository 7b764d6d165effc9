"""Numbers, words and charts as readers see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from builders import NOON
from hypothesis import given
from hypothesis import strategies as st

from service.estimation.answer import Interval
from service.presentation import numbers
from service.presentation.numbers import (
    TimeScale,
    age,
    share,
    tick_label,
    ticks,
    time_scale,
    usd,
    usd_interval,
    usd_rate,
)

POSITIVE = st.floats(min_value=0.01, max_value=1e7)


@pytest.mark.parametrize(
    ("amount", "written"), [(7.4, "$7.40"), (19.99, "$19.99"), (20.4, "$20"), (1285.3, "$1,285"), (-3, "−$3.00")]
)
def test_totals_have_cents_below_twenty_dollars(amount: float, written: str) -> None:
    assert usd(amount) == written


@pytest.mark.parametrize(("amount", "written"), [(3.444, "$3.44"), (0.0542, "$0.054"), (0.0, "$0.00")])
def test_rates_have_a_third_decimal_below_ten_cents(amount: float, written: str) -> None:
    assert usd_rate(amount) == written


def test_a_range_that_rounding_closes_is_not_written() -> None:
    assert usd_interval(Interval(350.1, 400, 452)) == "$350–452"
    assert usd_interval(Interval(350.1, 350.2, 350.3)) == ""


@given(st.tuples(POSITIVE, POSITIVE, POSITIVE).map(sorted))
def test_a_rounded_middle_lies_in_its_rounded_range(parts: list[float]) -> None:
    low, middle, high = (float(usd(part, parts[1])[1:].replace(",", "")) for part in parts)

    assert low <= middle <= high


@pytest.mark.parametrize(
    ("days", "scale"),
    [
        ([30, 99], TimeScale("days", 0)),
        ([1.4, 33, 88], TimeScale("days", 1)),
        ([0.5, 1.4, 90], TimeScale("hours", 0)),
        ([0.2, 0.3], TimeScale("hours", 1)),
        ([], TimeScale("days", 0)),
    ],
)
def test_a_column_shares_its_unit_and_its_decimals(days: list[float], scale: TimeScale) -> None:
    assert time_scale(days) == scale


def test_a_sentence_is_as_precise_as_its_number_and_counts_no_weeks_in_hours() -> None:
    assert TimeScale("days", 1).words(119.3) == "119 days"
    assert TimeScale("days", 1).words(0.588) == "0.59 days"
    assert TimeScale("hours", 0).words(0.588) == "14 hours"
    assert TimeScale("hours", 0).words(93.5) == "94 days"
    assert TimeScale("days", 0).range_in_words(Interval(1.21, 1.4, 1.68)) == "1.2–1.7"


@pytest.mark.parametrize(
    ("passed", "written"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=23), "23 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=3), "21 Nov 2026"),
    ],
)
def test_an_age_becomes_a_date_after_two_days(passed: timedelta, written: str) -> None:
    assert age(NOON - passed, NOON) == written


@pytest.mark.parametrize(("probability", "written"), [(None, "–"), (0.004, "<1%"), (0.724, "72%"), (0.999, ">99%")])
def test_a_probability_never_claims_certainty(probability: float | None, written: str) -> None:
    assert share(probability) == written


@given(POSITIVE, POSITIVE)
def test_the_ticks_of_an_axis_enclose_its_values_and_differ(one: float, other: float) -> None:
    low, high = sorted((one, other))

    steps = ticks(low, high)

    assert steps[0] <= low
    assert steps[-1] >= high
    assert steps == sorted(steps)
    assert len({tick_label(step) for step in steps}) == len(steps) <= 12


@pytest.mark.parametrize(("count", "written"), [(37.6e9, "37.6 B"), (124e6, "124 M"), (2e10, "20 B"), (12, "12")])
def test_large_counts_are_written_short(count: float, written: str) -> None:
    assert numbers.compact(count) == written
