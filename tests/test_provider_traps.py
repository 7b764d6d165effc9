"""What in a price list invites misreading: another unit, a number that is not said, two cards of one name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from builders import NOON
from test_providers import RECORDED, answers_of

from providers import discover
from providers.base import Answer, Offer, PayloadChanged
from providers.bundled import Bundled, published
from providers.gpurentalprices import ATTRIBUTION
from providers.recording import ENCODER
from providers.sesterce import Sesterce
from providers.words import country_in, form_in, memory_in
from service import catalogue
from service.checks import CollectedRun
from service.collect.run import Fetched, Memory, judge

Change = Callable[[Any], object]


def offers_of(slug: str, call: str | None = None, change: Change | None = None) -> list[Offer]:
    return list(discover()[slug](now=NOON).parse(changed(slug, call, change)))


def judged(slug: str, call: str, change: Change) -> CollectedRun:
    return judge(discover()[slug], Fetched(answers=changed(slug, call, change)), Memory(), catalogue.load(), NOON)


def changed(slug: str, call: str | None, change: Change | None) -> list[Answer]:
    """The recorded answers, with a change to those of one call."""
    answers = answers_of(discover()[slug])
    if change is None:
        return answers
    bodies = [json.loads(ENCODER.encode(answer.body), parse_float=Decimal) for answer in answers]
    for answer, body in zip(answers, bodies, strict=True):
        if answer.call == call:
            change(body)
    return [replace(answer, body=body) for answer, body in zip(answers, bodies, strict=True)]


# Another unit --------------------------------------------------------------------------------------------------------


def test_a_part_of_a_reservation_that_is_neither_paid_by_the_hour_nor_at_once_is_a_changed_payload() -> None:
    def monthly(body: Any) -> None:
        for term in first(body["terms"]["Reserved"]).values():
            first(term["priceDimensions"])["unit"] = "Months"

    with pytest.raises(PayloadChanged, match="Months"):
        offers_of("awsreserved", "bulk", monthly)


def test_a_price_by_anything_but_the_hour_is_a_changed_payload() -> None:
    def daily(body: Any) -> None:
        body["data"]["Response"]["InstanceTypeQuotaSet"][0]["Price"]["ChargeUnit"] = "DAY"

    with pytest.raises(PayloadChanged, match="DAY"):
        offers_of("tencent", "configs", daily)


@pytest.mark.parametrize("other", [{"commitment": 12}, {"mode": "upfront12"}])
def test_the_total_of_a_commitment_does_not_pass_for_the_price_of_an_hour(other: dict[str, object]) -> None:
    def commit(body: Any) -> None:
        for addon in body["addons"]:
            addon["pricings"].append({**addon["pricings"][0], "price": 700_000_000_000, **other})

    assert offers_of("ovh", "FR", commit) == offers_of("ovh")


def test_a_reservation_that_lacks_a_part_of_its_price_is_a_changed_payload() -> None:
    def lose_what_is_paid_at_once(body: Any) -> None:
        for terms in body["terms"]["Reserved"].values():
            for term in terms.values():
                parts = term["priceDimensions"]
                term["priceDimensions"] = {name: part for name, part in parts.items() if part["unit"] == "Hrs"}

    with pytest.raises(PayloadChanged, match="without"):
        offers_of("awsreserved", "bulk", lose_what_is_paid_at_once)


@pytest.mark.parametrize("field", ["securePrice", "communityPrice"])
def test_a_price_on_spot_beside_none_on_demand_may_be_the_one_on_demand(field: str) -> None:
    def switch_off(body: Any) -> None:
        for gpu in body["data"]["gpuTypes"]:
            gpu[field] = 0

    assert set(offers_of("runpod", "gpu_types", switch_off)) <= set(offers_of("runpod"))


def test_a_spot_machine_is_told_by_its_name_where_nothing_else_tells_it() -> None:
    def keep_silent(body: Any) -> None:
        for group in body["data"]:
            for listing in group["offers"]:
                listing |= {"instanceType": None, "spot_price": None}

    spot = {offer.instance_type for offer in offers_of("spheron", "offers", keep_silent) if offer.pricing == "spot"}

    assert spot == {"n3-A100x1-spot__CANADA-1", "uk-b300-spot"}


# A number that is not said -------------------------------------------------------------------------------------------


def test_a_machine_whose_number_of_gpus_is_not_said_is_set_aside() -> None:
    def shorten(body: Any) -> None:
        body["gpu_inventory"]["gpu_8x_h100_SXM5"]["instance_type"]["description"] = "H100 SXM5 (80GB)"

    run = judged("massedcompute", "inventory", shorten)

    assert {seen.gpu_count for seen in run.observations if seen.instance_type == "gpu_8x_h100_SXM5"} == set()
    assert {rejection.reason for rejection in run.rejections} == {"bad_count"}


def test_a_machine_with_several_kinds_of_gpus_goes_under_its_own_name() -> None:
    def mix(body: Any) -> None:
        body[0] |= {"gpus": [{"name": "H100", "count": 8}, {"name": "A100", "count": 8}], "gpu_type": None}

    names = {offer.gpu for offer in offers_of("mithril", "instance_types", mix)}

    assert "h100-80gb.sxm.8x" in names


def test_a_stock_that_is_not_said_is_not_sold_out() -> None:
    def keep_silent(body: Any) -> None:
        for machine in body["data"]["hardware"]:
            machine["sold_out"] = None

    unsaid = [offer for offer in offers_of("ionet", "vmaas", keep_silent) if offer.available is None]

    assert unsaid


# Cards of one name ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "machine", "gpu"),
    [
        ("latitude", "g3.h100.small", "H100 PCIe"),
        ("massedcompute", "gpu_1x_h100", "H100 PCIe"),
        ("ovh", "a100-360", "A100 PCIe 80GB"),
        ("ovh", "h100-380", "H100 PCIe"),
        ("ovh", "h200-1920", "H200 SXM"),
        ("ovh", "t1-45", "V100 PCIe 16GB"),
        ("scaleway", "H100-1-80G", "H100 PCIe"),
        ("scaleway", "H100-SXM-2-80G", "H100 SXM"),
        ("thundercompute", "h100_x1_prototyping", "H100 PCIe"),
        ("vultr", "vbm-112c-2048gb-8-a100-gpu", "A100 SXM 80GB"),
        ("vultr", "vcg-a100-12c-120g-80vram", "A100 PCIe 80GB"),
    ],
)
def test_a_card_without_its_form_is_the_one_that_the_seller_means(slug: str, machine: str, gpu: str) -> None:
    offers = [offer for offer in offers_of(slug) if offer.instance_type == machine]

    assert {catalogue.load().resolve(offer.gpu, offer.gpu_memory_gb).name for offer in offers} == {gpu}


@pytest.mark.parametrize(
    ("provider", "card", "gpu"),
    [
        ("hyperstack", "h100", "H100 PCIe"),
        ("hyperstack", "h100-sxm", "H100 SXM"),
        ("hyperstack", "a100", "A100 PCIe 80GB"),
        ("vultr", "h100", "H100 SXM"),
        ("nebius", "h100", "H100 SXM"),
    ],
)
def test_a_catalogue_means_the_same_card_as_the_seller(provider: str, card: str, gpu: str) -> None:
    def read_from(body: Any) -> None:
        body["offers"] = [{**body["offers"][0], "provider": provider, "gpu": card, "vram_gb": 80}]

    offers = offers_of("gpurentalprices", "latest", read_from)

    assert [catalogue.load().resolve(offer.gpu, offer.gpu_memory_gb).name for offer in offers] == [gpu]


def test_the_list_that_ships_and_the_live_lists_mean_the_same_machine_by_a_name() -> None:
    known = catalogue.load()
    shipped = {(offer.provider, offer.instance_type): offer for offer in Bundled().parse(published())}
    live = [(slug, offer) for slug in RECORDED for offer in offers_of(slug)]

    both = [
        (of_list, offer)
        for slug, offer in live
        if (of_list := shipped.get((offer.provider or slug, offer.instance_type)))
    ]

    assert len(both) > 50
    for of_list, offer in both:
        gpu = known.resolve(offer.gpu, offer.gpu_memory_gb).name
        assert (offer.instance_type, of_list.gpu) == (offer.instance_type, gpu)
        assert offer.count_is_derived or of_list.gpu_count == offer.gpu_count


def test_every_price_that_ships_has_a_date_and_a_source_and_no_more_digits_than_were_published() -> None:
    for offer in Bundled().parse(published()):
        assert offer.observed_at is not None
        assert offer.source_url is not None
        assert offer.source_url.startswith("https://")
        assert len(offer.price_per_hour.as_tuple().digits) <= 12


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "memory_gb", "form"),
    [
        ("A100 (80 GB SXM4)", 80, "SXM4"),
        ("A100_80GB", 80, None),
        ("A100-80G-PCIe-NVLink", 80, "PCIe"),
        ("h100-80gb.sxm.8x", None, "sxm"),
        ("RTX 4090 24GB", 24, None),
        ("A100 MIG 1g.10gb", None, None),
        ("GB200 NVL72", None, None),
    ],
)
def test_memory_and_form_are_read_in_a_name(name: str, memory_gb: float | None, form: str | None) -> None:
    assert (memory_in(name), form_in(name)) == (memory_gb, form)


@pytest.mark.parametrize(
    ("place", "country"),
    [
        ("us-east-1", "US"),
        ("ca-east-1", "CA"),
        ("US-CA-06 (California)", "US"),
        ("newyork-usa-1", "US"),
        ("eu-iceland1-a", "IS"),
        ("uk-southeast-3", "GB"),
        ("eu-north-5", None),
        ("united_states", "US"),
    ],
)
def test_a_country_is_read_in_the_name_of_a_place(place: str, country: str | None) -> None:
    assert country_in(place) == country


# Headers -------------------------------------------------------------------------------------------------------------


async def test_a_server_that_answers_browsers_only_is_asked_as_one() -> None:
    agents: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        agents.append(request.headers["User-Agent"])
        return httpx.Response(200, json=[])

    client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    await Sesterce({"SESTERCE_API_KEY": "of-the-test"}).fetch(client)
    await Sesterce().fetch(client)

    assert [agent.startswith("Mozilla/5.0 ") for agent in agents] == [True, True]


def first(parts: dict[str, Any]) -> Any:
    return next(iter(parts.values()))


def test_a_bundled_price_that_somebody_else_read_names_them_as_their_licence_asks() -> None:
    offers = list(Bundled().parse(published()))

    named = {offer.attribution for offer in offers if offer.attribution}
    assert named == {ATTRIBUTION}
    assert "https://gpurentalprices.com" in ATTRIBUTION
    assert "https://creativecommons.org/licenses/by/4.0/" in ATTRIBUTION
    runpod = [offer for offer in offers if offer.provider == "runpod" and f"{offer.observed_at:%F}" == "2026-08-22"]
    assert runpod
    assert all(offer.attribution for offer in runpod)
