"""Money and order: what an option costs, what comes first, what is left out, and what the answer says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from builders import NOON, machine, rig
from hypothesis import given
from hypothesis import strategies as st

from service.estimation.answer import Estimate, Evidence, Infeasible, Interval
from service.estimation.hardware import Machine
from service.estimation.workload import Workload
from service.ranking.describe import offer_title
from service.ranking.interruptions import interruption_growth
from service.ranking.offers import Coded, Estimates, Offers
from service.ranking.option import CloudOffer, ExclusionExample, MarketState, Option, Ranking
from service.ranking.rank import Standings, find
from service.ranking.request import RankingRequest
from service.ranking.rules import ASSUMED, InterruptionRate, Rent, Rules, Step, Storage, Traffic

MARKET = MarketState(version="v", offers=0, oldest_price_at=None, newest_price_at=None, sources={})
WORKLOAD = Workload(name="tiny", tokens=1e9, tokens_per_step=524_288)
GAMMA = Rules(  # a provider who bills by all that can be billed
    rent=Rent(
        step_hours=1.0, minimum_hours=2.0, by_clock=True, capped_hours=600.0, source="https://gamma.example, 2026"
    ),
    storage=Storage(usd_per_gb_month=Decimal("0.36"), month_hours=720.0, included_gb=50.0, source="gamma, 2026"),
    egress=Traffic(
        steps=(Step(above_gb=0, usd_per_gb=Decimal("0.10")), Step(above_gb=100, usd_per_gb=Decimal("0.05"))),
        free_gb=20.0,
        accrues_hours=20.0,
        source="gamma, 2026",
    ),
    ingress=Traffic(steps=(Step(above_gb=0, usd_per_gb=Decimal("0.01")),), source="gamma, 2026"),
    interruptions=(InterruptionRate(gpu="H100 SXM", per_hour=0.4, source="gamma, 2026"),),
)
TOO_BIG = Infeasible(reason="out_of_memory", detail="lacks 3.1 GB", lacks_gb=3.1)


def offer(
    name: str = "small",
    *,
    usd: float = 2.0,
    gpus: int = 1,
    card: str = "H100 SXM",
    provider: str = "acme",
    pricing: str = "on_demand",
    available: bool | None = None,
    region: str | None = None,
    country: str | None = None,
    seen_hours_ago: float = 0,
    stale: bool = False,
) -> CloudOffer:
    term = 12 if pricing == "reserved" else None
    return CloudOffer(
        id=name,
        provider=provider,
        seller=None,
        collector=provider,
        instance_type=name,
        tier=None,
        region=region,
        country=country,
        gpu=card,
        gpu_count=gpus,
        memory_gb=machine(card, gpus).gpu.memory_gb,
        pricing=pricing,
        term_months=term,
        price_per_hour=usd,
        currency="USD",
        usd_per_hour=usd,
        available=available,
        observed_at=NOON - timedelta(hours=seen_hours_ago),
        first_seen=NOON - timedelta(days=9),
        source="live",
        source_url="https://acme.example/prices",
        stale=stale,
        count_is_derived=False,
        upfront=None,
        vcpus=None,
        host_memory_gb=None,
        disk_gb=None,
        interconnect=None,
        network_gbit_s=None,
        attribution=None,
    )


def offers_of(rows: Sequence[CloudOffer]) -> Offers:
    """As a market has them."""
    titles = [
        offer_title(row.gpu, row.gpu_count, row.provider, row.seller, row.tier, row.pricing, row.term_months)
        for row in rows
    ]
    told = {field.name: Coded.of([getattr(row, field.name) for row in rows]) for field in fields(CloudOffer)}
    return Offers.of(Coded.of(titles), Coded.of([machine(row.gpu, row.gpu_count) for row in rows]), told, rules)


def rules(provider: str) -> Rules:
    return GAMMA if provider == "gamma" else ASSUMED


def hours(p50: float, *, sigma: float = 0.1) -> Estimate:
    return Estimate(hours=Interval(p50 * 0.8, p50, p50 * 1.25), evidence=Evidence("same_gpu"), sigma_own=sigma)


def request(**asked: object) -> RankingRequest:
    plain = RankingRequest(workload=WORKLOAD, rigs=(), per="offer", limit=1000, storage_gb=0, egress_gb=0, ingress_gb=0)
    return replace(plain, **asked)  # type: ignore[arg-type]


def takes(rented: Machine) -> Estimate | Infeasible:
    """Ten hours on one GPU and in proportion fewer on several, unless the card's name says how it differs."""
    if rented.gpu.name == "T4":
        return TOO_BIG
    alone = {"RTX 4070": 2400.0, "B200": 5.0}.get(rented.gpu.name, 10.0)
    return hours(alone / rented.gpu_count)


