"""What is believed and what is set aside, offer by offer and run by run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from builders import NOON, offer
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Offer, PurchaseOption
from service import catalogue
from service.checks import Checked, LastPrice, Previous, SkuKey, check, medians, why_set_aside

KNOWN = {"H100 SXM": 3.0, "RTX 4090": 0.4}


def judged(*offers: Offer, known: dict[str, float] | None = None, **others: Any) -> Checked:
    defaults: dict[str, Any] = {
        "collector": "cloud",
        "source": "live",
        "pricing_page": "https://cloud.example/pricing",
        "catalogue": catalogue.load(),
        "known": KNOWN if known is None else known,
        "previous": Previous(),
        "now": NOON,
    }
    return check(offers, **defaults | others)


def reasons(checked: Checked) -> list[str]:
    return [rejection.reason for rejection in checked.rejections]


def prices(checked: Checked) -> list[str]:
    return [f"{seen.price_per_hour:f}" for seen in checked.observations]


def key(instance_type: str = "h100.1x", **others: Any) -> SkuKey:
    defaults: dict[str, Any] = {
        "provider": "cloud",
        "seller": None,
        "instance_type": instance_type,
        "gpu": "H100 SXM",
        "gpu_count": 1,
        "region": None,
        "tier": None,
        "pricing": PurchaseOption.ON_DEMAND,
        "term_months": None,
    }
    return SkuKey(**defaults | others)


def usd(price: str) -> LastPrice:
    return LastPrice(Decimal(price), "USD")


def costing(*listed: str) -> dict[SkuKey, LastPrice]:
    """Earlier prices of machines 0, 1, 2 and so on."""
    return {key(str(number)): usd(price) for number, price in enumerate(listed)}


# One offer -----------------------------------------------------------------------------------------------------------


def test_a_good_offer_is_observed_with_the_gpu_it_is() -> None:
    checked = judged(offer("h100", "2.50", gpu="NVIDIA H100 80GB HBM3", region="us-1", country="US"))

    (seen,) = checked.observations
    assert (seen.gpu, seen.gpu_memory_gb, seen.provider) == ("H100 SXM", 80, "cloud")
    assert (seen.region, seen.country, seen.observed_at) == ("us-1", "US", NOON)
    assert seen.source_url == "https://cloud.example/pricing"


def test_an_offer_keeps_whom_one_pays_its_date_and_its_page() -> None:
    dated = datetime(2026, 8, 22, tzinfo=UTC)

    checked = judged(offer(provider="seeweb", seller="someone", observed_at=dated, source_url="https://a.example/b"))

    (seen,) = checked.observations
    assert (seen.provider, seen.seller, seen.observed_at) == ("seeweb", "someone", dated)
    assert seen.source_url == "https://a.example/b"


def test_what_the_price_includes_is_kept_and_written_one_way() -> None:
    reserved: dict[str, Any] = {"pricing": PurchaseOption.RESERVED, "term_months": 12, "upfront": Decimal(9000)}
    included: dict[str, Any] = {"vcpus": 26, "host_memory_gb": 225.0, "disk_gb": 2816.0, "network_gbit_s": 400.0}

    (seen,) = judged(offer(interconnect="NVLink 4 (SXM5)", **reserved, **included)).observations

    assert (seen.upfront, seen.interconnect) == (Decimal(9000), "nvlink")
    assert {name: getattr(seen, name) for name in included} == included


@pytest.mark.parametrize("said", [0, -1, float("nan"), float("inf"), 1e300])
def test_what_can_not_be_an_amount_says_nothing_and_is_no_doubt_about_the_price(said: float) -> None:
    (seen,) = judged(offer(vcpus=said, host_memory_gb=said, disk_gb=said, network_gbit_s=said)).observations

    assert (seen.vcpus, seen.host_memory_gb, seen.disk_gb, seen.network_gbit_s) == (None, None, None, None)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"gpu": "H1000"}, "unknown_gpu"),
        ({"gpu": ""}, "unknown_gpu"),
        ({"gpu": "MIG 1g.10gb"}, "unknown_gpu"),
        ({"gpu_count": 0}, "bad_count"),
        ({"gpu_count": -8}, "bad_count"),
        ({"gpu_count": 5_000}, "bad_count"),
        ({"gpu_count": Decimal("0.5")}, "fractional_gpu"),
        ({"gpu_count": 0.125}, "fractional_gpu"),
        ({"usd": "0"}, "not_positive"),
        ({"usd": "-1"}, "not_positive"),
        ({"usd": "NaN"}, "not_finite"),
        ({"usd": "Infinity"}, "not_finite"),
        ({"currency": "XXX"}, "unknown_currency"),
        ({"currency": ""}, "unknown_currency"),
        ({"term_months": 12}, "bad_term"),
        ({"pricing": PurchaseOption.RESERVED}, "bad_term"),
        ({"pricing": PurchaseOption.RESERVED, "term_months": 0}, "bad_term"),
        ({"upfront": Decimal(100)}, "bad_upfront"),
        ({"pricing": PurchaseOption.RESERVED, "term_months": 12, "upfront": Decimal("NaN")}, "bad_upfront"),
        ({"pricing": PurchaseOption.RESERVED, "term_months": 12, "upfront": Decimal(-1)}, "bad_upfront"),
        ({"pricing": PurchaseOption.RESERVED, "term_months": 1, "upfront": Decimal(9000)}, "bad_upfront"),
        ({"instance_type": " "}, "bad_instance_type"),
        ({"instance_type": "x" * 300}, "too_long"),
        ({"region": ""}, "bad_region"),
        ({"country": "USA"}, "bad_country"),
        ({"country": "us"}, "bad_country"),
        ({"provider": "Some Cloud"}, "bad_provider"),
        ({"observed_at": NOON + timedelta(days=1)}, "bad_date"),
        ({"observed_at": datetime(2026, 11, 1)}, "bad_date"),  # noqa: DTZ001 - that is the fault
    ],
)
def test_an_unbelievable_offer_is_set_aside_with_its_reason(others: dict[str, Any], reason: str) -> None:
    bad = offer(**others)

    checked = judged(offer("good"), bad)

    assert [seen.instance_type for seen in checked.observations] == ["good"]
    assert reasons(checked) == [reason]
    assert checked.rejections[0].detail
    assert checked.set_aside is None


def test_an_unknown_gpu_is_answered_with_the_nearest_names() -> None:
    checked = judged(offer(gpu="RTX 4091"))

    assert "RTX 4090" in checked.rejections[0].detail


@pytest.mark.parametrize(("memory_gb", "reason"), [(3, "fractional_gpu"), (12, "fractional_gpu"), (48, "unknown_gpu")])
def test_a_slice_of_a_card_is_not_taken_for_the_card(memory_gb: float, reason: str) -> None:
    checked = judged(offer(gpu="L4", gpu_memory_gb=memory_gb))

    assert reasons(checked) == [reason]


def test_texts_stand_on_one_line_without_characters_that_databases_refuse() -> None:
    checked = judged(offer(" h100\x00\n1x ", tier=" ", seller="A\tB"))

    (seen,) = checked.observations
    assert (seen.instance_type, seen.tier, seen.seller) == ("h100 1x", None, "A B")


# Plausible -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "believed"), [("0.374", False), ("0.375", True), ("24", True), ("24.01", False)])
def test_a_price_is_plausible_within_a_factor_of_eight_of_the_median(price: str, believed: bool) -> None:
    checked = judged(offer(usd=price))

    assert reasons(checked) == ([] if believed else ["implausible"])


def test_the_price_per_gpu_is_judged_not_the_price_of_the_machine() -> None:
    checked = judged(offer(usd="48", gpu_count=8), offer(usd="48", gpu_count=1))

    assert prices(checked) == ["48"]
    assert reasons(checked) == ["implausible"]


def test_the_joke_price_of_a_marketplace_is_implausible() -> None:
    checked = judged(offer(gpu="RTX 4090", gpu_count=4, usd="154.67"))  # seen on one in August 2026, for RTX 5090

    assert reasons(checked) == ["implausible"]


def test_a_gpu_without_any_known_price_is_accepted_and_named() -> None:
    checked = judged(offer(usd="90"), known={})

    assert prices(checked) == ["90"]
    assert checked.unjudged == {"H100 SXM"}


def test_no_price_is_believed_beyond_all_measure_however_little_is_known() -> None:
    checked = judged(offer(usd="1e30"), known={})

    assert reasons(checked) == ["implausible"]


def test_prices_in_other_currencies_are_judged_in_dollars() -> None:
    checked = judged(offer("rupees", "362", currency="INR"), offer("dollars", "362"))

    assert prices(checked) == ["362"]
    assert checked.observations[0].currency == "INR"


def test_a_price_of_many_sizes_counts_once_towards_the_median() -> None:
    many = [("V100", 2.95)] * 8 + [("V100", 0.17), ("V100", 0.77)]

    assert medians(many) == {"V100": 0.77}


# Among others --------------------------------------------------------------------------------------------------------


def test_the_same_price_said_twice_is_one_observation_and_no_rejection() -> None:
    checked = judged(offer(), offer(), offer(available=True))

    assert [seen.available for seen in checked.observations] == [True]
    assert checked.repeated == 2
    assert not checked.rejections


def test_of_two_prices_of_one_sku_the_cheapest_that_can_be_had_is_kept() -> None:
    cheap_but_gone = offer(usd="2", available=False)

    checked = judged(offer(usd="4"), offer(usd="3"), cheap_but_gone)

    assert prices(checked) == ["3"]
    assert reasons(checked) == ["duplicate", "duplicate"]


def test_an_implausible_price_does_not_push_out_the_good_one_of_the_same_sku() -> None:
    checked = judged(offer(usd="0.01"), offer(usd="3"))

    assert prices(checked) == ["3"]
    assert reasons(checked) == ["implausible"]


@pytest.mark.parametrize(("price", "believed"), [("2.99", True), ("3", False), ("3.5", False)])
def test_a_spot_price_that_saves_nothing_is_none(price: str, believed: bool) -> None:
    spot = offer(usd=price, pricing=PurchaseOption.SPOT, region="us-1")

    checked = judged(offer(usd="3", region="us-1"), spot)

    assert reasons(checked) == ([] if believed else ["spot_not_cheaper"])


def test_a_spot_price_is_compared_with_the_price_that_holds_everywhere() -> None:
    spot = offer(usd="3", pricing=PurchaseOption.SPOT, region="us-1")

    assert reasons(judged(offer(usd="3"), spot)) == ["spot_not_cheaper"]
    assert reasons(judged(offer(usd="3", region="us-2"), spot)) == []


# Against its past ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "believed"), [("1.5", True), ("6", True), ("1.49", False), ("6.01", False)])
def test_a_price_that_more_than_doubles_or_halves_is_a_jump(price: str, believed: bool) -> None:
    before = Previous(prices={key(): usd("3")}, observations=1)

    checked = judged(offer(usd=price), offer("other", "3"), previous=before)

    assert reasons(checked) == ([] if believed else ["unexplained_jump"])


@pytest.mark.parametrize(("second", "believed"), [("7", True), ("7.50", True), ("15", False), ("3.10", True)])
def test_a_jump_is_believed_when_the_run_before_saw_it_too(second: str, believed: bool) -> None:
    before = Previous(prices={key(): usd("3")}, jumps={key(): usd("7")}, observations=1)

    checked = judged(offer(usd=second), previous=before)

    assert reasons(checked) == ([] if believed else ["unexplained_jump"])


def test_another_currency_is_another_price_and_no_jump() -> None:
    before = Previous(prices={key(): LastPrice(Decimal(300), "INR")}, observations=1)

    assert reasons(judged(offer(usd="3"), previous=before)) == []


def test_the_list_that_ships_is_not_held_against_its_past() -> None:
    before = Previous(prices={key(): usd("10")}, observations=1000)

    checked = judged(offer(usd="3"), previous=before, source="bundled")

    assert prices(checked) == ["3"]
    assert checked.set_aside is None


# The run as a whole --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "believed"), [(5, True), (4, False), (0, False)])
def test_a_run_with_fewer_than_half_the_offers_of_the_last_good_one_is_set_aside(count: int, believed: bool) -> None:
    before = Previous(observations=10)

    checked = judged(*(offer(str(number)) for number in range(count)), previous=before)

    assert (checked.set_aside is None) == believed


def test_a_first_run_without_any_believable_offer_is_set_aside() -> None:
    checked = judged(offer(gpu="H1000"))

    assert checked.set_aside is not None
    assert reasons(checked) == ["unknown_gpu"]


def test_a_marketplace_is_judged_by_its_kinds_of_machines() -> None:
    machines = {key(str(number), gpu_count=1 + number % 4): usd("3") for number in range(100)}
    before = Previous(prices=machines, observations=100)
    two_kinds = judged(offer("new"), offer("newer", "6", gpu_count=2)).observations

    assert why_set_aside(two_kinds, before, marketplace=True) is None
    assert why_set_aside(two_kinds, before) is not None
    assert why_set_aside(two_kinds[:1], before, marketplace=True) is not None


# Nothing is lost -----------------------------------------------------------------------------------------------------

some_offers = st.lists(
    st.builds(
        offer,
        instance_type=st.sampled_from(["a", "b", ""]),
        usd=st.sampled_from(["0", "0.01", "1", "3", "3.5", "9", "1000", "NaN"]),
        gpu=st.sampled_from(["H100", "RTX 4090", "H1000"]),
        gpu_count=st.sampled_from([0, 1, 8]),
        currency=st.sampled_from(["USD", "EUR", "XXX"]),
        pricing=st.sampled_from(list(PurchaseOption)),
        term_months=st.sampled_from([None, 12]),
        region=st.sampled_from([None, "", "us-1"]),
        available=st.sampled_from([None, True, False]),
    ),
    max_size=12,
)
some_pasts = st.builds(
    lambda listed: Previous(prices={key("a"): usd(listed), key("b"): usd(listed)}, observations=3),
    st.sampled_from(["1", "3", "90"]),
)


@given(offers=some_offers, previous=some_pasts)
def test_every_offer_is_observed_rejected_or_a_repetition(offers: list[Offer], previous: Previous) -> None:
    checked = judged(*offers, previous=previous)

    assert len(checked.observations) + len(checked.rejections) + checked.repeated == len(offers)
    assert len({seen.key for seen in checked.observations}) == len(checked.observations)


@given(offers=some_offers, previous=some_pasts)
def test_what_is_believed_does_not_depend_on_the_order_of_a_list(offers: list[Offer], previous: Previous) -> None:
    there, back = judged(*offers, previous=previous), judged(*reversed(offers), previous=previous)

    assert sorted(map(_said, there.observations)) == sorted(map(_said, back.observations))
    assert sorted(reasons(there)) == sorted(reasons(back))


def _said(seen: Any) -> tuple[str, ...]:
    return tuple(map(str, (*seen.key, seen.price_per_hour, seen.currency, seen.available)))


def spread(values: Iterable[float]) -> list[tuple[str, float]]:
    return [("H100 SXM", value) for value in values]


@given(st.lists(st.floats(0.1, 100), min_size=1))
def test_a_median_lies_among_the_prices(values: list[float]) -> None:
    (found,) = medians(spread(values)).values()

    assert min(values) - 1e-3 <= found <= max(values) + 1e-3