def standings(offers: Sequence[CloudOffer], asked: RankingRequest) -> Standings:
    return Standings.of(asked, *columns(offers, asked), now=NOON)


def columns(offers: Sequence[CloudOffer], asked: RankingRequest) -> tuple[Offers, Estimates, Estimates]:
    rented = offers_of(offers)
    estimates = Estimates.of([takes(kind) for kind in rented.machine.values])
    return rented, estimates, Estimates.of([takes(rig.machine) for rig in asked.rigs])


def ranked(offers: Sequence[CloudOffer], asked: RankingRequest | None = None) -> Ranking:
    return standings(offers, asked or request()).ranking(MARKET)


def found(option_id: str, offers: Sequence[CloudOffer], asked: RankingRequest) -> Option | ExclusionExample | None:
    return find(option_id, asked, *columns(offers, asked), now=NOON)


def names(ranking: Ranking) -> list[str]:
    return [option.id for option in ranking.options]


# What an option costs ------------------------------------------------------------------------------------------------


def test_rent_is_paid_for_training_and_half_an_hour_of_setup() -> None:
    (option,) = ranked([offer(usd=2)]).options

    assert option.cost_breakdown_usd == pytest.approx({"compute": 20.0, "setup": 1.0})
    assert option.cost_usd.p50 == pytest.approx(21.0)
    assert option.hours.p50 == pytest.approx(10.0)
    assert option.days.p50 == pytest.approx(10 / 24)


def test_the_interval_of_the_cost_follows_the_hours() -> None:
    (option,) = ranked([offer(usd=2)]).options

    assert (option.cost_usd.p10, option.cost_usd.p90) == pytest.approx((2 * 8.5, 2 * 13.0))


def test_a_run_of_minutes_is_billed_for_an_hour() -> None:
    (option,) = ranked([offer(usd=30, gpus=64)]).options

    assert option.cost_usd.p50 == pytest.approx(30.0)
    assert option.cost_breakdown_usd == pytest.approx(
        {"compute": 30 * 10 / 64, "setup": 15.0, "minimum": 30 * (0.5 - 10 / 64)}
    )


def test_a_disk_and_traffic_are_billed_as_their_provider_does() -> None:
    # 10 h and half an hour of setup, from half past: 11 hours of the clock. 120 GB less 50 for 10.5 of 720 h at 0.36.
    # Of 400 GB out 20 × 10.5/20 are free; 100 at 0.10, the rest at 0.05. 75 GB in at 0.01.
    asked = request(storage_gb=120, egress_gb=400, ingress_gb=75, explain=True)

    (option,) = ranked([offer(usd=2, provider="gamma")], asked).options

    assert option.cost_breakdown_usd == pytest.approx(
        {
            "compute": 20.0,
            "setup": 1.0,
            "rounding": 1.0,
            "storage": 70 * 10.5 / 720 * 0.36,
            "egress": 10 + (400 - 10.5 - 100) * 0.05,
            "ingress": 0.75,
        }
    )
    assert option.cost_usd.p50 == pytest.approx(sum(option.cost_breakdown_usd.values()))
    assert option.bill is not None
    told = {line.item: line.source or "" for line in option.bill}
    assert told["storage"] == "120.0 GB are stored, 50.0 of them on the machine's own disk; gamma, 2026"
    assert told["egress"] == "400.0 GB go out, 10.5 of them free; gamma, 2026"
    assert told["rounding"].startswith("every hour of the clock")


def test_what_nobody_says_of_a_provider_is_assumed_and_said() -> None:
    ranking = ranked([offer(usd=2)], request(storage_gb=100, egress_gb=5, explain=True))

    (option,) = ranking.options
    assert (ranking.data.storage_gb, ranking.data.egress_gb, ranking.data.ingress_gb) == (100, 5, 0)
    assert option.cost_breakdown_usd["storage"] == pytest.approx(100 * 0.10 * 10.5 / 730.5)
    assert "egress" not in option.cost_breakdown_usd  # free, and so in the bill only
    assert option.bill is not None
    assert [line.source for line in option.bill][2:] == [
        "100.0 GB are stored; an assumption: what most charge",
        "5.0 GB go out; an assumption: free, as with most",
    ]
    assert any(note.startswith("of 1 of 1 providers it is not known how they bill") for note in ranking.notes)


def test_no_more_than_the_cap_of_a_month_is_charged() -> None:
    (option,) = ranked([offer(usd=2, card="RTX 4070", provider="gamma")], request(explain=True)).options

    # 2400.5 h, from half past 2401: three months of 730.5 h at 600 each, and 209.5 h of the fourth
    assert option.cost_usd.p50 == pytest.approx(2 * (3 * 600 + 209.5))
    assert option.bill is not None
    assert "at most 600 h of a month are charged; https://gamma.example" in (option.bill[0].source or "")


def test_an_interruption_takes_the_machines_own_disk_along() -> None:
    spot, fixed = (
        ranked([offer(provider="gamma", pricing=pricing)], request(storage_gb=40)).options[0]
        for pricing in ("spot", "on_demand")
    )

    assert "storage" in spot.cost_breakdown_usd
    assert "storage" not in fixed.cost_breakdown_usd


def test_interruptions_that_were_counted_go_over_the_usual_rate() -> None:
    (option,) = ranked([offer(provider="gamma", pricing="spot")], request(explain=True)).options

    assert option.hours.p50 == pytest.approx(10 * (1 + interruption_growth(0.4)))
    assert option.bill is not None
    assert option.bill[1].source == "0.4 losses an hour were counted with this provider's GPU; gamma, 2026"


def test_interruptions_lengthen_a_spot_run_as_computed_by_hand() -> None:
    # 0.1 losses an hour, 1 min a checkpoint, 15 min to restart: every 34.6 min; 2.89 % + 0.1 × (17.3 + 15) min = 8.27 %
    (option,) = ranked([offer(usd=2, pricing="spot")]).options

    assert interruption_growth() == pytest.approx(0.08273, abs=1e-5)
    assert option.hours.p50 == pytest.approx(10.8273, abs=1e-4)
    assert option.cost_breakdown_usd == pytest.approx(
        {"compute": 20.0, "interruptions": 1.65470, "setup": 1.0}, abs=1e-4
    )


def test_what_is_never_interrupted_loses_nothing() -> None:
    assert interruption_growth(per_hour=0) == 0


def test_a_rig_pays_for_electricity() -> None:
    (option,) = ranked([], request(rigs=(rig(),))).options

    assert option.kind == "local"
    assert option.energy_kwh == pytest.approx(0.29 * 2400)
    assert option.cost_breakdown_usd == pytest.approx({"electricity": 0.29 * 2400 * 0.17})
    assert option.co2_kg == pytest.approx(0.29 * 2400 * 0.4)


def test_a_bought_rig_also_loses_value_by_the_hour() -> None:
    (option,) = ranked([], request(rigs=(rig(purchase_usd=700, resale_usd=173.96),))).options

    assert option.cost_breakdown_usd["hardware"] == pytest.approx((700 - 173.96) * 2400 / (36 * 730.5))


def test_a_rig_that_gains_value_costs_its_electricity_only() -> None:
    (option,) = ranked([], request(rigs=(rig(purchase_usd=500, resale_usd=800),))).options

    assert option.cost_breakdown_usd["hardware"] == 0


def test_free_electricity_costs_nothing() -> None:
    (option,) = ranked([], request(rigs=(rig(usd_per_kwh=0),))).options

    assert option.cost_usd.p50 == 0


def test_explain_shows_a_bill_whose_lines_make_the_cost() -> None:
    asked = request(rigs=(rig(purchase_usd=700),), explain=True)

    for option in ranked([offer(pricing="spot")], asked).options:
        assert option.bill is not None
        assert sum(line.usd for line in option.bill) == pytest.approx(option.cost_usd.p50)
        assert all(line.source and line.usd == pytest.approx(line.quantity * line.usd_per_unit) for line in option.bill)


# The order -----------------------------------------------------------------------------------------------------------


def test_the_cheapest_comes_first_and_ties_go_by_days_then_title() -> None:
    offers = [
        offer("b", usd=2, provider="beta"),
        offer("a", usd=2, provider="acme"),
        offer("dear", usd=3),
        offer("cheap", usd=1),
    ]

    assert names(ranked(offers)) == ["cheap", "a", "b", "dear"]
    assert names(ranked(offers[::-1])) == ["cheap", "a", "b", "dear"]


def test_sorted_by_days_the_fastest_comes_first() -> None:
    ranking = ranked(
        [offer("small"), offer("fast", gpus=8, usd=24), offer("middle", gpus=2, usd=9)], request(sort="days")
    )

    assert names(ranking) == ["fast", "middle", "small"]


def test_the_score_adds_the_worth_of_waiting_but_the_cost_does_not() -> None:
    offers = [offer("small", usd=2), offer("fast", gpus=8, usd=24)]

    patient, hurried = ranked(offers), ranked(offers, request(sort="score", usd_per_day=100))

    assert names(patient) == ["small", "fast"]
    assert names(hurried) == ["fast", "small"]
    assert hurried.options[1].score_usd == pytest.approx(21 + 100 * 10 / 24)
    assert hurried.options[1].cost_usd == patient.options[0].cost_usd
    assert hurried.answer.lowest_score == hurried.options[0]
    assert patient.answer.lowest_score is None


def test_a_dearer_option_that_is_no_faster_is_off_the_frontier() -> None:
    ranking = ranked([offer("small", usd=2), offer("dear", usd=3), offer("fast", gpus=8, usd=24)])

    assert [option.id for option in ranking.options if option.on_frontier] == ["small", "fast"]


def test_one_page_after_the_other_yields_every_option_once() -> None:
    offers = [offer(f"offer {number}", usd=1 + number % 5) for number in range(23)]

    pages = [ranked(offers, request(limit=5, offset=start)) for start in range(0, 25, 5)]

    assert [page.next_cursor is None for page in pages] == [False, False, False, False, True]
    assert [option.rank for page in pages for option in page.options] == list(range(1, 24))
    assert len({option.id for page in pages for option in page.options}) == 23


# How likely, and where it tips ---------------------------------------------------------------------------------------


def test_two_machines_with_the_same_gpu_share_its_luck() -> None:
    ranking = ranked([offer("one", usd=2), offer("dearer", usd=2.01)])

    assert [option.probability_cheapest for option in ranking.options] == [1.0, 0.0]


def test_different_gpus_at_about_the_same_cost_may_each_be_cheapest() -> None:
    ranking = ranked([offer("hopper", usd=2.0), offer("blackwell", card="B200", usd=3.9)])

    first, second = (option.probability_cheapest or 0 for option in ranking.options)
    assert 0.3 < first < 0.7
    assert first + second == pytest.approx(1.0)


def test_the_answer_names_the_machines_that_may_be_cheapest_whoever_rents_them_out() -> None:
    offers = [
        offer("hopper", usd=2.0),
        offer("hopper too", usd=2.0, provider="beta"),
        offer("blackwell", card="B200", usd=3.9),
        offer("far off", usd=90, gpus=8),
    ]

    contenders = ranked(offers).answer.contenders

    assert {contender.option.id for contender in contenders} == {"hopper", "blackwell"}
    assert sum(contender.probability_cheapest for contender in contenders) == pytest.approx(1.0)


def test_offers_that_tie_share_the_chance() -> None:
    ranking = ranked([offer("here", region="here"), offer("there", region="there")])

    assert [option.probability_cheapest for option in ranking.options] == [0.5, 0.5]


def test_what_is_out_of_stock_has_no_chance_of_being_cheapest() -> None:
    ranking = ranked([offer("gone", usd=1, available=False), offer("there", usd=2)])

    assert [option.probability_cheapest for option in ranking.options] == [0.0, 1.0]


def test_at_the_break_even_price_of_electricity_both_cost_the_same() -> None:
    offers = [offer(usd=12, gpus=8)]
    crossing = ranked(offers, request(rigs=(rig(),))).break_even
    assert crossing is not None
    assert crossing.electricity_usd_per_kwh is not None

    local, cloud = ranked(offers, request(rigs=(rig(usd_per_kwh=crossing.electricity_usd_per_kwh),))).options

    assert local.cost_usd.p50 == pytest.approx(cloud.cost_usd.p50)


@pytest.mark.parametrize("provider", ["acme", "gamma"])
def test_at_the_break_even_rent_both_cost_the_same(provider: str) -> None:
    asked = request(rigs=(rig(),), storage_gb=120, egress_gb=100)
    crossing = ranked([offer(usd=12, gpus=8, provider=provider)], asked).break_even
    assert crossing is not None
    assert crossing.cloud_usd_per_gpu_hour is not None

    there = offer(usd=crossing.cloud_usd_per_gpu_hour * 8, gpus=8, provider=provider)
    local, cloud = ranked([there], asked).options

    assert local.cost_usd.p50 == pytest.approx(cloud.cost_usd.p50)


def test_at_the_break_even_value_of_a_day_both_score_the_same() -> None:
    offers = [offer(usd=120, gpus=8)]
    crossing = ranked(offers, request(rigs=(rig(),))).break_even
    assert crossing is not None
    assert crossing.usd_per_day is not None

    first, second = ranked(offers, request(rigs=(rig(),), usd_per_day=crossing.usd_per_day)).options

    assert first.score_usd == pytest.approx(second.score_usd)


def test_a_purchase_is_repaid_by_what_each_run_saves() -> None:
    crossing = ranked([offer(usd=120, gpus=8)], request(rigs=(rig(purchase_usd=700, resale_usd=100),))).break_even

    saved = 120 * (10 / 8 + 0.5) - 0.29 * 2400 * 0.17
    assert crossing is not None
    assert crossing.runs_to_repay_purchase == pytest.approx(600 / saved)


def test_where_traffic_alone_costs_more_than_owning_no_rent_is_low_enough() -> None:
    ranking = ranked([offer(usd=12, gpus=8, provider="gamma")], request(rigs=(rig(),), egress_gb=50_000))

    assert ranking.break_even is not None
    assert ranking.break_even.cloud_usd_per_gpu_hour is None


def test_a_break_even_that_never_comes_is_none() -> None:
    ranking = ranked([offer(usd=1)], request(rigs=(rig(purchase_usd=20_000),)))

    assert ranking.break_even is not None
    assert ranking.break_even.electricity_usd_per_kwh is None  # dearer even with free electricity
    assert ranking.break_even.usd_per_day is None  # the cloud is cheaper and faster
    assert ranking.break_even.runs_to_repay_purchase is None


def test_without_a_rig_or_without_a_cloud_option_there_is_no_break_even() -> None:
    assert ranked([offer()]).break_even is None
    assert ranked([], request(rigs=(rig(),))).break_even is None


# What counts, what stands for what, and what is left out -------------------------------------------------------------


def test_a_filter_is_not_an_exclusion() -> None:
    offers = [
        offer("kept", region="eu-1", country="ES"),
        offer("elsewhere", region="us-1", country="US"),
        offer("anywhere"),
        offer("old", region="eu-1", country="ES", seen_hours_ago=30),
    ]
    asked = request(regions=frozenset({"eu-1"}), cloud_countries=frozenset({"ES"}), max_age_hours=24)

    ranking = ranked(offers, asked)

    assert names(ranking) == ["kept"]
    assert (ranking.considered, ranking.excluded) == (1, ())


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"gpus": frozenset({"B200"})}, {"b200"}),
        ({"providers": frozenset({"beta"})}, {"beta"}),
        ({"pricing": frozenset({"spot"})}, {"spot"}),
        ({"pricing": frozenset({"reserved"})}, {"reserved"}),
        ({"min_gpus": 2}, {"eight"}),
        ({"max_gpus": 1, "pricing": frozenset({"on_demand"})}, {"b200", "beta"}),
    ],
)
def test_each_filter_keeps_what_it_names(asked: dict[str, object], left: set[str]) -> None:
    offers = [
        offer("b200", card="B200"),
        offer("beta", provider="beta"),
        offer("spot", pricing="spot"),
        offer("reserved", pricing="reserved"),
        offer("eight", gpus=8),
    ]

    assert set(names(ranked(offers, request(**asked)))) == left


def test_filters_of_offers_leave_rigs_alone() -> None:
    asked = request(rigs=(rig(),), gpus=frozenset({"B200"}), min_gpus=8, providers=frozenset({"beta"}))

    assert [option.kind for option in ranked([offer()], asked).options] == ["local"]


def test_one_row_per_machine_is_the_cheapest_offer_of_a_provider() -> None:
    offers = [
        offer("dear", usd=3),
        offer("cheap", usd=1),
        offer("spot", usd=0.99, pricing="spot"),  # cheaper by the hour, dearer with interruptions
        offer("eight", usd=20, gpus=8),
        offer("beta", usd=2, provider="beta"),
    ]

    ranking = ranked(offers, request(per="machine"))

    assert [(option.id, option.offers_grouped) for option in ranking.options] == [
        ("cheap", 3),
        ("beta", 1),
        ("eight", 1),
    ]


def test_one_row_per_gpu_is_the_cheapest_of_all_providers() -> None:
    offers = [offer("acme", usd=3), offer("beta", usd=2, provider="beta"), offer("eight", usd=20, gpus=8)]

    ranking = ranked(offers, request(per="gpu"))

    assert [(option.id, option.offers_grouped) for option in ranking.options] == [("beta", 2), ("eight", 1)]


def test_what_is_out_of_stock_stands_for_no_offer_that_may_be_had() -> None:
    ranking = ranked([offer("gone", usd=1, available=False), offer("there", usd=2)], request(per="machine"))

    assert [(option.id, option.offers_grouped) for option in ranking.options] == [("there", 2)]


def test_an_offer_that_is_late_stands_for_none_that_is_in_time() -> None:
    offers = [offer("spot", usd=1, pricing="spot"), offer("sure", usd=2)]

    ranking = ranked(offers, request(per="machine", deadline_days=10.5 / 24))

    assert names(ranking) == ["sure"]
    assert ranking.considered == 1


def test_a_deadline_and_a_budget_exclude_with_their_reasons() -> None:
    offers = [offer("slow", usd=1), offer("dear", usd=90, gpus=8), offer("right", usd=16, gpus=8)]

    ranking = ranked(offers, request(deadline_days=2 / 24, budget_usd=100))

    assert names(ranking) == ["right"]
    late, dear = sorted(ranking.excluded, key=lambda exclusion: exclusion.reason, reverse=True)
    assert (late.reason, late.count, late.examples[0].id) == ("over_deadline", 1, "slow")
    assert (dear.reason, dear.count, dear.examples[0].id) == ("over_budget", 1, "dear")
    assert "more than the budget" in dear.examples[0].detail
    assert dear.examples[0].cost_usd == pytest.approx(90 * (10 / 8 + 0.5))


def test_a_machine_that_is_too_small_is_excluded_with_what_it_lacks() -> None:
    ranking = ranked([offer(), offer("tiny", card="T4")], request(rigs=(rig("T4"),)))

    (exclusion,) = ranking.excluded
    assert (exclusion.reason, exclusion.count) == ("out_of_memory", 2)
    assert [example.kind for example in exclusion.examples] == ["local", "cloud"]
    assert exclusion.examples[0].detail == "lacks 3.1 GB"
    assert ranking.considered == ranking.ranked + exclusion.count


def test_a_pinned_plan_that_does_not_fit_is_an_exclusion() -> None:
    does_not_fit = Estimates.of([replace(hours(10), fits=False, lacks_gb=2.0)])

    ranking = Standings.of(request(), offers_of([offer()]), does_not_fit, Estimates.of([]), now=NOON).ranking(MARKET)

    assert [(exclusion.reason, exclusion.examples[0].detail) for exclusion in ranking.excluded] == [
        ("plan_out_of_memory", "lacks 2.0 GB")
    ]


# What the answer says ------------------------------------------------------------------------------------------------


def test_the_answer_names_the_cheapest_the_soonest_and_every_rig() -> None:
    offers = [offer("small", usd=2), offer("fast", gpus=8, usd=240)]

    ranking = ranked(offers, request(rigs=(rig(usd_per_kwh=1),), limit=1))

    assert len(ranking.options) == 1
    assert ranking.answer.cheapest is not None
    assert ranking.answer.soonest is not None
    assert (ranking.answer.cheapest.id, ranking.answer.soonest.id) == ("small", "fast")
    assert [option.rank for option in ranking.answer.rigs] == [3]


def test_what_is_out_of_stock_is_ranked_and_marked_but_never_the_answer() -> None:
    ranking = ranked([offer("gone", usd=1, available=False), offer("there", usd=2)])

    assert names(ranking) == ["gone", "there"]
    assert ranking.options[0].notes == ("out of stock when last seen",)
    assert ranking.answer.cheapest == ranking.answer.soonest == ranking.options[1]


def test_what_is_out_of_stock_is_the_answer_when_nothing_else_is_left() -> None:
    ranking = ranked([offer("gone", available=False)])

    assert ranking.answer.cheapest == ranking.options[0]
    assert ranking.options[0].probability_cheapest == 1.0


def test_an_empty_market_ranks_the_rigs_and_says_so() -> None:
    ranking = ranked([], request(rigs=(rig(),)))

    assert [option.title for option in ranking.options] == ["1x RTX 4070 at home (US)"]
    assert "only your own machines" in ranking.notes[0]


def test_nothing_at_all_is_a_ranking_too() -> None:
    ranking = ranked([])

    assert (ranking.considered, ranking.ranked, ranking.options, ranking.answer.cheapest) == (0, 0, (), None)


def test_two_rigs_alike_have_different_ids() -> None:
    ranking = ranked([], request(rigs=(rig(), rig(usd_per_kwh=0.3))))

    assert len(set(names(ranking))) == 2


# One option by its id ------------------------------------------------------------------------------------------------


def test_an_option_is_found_with_its_rank_and_bill() -> None:
    option = found("dear", [offer("cheap", usd=1), offer("dear", usd=2)], request())

    assert isinstance(option, Option)
    assert option.rank == 2
    assert option.bill is not None


def test_an_option_that_this_ranking_leaves_out_is_found_without_a_rank() -> None:
    asked = request(per="machine", pricing=frozenset({"spot"}), budget_usd=1)

    option = found("dear", [offer("cheap", usd=1), offer("dear", usd=2)], asked)

    assert isinstance(option, Option)
    assert (option.id, option.rank) == ("dear", 0)


def test_a_machine_that_cannot_run_is_found_with_what_it_lacks() -> None:
    example = found("tiny", [offer("tiny", card="T4")], request())

    assert isinstance(example, ExclusionExample)
    assert example.lacks_gb == 3.1


def test_a_rig_is_found_by_the_id_of_the_ranking() -> None:
    asked = request(rigs=(rig(), rig("B200")))
    shown = ranked([offer()], asked).answer.rigs

    assert [found(option.id, [offer()], asked) for option in shown] == list(
        ranked([offer()], replace(asked, explain=True)).answer.rigs
    )


def test_an_offer_that_is_gone_is_not_found() -> None:
    assert found("gone", [offer()], request(rigs=(rig(),))) is None


# Properties ----------------------------------------------------------------------------------------------------------

CARDS = ("H100 SXM", "B200", "T4", "RTX 4070")

some_offers = st.lists(
    st.builds(
        dict,
        usd=st.floats(0.05, 200),
        gpus=st.sampled_from([1, 2, 8]),
        card=st.sampled_from(CARDS),
        provider=st.sampled_from(["acme", "beta", "gamma"]),
        pricing=st.sampled_from(["on_demand", "spot", "reserved"]),
        available=st.sampled_from([True, False, None]),
        region=st.sampled_from([None, "eu-1", "us-1"]),
        seen_hours_ago=st.floats(0, 100),
    ),
    max_size=25,
).map(lambda drawn: [offer(f"offer {number}", **fields) for number, fields in enumerate(drawn)])  # type: ignore[var-annotated]

some_requests = st.builds(
    request,
    rigs=st.lists(st.sampled_from([rig(), rig("T4"), rig("B200", purchase_usd=40_000)]), max_size=2).map(tuple),
    per=st.sampled_from(["offer", "machine", "gpu"]),
    sort=st.sampled_from(["cost", "days", "score"]),
    pricing=st.sets(st.sampled_from(["on_demand", "spot", "reserved"]), min_size=1).map(frozenset),
    gpus=st.sets(st.sampled_from(CARDS)).map(frozenset),
    providers=st.sampled_from([frozenset[str](), frozenset({"acme"})]),
    regions=st.sampled_from([frozenset[str](), frozenset({"eu-1"})]),
    min_gpus=st.sampled_from([1, 2]),
    deadline_days=st.none() | st.floats(0.01, 120),
    budget_usd=st.none() | st.floats(0.1, 2000),
    usd_per_day=st.sampled_from([0.0, 3.0, 500.0]),
    storage_gb=st.sampled_from([0.0, 120.0]),
    egress_gb=st.sampled_from([0.0, 10.0, 400.0]),
    ingress_gb=st.sampled_from([0.0, 75.0]),
    max_age_hours=st.none() | st.floats(1, 100),
)


@given(some_offers, some_requests)
def test_what_is_considered_is_ranked_or_excluded_and_never_lost(
    offers: list[CloudOffer], asked: RankingRequest
) -> None:
    ranking = ranked(offers, asked)

    assert ranking.considered == ranking.ranked + sum(exclusion.count for exclusion in ranking.excluded)
    assert ranking.ranked == len(ranking.options)
    assert [option.rank for option in ranking.options] == list(range(1, ranking.ranked + 1))


@given(some_offers, some_requests)
def test_each_offer_that_passes_the_filters_is_in_exactly_one_row(
    offers: list[CloudOffer], asked: RankingRequest
) -> None:
    grouped = ranked(offers, replace(asked, deadline_days=None, budget_usd=None))
    alone = ranked(offers, replace(asked, deadline_days=None, budget_usd=None, per="offer"))

    assert sum(option.offers_grouped for option in grouped.options) == alone.ranked


@given(some_offers, some_requests)
def test_the_parts_of_a_cost_make_the_cost(offers: list[CloudOffer], asked: RankingRequest) -> None:
    for option in ranked(offers, asked).options:
        assert sum(option.cost_breakdown_usd.values()) == pytest.approx(option.cost_usd.p50)
        assert option.score_usd == pytest.approx(option.cost_usd.p50 + asked.usd_per_day * option.days.p50)


@given(some_offers, some_requests)
def test_what_is_ranked_keeps_the_deadline_and_the_budget(offers: list[CloudOffer], asked: RankingRequest) -> None:
    for option in ranked(offers, asked).options:
        assert asked.deadline_days is None or option.days.p50 <= asked.deadline_days
        assert asked.budget_usd is None or option.cost_usd.p50 <= asked.budget_usd


@given(some_offers, some_requests)
def test_the_chances_of_being_cheapest_sum_to_one(offers: list[CloudOffer], asked: RankingRequest) -> None:
    ranking = ranked(offers, asked)

    total = sum(option.probability_cheapest or 0 for option in ranking.options)
    assert total == pytest.approx(1.0 if ranking.ranked else 0.0)


@given(some_offers, some_requests)
def test_the_frontier_is_what_no_other_beats_on_both_cost_and_days(
    offers: list[CloudOffer], asked: RankingRequest
) -> None:
    options = ranked(offers, asked).options

    frontier = [option for option in options if option.on_frontier]
    places = sorted((option.cost_usd.p50, option.days.p50) for option in frontier)
    assert all(cheap[0] <= dear[0] and cheap[1] > dear[1] for cheap, dear in pairwise(places))
    for option in options:
        cost, days = option.cost_usd.p50, option.days.p50
        beaten = any(other[0] <= cost and other[1] <= days for other in places if other != (cost, days))
        assert option.on_frontier or beaten or (cost, days) in places


@given(some_offers, some_requests)
def test_the_order_is_by_what_was_asked(offers: list[CloudOffer], asked: RankingRequest) -> None:
    options = ranked(offers, asked).options

    keys = {"cost": lambda o: o.cost_usd.p50, "days": lambda o: o.days.p50, "score": lambda o: o.score_usd}
    values = [keys[asked.sort](option) for option in options]
    assert values == sorted(values)


@given(some_offers, st.integers(0, 24), st.floats(0.1, 0.99))
def test_a_cheaper_price_never_lowers_an_options_place(offers: list[CloudOffer], which: int, share: float) -> None:
    if not offers:
        return
    which %= len(offers)
    cheaper = [*offers]
    cheaper[which] = replace(offers[which], usd_per_hour=offers[which].usd_per_hour * share)
    asked = request(rigs=(rig(),), pricing=frozenset({"on_demand", "spot", "reserved"}))

    before = {option.id: option.rank for option in ranked(offers, asked).options}
    after = {option.id: option.rank for option in ranked(cheaper, asked).options}

    assert after.get(offers[which].id, 0) <= before.get(offers[which].id, 0)


@given(some_offers, some_requests)
def test_the_answer_is_out_of_stock_only_if_all_is(offers: list[CloudOffer], asked: RankingRequest) -> None:
    ranking = ranked(offers, asked)

    may_be_had = [option for option in ranking.options if option.offer is None or option.offer.available is not False]
    for answer in (ranking.answer.cheapest, ranking.answer.soonest):
        assert (answer is None) == (ranking.ranked == 0)
        assert not may_be_had or answer in may_be_had
    if may_be_had and ranking.answer.cheapest:
        assert ranking.answer.cheapest.cost_usd.p50 == min(option.cost_usd.p50 for option in may_be_had)


# A picture of it -----------------------------------------------------------------------------------------------------


def test_a_sketch_holds_the_frontier_and_what_one_owns_and_some_of_all_others() -> None:
    offers = [offer(f"{number:03}", usd=2 + number / 100, gpus=1 + number % 3) for number in range(300)]
    asked = request(rigs=(rig("RTX 4070"),), limit=5)

    stood = standings(offers, asked)
    ranking, drawn = stood.ranking(MARKET), stood.sketch(50)
    everything = ranked(offers, request(rigs=(rig("RTX 4070"),))).options

    important = {option.id for option in everything if option.on_frontier or option.kind == "local"}
    assert important <= {option.id for option in drawn}
    assert 40 <= len(drawn) <= 50
    assert [option.rank for option in drawn] == sorted(option.rank for option in drawn)
    assert ranking == ranked(offers, asked)
