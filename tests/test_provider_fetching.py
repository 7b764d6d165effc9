"""What single sources need beside the contract: pages without a number, a missing key, a list that is gone."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.alibaba import Alibaba
from providers.base import Answer, CredentialsRefused, Offer, PayloadChanged, ProviderUnavailable
from providers.crusoe import Crusoe
from providers.cudo import Cudo
from providers.gcp import Gcp
from providers.gpuai import GpuAi
from providers.gpurentalprices import GpuRentalPrices
from providers.hotaisle import HotAisle
from providers.hyperstack import Hyperstack
from providers.jarvislabs import JarvisLabs
from providers.latitude import Latitude
from providers.linode import Linode
from providers.massedcompute import MassedCompute
from providers.nebius import Nebius
from providers.oracle import Oracle
from providers.pages import dollars, read_page, text_of
from providers.recording import ENCODER, Recorded, from_text
from providers.runpod import RunPod
from providers.sesterce import Sesterce
from providers.skypilot import SkyPilot
from providers.spheron import Spheron
from providers.tencent import Tencent
from providers.vast import Vast
from providers.verda import Verda
from providers.voltagepark import VoltagePark
from providers.vultr import Vultr

PAYLOADS = Path(__file__).with_name("payloads")
Respond = Callable[[httpx.Request], httpx.Response]


def asked(respond: Respond) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


def ask(number: int, machine: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "machine_id": machine, "gpu_name": "RTX 4090", "num_gpus": 1, "gpu_ram": 24564, "dph_total": 0.4,
        "is_bid": False, "rentable": True, "rented": False, "verification": "verified", "geolocation": "Taiwan, TW",
    } | changes  # fmt: skip


def offered(*asks: dict[str, Any]) -> list[Offer]:
    return list(Vast().parse([Answer("bundles", {"offers": list(asks)})]))


# Vast.ai -------------------------------------------------------------------------------------------------------------


async def test_a_marketplace_without_pages_is_read_to_its_end() -> None:
    market = [ask(number, machine=number // 3) for number in range(200)]

    def respond(request: httpx.Request) -> httpx.Response:
        first = json.loads(request.content)["machine_id"]["gte"]
        return httpx.Response(200, json={"offers": [one for one in market if one["machine_id"] >= first][:64]})

    answers = await Vast().fetch(asked(respond))

    assert {one["id"] for answer in answers for one in answer.body["offers"]} == set(range(200))


async def test_a_marketplace_that_is_cut_off_in_no_order_is_a_changed_payload() -> None:
    market = [ask(number, machine=100 - number) for number in range(64)]

    with pytest.raises(PayloadChanged, match="machine_id"):
        await Vast().fetch(asked(lambda _: httpx.Response(200, json={"offers": market})))


def test_of_several_asks_for_one_machine_the_cheapest_that_can_be_rented_counts() -> None:
    offers = offered(
        ask(1, machine=7, dph_total=0.5),
        ask(2, machine=7, dph_total=0.4),
        ask(3, machine=7, dph_total=0.1, rented=True),
    )

    assert [(offer.instance_type, float(offer.price_per_hour), offer.available) for offer in offers] == [
        ("7", 0.4, True)
    ]


def test_parts_of_a_machine_are_offers_of_their_own() -> None:
    offers = offered(ask(1, machine=7, num_gpus=1), ask(2, machine=7, num_gpus=4, dph_total=1.5))

    assert sorted((offer.instance_type, offer.gpu_count) for offer in offers) == [("7", 1), ("7", 4)]


def test_what_is_bid_at_least_is_no_price() -> None:
    assert offered(ask(1, machine=7, is_bid=True, dph_total=0.1)) == []


# Verda ---------------------------------------------------------------------------------------------------------------


def verda(request: httpx.Request) -> httpx.Response:
    """Prices are open, stock needs a token, and a token needs the id and the secret."""
    has_token = request.headers.get("Authorization") == "Bearer of-today"
    match request.url.path:
        case "/v1/oauth2/token":
            return httpx.Response(200, json={"access_token": "of-today"})
        case "/v1/instance-types":
            return httpx.Response(200, json=[])
        case _:
            return httpx.Response(200, json=[]) if has_token else httpx.Response(401)


async def test_an_open_price_list_is_read_without_a_key() -> None:
    answers = await Verda().fetch(asked(verda))

    assert [answer.call for answer in answers] == ["instance_types"]


async def test_a_key_opens_what_is_in_stock() -> None:
    secrets = {"VERDA_CLIENT_ID": "id", "VERDA_CLIENT_SECRET": "secret"}

    answers = await Verda(secrets).fetch(asked(verda))

    assert [answer.call for answer in answers] == ["instance_types", "locations", "availabilities", "availabilities"]


async def test_a_refused_price_list_names_the_variables_that_open_it() -> None:
    with pytest.raises(CredentialsRefused, match="VERDA_CLIENT_ID and VERDA_CLIENT_SECRET"):
        await Verda().fetch(asked(lambda _: httpx.Response(401)))


# Linode --------------------------------------------------------------------------------------------------------------


def test_a_price_of_a_region_replaces_the_base_price_where_regions_are_not_told() -> None:
    machine = {
        "id": "g2-gpu-rtx4000a1-s", "label": "RTX4000 Ada x1 Small", "gpus": 1, "vcpus": 4, "memory": 16384,
        "disk": 524288, "network_out": 10000, "price": {"hourly": 0.5},
        "region_prices": [{"id": "id-cgk", "hourly": 0.6}],
    }  # fmt: skip

    offers = list(Linode().parse([Answer("types", {"data": [machine], "pages": 1})]))

    assert [(offer.region, float(offer.price_per_hour)) for offer in offers] == [(None, 0.5), ("id-cgk", 0.6)]


# Price pages ---------------------------------------------------------------------------------------------------------


async def test_a_price_page_is_read_where_no_key_opens_the_inventory() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.url.path == "/pricing" else 401, text="<html>")

    answers = await MassedCompute().fetch(asked(respond))

    assert [answer.call for answer in answers] == ["page"]


def test_a_second_table_of_gpus_on_a_page_is_a_changed_payload() -> None:
    table = '"table":{"content":[["Item","On-demand, GPU-hour"],["NVIDIA HGX H100","$3.85"]]}'

    with pytest.raises(PayloadChanged, match="2 tables"):
        list(Nebius().parse([Answer("page", f"<script>[{{{table}}},{{{table}}}]</script>")]))


# RunPod --------------------------------------------------------------------------------------------------------------


def gpu_type(**changes: Any) -> dict[str, Any]:
    return {
        "id": "NVIDIA L4", "memoryInGb": 24, "securePrice": 0.4, "communityPrice": 0, "secureSpotPrice": 0.2,
        "communitySpotPrice": None,
    } | changes  # fmt: skip


def rented_out(**changes: Any) -> list[Offer]:
    return list(RunPod().parse([Answer("gpu_types", {"data": {"gpuTypes": [gpu_type(**changes)]}})]))


def test_a_price_per_gpu_becomes_machines_up_to_the_largest() -> None:
    offers = rented_out(maxGpuCountSecureCloud=6, secureSpotPrice=0.4)

    assert [(offer.gpu_count, float(offer.price_per_hour)) for offer in offers] == [(1, 0.4), (2, 0.8), (4, 1.6)]
    assert all(offer.count_is_derived for offer in offers)


def test_a_tier_is_in_stock_out_of_it_or_does_not_say() -> None:
    sold_out = rented_out(secureStock={"stockStatus": None})
    in_stock = rented_out(secureStock={"stockStatus": "Low"})

    assert {offer.available for offer in sold_out} == {False}
    assert {offer.available for offer in in_stock} == {True}
    assert {offer.available for offer in rented_out()} == {None}


def test_a_tier_that_is_switched_off_is_not_offered() -> None:
    assert rented_out(secureCloud=False) == []


# Catalogues ----------------------------------------------------------------------------------------------------------

HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice\n"


def in_catalogue(folder: str, *rows: str) -> list[Offer]:
    return list(SkyPilot().parse([Answer(folder, HEADER + "\n".join(rows))]))


async def test_a_catalogue_goes_on_without_a_list_that_is_gone() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=HEADER) if "/nebius/" in request.url.path else httpx.Response(404)

    answers = await SkyPilot().fetch(asked(respond))

    assert [answer.call for answer in answers] == ["nebius"]


def test_a_fraction_of_a_gpu_and_a_machine_without_one_are_left_out() -> None:
    offers = in_catalogue(
        "azure",
        "Standard_NV6ads_A10_v5,A10,0.167,6,55,0.454,eastus,,",
        "Standard_D2s_v6,,,2,8,0.1,eastus,,",
        "Standard_NV36ads_A10_v5,A10,1.0,36,440,3.2,eastus,,",
    )

    assert [offer.instance_type for offer in offers] == ["Standard_NV36ads_A10_v5"]


def test_zones_of_a_region_are_one_offer_at_the_cheapest() -> None:
    offers = in_catalogue(
        "aws", "p5.48xlarge,H100,8,192,2048,55,us-east-1,,20", "p5.48xlarge,H100,8,192,2048,55,us-east-1,,18"
    )

    assert [(offer.pricing, float(offer.price_per_hour)) for offer in offers] == [("on_demand", 55), ("spot", 18)]


def test_the_floor_of_an_auction_is_left_out() -> None:
    assert in_catalogue("mithril", "h100-80gb.sxm.8x,H100,8,168,1814,8.0,us-central2-a,,8.0") == []


def test_a_price_of_the_card_alone_is_left_out() -> None:
    price = {
        "provider": "gcp",
        "gpu": "l4",
        "vram_gb": 24,
        "usd_hr": 0.56,
        "kind": "on-demand",
        "source_url": "https://x.example",
    }
    offers = [price, {**price, "provider": "lambda"}, {**price, "provider": "modal", "kind": "serverless"}]
    body = {"offers": [{**one, "fetched_at": "2026-08-22T06:21:49Z"} for one in offers]}

    found = list(GpuRentalPrices().parse([Answer("latest", body)]))

    assert [offer.provider for offer in found] == ["lambda"]


# Google Cloud --------------------------------------------------------------------------------------------------------


def sku(description: str, price: float, *, unit: str = "h", group: str = "GPU", usage: str = "OnDemand") -> Any:
    money = {"currencyCode": "USD", "units": str(int(price)), "nanos": round(price % 1 * 1e9)}
    expression = {"usageUnit": unit, "tieredRates": [{"startUsageAmount": 0, "unitPrice": money}]}
    return {
        "description": description,
        "category": {"resourceGroup": group, "usageType": usage},
        "serviceRegions": ["us-central1"],
        "pricingInfo": [{"pricingExpression": expression}],
    }


def summed(*skus: Any) -> list[Offer]:
    return list(Gcp().parse([Answer("skus", {"skus": list(skus)})]))


A100 = [
    sku("Nvidia Tesla A100 80GB GPU running in Americas", 4),
    sku("A2 Instance Core running in Americas", 0.03, group="CPU"),
    sku("A2 Instance Ram running in Americas", 0.004, group="RAM", unit="GiBy.h"),
    sku("SSD backed Local Storage", 0.073, group="LocalSSD", unit="GiBy.mo"),
]
COMMITTED = [
    sku("Commitment v1: Nvidia Tesla A100 80GB GPU running in Americas for 1 Year", 3, usage="Commit1Yr"),
    sku("Commitment v1: A2 Cpu in Americas for 1 Year", 0.02, group="CPU", usage="Commit1Yr"),
    sku("Commitment v1: A2 Ram in Americas for 1 Year", 0.003, group="RAM", unit="GiBy.h", usage="Commit1Yr"),
]


def test_a_machine_is_the_sum_of_its_parts_with_the_disk_that_comes_with_it() -> None:
    offers = summed(*A100)

    assert offers[0].instance_type == "a2-ultragpu-1g"
    assert float(offers[0].price_per_hour) == pytest.approx(4 + 12 * 0.03 + 170 * 0.004 + 375 * 0.073 / 730)


@pytest.mark.parametrize("missing", range(len(A100)))
def test_a_machine_that_lacks_the_price_of_a_part_is_not_offered(missing: int) -> None:
    assert summed(*A100[:missing], *A100[missing + 1 :]) == []


def test_a_disk_that_cannot_be_committed_to_costs_what_it_costs_on_demand() -> None:
    offers = [offer for offer in summed(*A100, *COMMITTED) if offer.term_months == 12]

    assert offers[0].instance_type == "a2-ultragpu-1g"
    assert float(offers[0].price_per_hour) == pytest.approx(3 + 12 * 0.02 + 170 * 0.003 + 375 * 0.073 / 730)


def test_a_gpu_that_no_machine_is_known_to_have_goes_under_its_own_name() -> None:
    offers = summed(
        sku("Nvidia X100 GPU running in Americas", 2),
        sku("Nvidia X100 Virtual Workstation GPU running in Americas", 2.2),
        sku("Nvidia X100 GPU attached to DWS Defined Duration VMs running in Americas", 1),
        sku("Reserved Nvidia X100 GPU in Americas", 0),
    )

    assert [(offer.gpu, offer.gpu_count) for offer in offers] == [("Nvidia X100 GPU running in Americas", 1)]


async def test_pages_are_followed_with_a_key_of_either_name_that_stands_in_no_address() -> None:
    asked_for: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        token = request.url.params.get("pageToken")
        return httpx.Response(200, json={"skus": [sku("x", 1)], "nextPageToken": "" if token else "second"})

    answers = await Gcp({"GCP_BILLING_API_KEY": "of-the-test"}).fetch(asked(respond))

    assert [answer.parameters for answer in answers] == [{}, {"pageToken": "second"}]
    assert {request.headers["X-Goog-Api-Key"] for request in asked_for} == {"of-the-test"}
    assert not any("of-the-test" in str(request.url) for request in asked_for)


async def test_a_key_that_is_none_is_told_from_a_question_that_is_none() -> None:
    wrong_key = {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}

    with pytest.raises(CredentialsRefused):
        await Gcp({"GOOGLE_API_KEY": "x"}).fetch(asked(lambda _: httpx.Response(400, json=wrong_key)))
    with pytest.raises(ProviderUnavailable):
        await Gcp({"GOOGLE_API_KEY": "x"}).fetch(asked(lambda _: httpx.Response(400, json={"error": {}})))


# Single lists --------------------------------------------------------------------------------------------------------


async def test_a_page_that_leads_back_to_itself_is_a_changed_payload() -> None:
    page = {"data": [], "next_cursor": "again"}

    with pytest.raises(PayloadChanged, match="next_cursor"):
        await GpuAi().fetch(asked(lambda _: httpx.Response(200, json=page)))


async def test_a_list_with_nothing_free_may_be_null() -> None:
    secrets = {"HOTAISLE_API_KEY": "key", "HOTAISLE_TEAM_HANDLE": "team"}

    answers = await HotAisle(secrets).fetch(asked(lambda _: httpx.Response(200, content=b"null")))

    assert list(HotAisle().parse(answers)) == []


def test_a_gpu_without_machines_is_given_as_one() -> None:
    prices = [{"name": "A100-80G-PCIe-spot", "value": "1.080000000"}, {"name": "Cloud-SSD", "value": "0.0001"}]

    offers = list(Hyperstack().parse(Hyperstack().saved_answers({"pricebook_of_today": prices})))

    assert [(offer.gpu, offer.gpu_count, offer.pricing) for offer in offers] == [("A100-80G-PCIe", 1, "spot")]
    assert offers[0].available is None


def test_a_pool_for_spot_only_has_no_other_price() -> None:
    pool = {
        "gpu_type": "L4", "region": "india-noida-01", "price_per_hour": 0.44, "num_free_devices": 1, "vram": "24",
        "spot_price": 0.29, "spot_only_server": True,
    }  # fmt: skip

    offers = list(JarvisLabs().parse([Answer("server_meta", {"server_meta": [pool]})]))

    assert [(offer.pricing, float(offer.price_per_hour)) for offer in offers] == [("spot", 0.29)]


async def test_the_price_page_is_read_where_there_is_no_token() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html></html>") if request.url.path == "/pricing" else httpx.Response(401)

    answers = await Latitude().fetch(asked(respond))

    assert [(answer.call, answer.body) for answer in answers] == [("page", "<html></html>")]


# Prices in one place, machines in another ----------------------------------------------------------------------------

CRUSOE_KEYS = {"CRUSOE_ACCESS_KEY": "access", "CRUSOE_SECRET_KEY": "c2VjcmV0", "CRUSOE_PROJECT_ID": "project"}


def crusoe_answers() -> dict[str, Answer]:
    recording = from_text((PAYLOADS / "crusoe.json").read_text(encoding="utf-8"))
    return {each.answer.call: each.answer for each in recording.answers}


async def test_requests_for_machines_are_signed_with_path_and_time() -> None:
    asked_for: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        return httpx.Response(200, json={"items": []})

    await Crusoe(CRUSOE_KEYS, datetime(2026, 11, 24, 12, tzinfo=UTC)).fetch(asked(respond))

    page, types, capacities = asked_for
    assert "Authorization" not in page.headers
    assert types.url.path == "/v1alpha5/projects/project/compute/vms/types"
    assert capacities.headers["X-Crusoe-Timestamp"] == "2026-11-24T12:00:00+00:00"
    text = b"/v1alpha5/capacities\n\nGET\n2026-11-24T12:00:00+00:00\n"
    signature = base64.urlsafe_b64encode(hmac.digest(b"secret", text, "sha256")).decode().rstrip("=")
    assert capacities.headers["Authorization"] == f"Bearer 1.0:access:{signature}"


def test_machines_without_the_page_have_no_prices() -> None:
    answers = crusoe_answers()

    with pytest.raises(PayloadChanged, match="price page"):
        list(Crusoe().parse([answers["types"], answers["capacities"]]))


def test_a_page_without_machines_gives_each_gpu_singly() -> None:
    offers = list(Crusoe().parse([crusoe_answers()["page"]]))

    assert {offer.gpu_count for offer in offers} == {1}
    assert all(offer.count_is_derived and offer.available is None for offer in offers)


# Cudo Compute --------------------------------------------------------------------------------------------------------


def cudo_vm(**changes: Any) -> dict[str, Any]:
    prices = {name: {"value": "0.01"} for name in ("gpuPriceHr", "vcpuPriceHr", "memoryGibPriceHr")}
    vm = {"dataCenterId": "no-oslo-1", "machineType": "genoa", "gpuModel": "L40S", "maxGpuFree": 1}
    return {**vm, **prices, **changes}


@pytest.mark.parametrize(
    ("ratios", "vcpus", "gib"),
    [
        ({}, 8, 32),
        ({"minVcpuPerGpu": 12}, 12, 32),
        ({"maxVcpuPerGpu": 4, "minVcpuPerMemoryGib": 0.25}, 4, 16),
        ({"maxVcpuPerMemoryGib": 0.2, "maxVcpuPerGpu": "Infinity"}, 8, 40),
    ],
)
def test_a_machine_put_together_keeps_the_ratios_of_its_type(ratios: dict[str, Any], vcpus: int, gib: int) -> None:
    (offer,) = Cudo().parse([Answer("vm_types", {"machineTypes": [cudo_vm(**ratios)]})])

    assert (offer.vcpus, offer.host_memory_gb) == (vcpus, gib)
    assert offer.price_per_hour == (1 + vcpus + gib) * Decimal("0.01")


def test_lists_that_have_the_same_name_may_stand_side_by_side() -> None:
    metal = {"id": "h100", "gpus": 8, "gpuModelId": "nvidia-h100", "prices": [], "machinesFree": 1}
    body = {"machineTypes": [cudo_vm()], "bareMetal": [metal], "gpuModels": []}

    answers = Cudo().saved_answers(body)

    assert [answer.call for answer in answers] == ["vm_types", "machine_types", "gpu_models"]


async def test_a_list_that_is_cut_off_is_a_changed_payload() -> None:
    with pytest.raises(PayloadChanged, match="cut at 1 of 2"):
        await Cudo().fetch(asked(lambda _: httpx.Response(200, json={"machineTypes": [{}], "totalCount": 2})))


# Alibaba Cloud -------------------------------------------------------------------------------------------------------


def test_a_type_with_gpus_that_no_table_knows_goes_under_its_own_name_and_a_slice_does_not() -> None:
    hourly = {"hours": [{"price": "9.90", "period": "1"}]}
    keys = [f"us-east-1::ecs.{name}::vpc::linux::optimized" for name in ("ebmgn9g.64xlarge", "vgn7i-m4.xlarge")]

    offers = list(Alibaba().parse([Answer("prices", {"currency": "USD", "pricingInfo": dict.fromkeys(keys, hourly)})]))

    assert [offer.gpu for offer in offers] == ["ecs.ebmgn9g.64xlarge"]


# The words of a page -------------------------------------------------------------------------------------------------


def test_a_price_in_another_currency_or_unit_is_a_changed_payload() -> None:
    assert dollars("$1,883.40 per hour", "per hour") == Decimal("1883.40")
    assert dollars("Contact sales") is None
    for text in ("€1.29 per hour", "$1.29 per month", "1.29"):
        with pytest.raises(PayloadChanged):
            dollars(text, "per hour")


def test_a_page_is_read_however_carelessly_it_is_written() -> None:
    page = read_page("<ul><li class='a b'>one<br>more<li>two</ul></p><script>if (1 < 2) {}</script>" + "<div>" * 5000)

    assert text_of(page) == "one more two"
    assert text_of(page, "li.b", deep=False) == "one more"
    assert text_of(page, "li.c") == ""


# With a key and without ----------------------------------------------------------------------------------------------


async def test_without_a_key_sesterces_offers_are_read_from_its_page() -> None:
    page = next(each.answer.body for each in recorded("sesterce") if each.answer.call == "console")

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=page) if request.url.host == "cloud.sesterce.com" else httpx.Response(401)

    answers = await Sesterce().fetch(asked(respond))

    assert [offer.instance_type for offer in Sesterce().parse(answers)] == ["RTXPro6000x8"]


@pytest.mark.parametrize("broken", [("filteredOffers", "newOffers"), ("}],", "},"), (r"\"gpuName", r"\\\"gpuName")])
def test_a_page_of_sesterces_that_carries_no_list_is_a_changed_payload(broken: tuple[str, str]) -> None:
    page = next(each.answer.body for each in recorded("sesterce") if each.answer.call == "console")

    with pytest.raises(PayloadChanged):
        list(Sesterce().parse([Answer("console", page.replace(*broken))]))


async def test_a_key_that_vultr_takes_from_other_addresses_only_costs_the_stock_and_not_the_prices() -> None:
    bodies = {str(each.url).partition("?")[0]: each.answer.body for each in recorded("vultr")}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/availability"):
            return httpx.Response(401)
        return httpx.Response(200, json=json.loads(ENCODER.encode(bodies[str(request.url).partition("?")[0]])))

    answers = await Vultr({"VULTR_API_KEY": "of-the-test"}).fetch(asked(respond))

    assert {answer.call for answer in answers} == {"regions", "plans", "plans_metal"}
    assert {offer.available for offer in Vultr().parse(answers)} == {None}


async def test_oracles_prices_are_read_without_its_list_of_shapes() -> None:
    products = next(each.answer.body for each in recorded("oracle") if each.answer.call == "products")

    def respond(request: httpx.Request) -> httpx.Response:
        is_prices = request.url.host == "apexapps.oracle.com"
        return httpx.Response(200, json=json.loads(ENCODER.encode(products))) if is_prices else httpx.Response(404)

    answers = await Oracle().fetch(asked(respond))

    assert {offer.pricing for offer in Oracle().parse(answers)} == {"on_demand"}


# Pages that do not say how many there are ----------------------------------------------------------------------------


async def test_part_of_a_list_does_not_pass_for_the_whole() -> None:
    one_page = httpx.Response(200, json={"data": [], "plans": [], "regions": [], "results": []})

    for provider, missing in ((Spheron(), "totalPages"), (Vultr(), "meta"), (VoltagePark(), "has_next")):
        with pytest.raises(PayloadChanged, match=missing):
            await provider.fetch(asked(lambda _: one_page))


async def test_pages_that_lead_back_to_themselves_are_a_changed_payload() -> None:
    page = {"regions": [], "meta": {"links": {"next": "again"}}}

    with pytest.raises(PayloadChanged, match="again"):
        await Vultr().fetch(asked(lambda _: httpx.Response(200, json=page)))


# Tencent Cloud -------------------------------------------------------------------------------------------------------


def test_a_family_whose_card_is_not_named_goes_under_its_own_name() -> None:
    row = {
        "Zone": "ap-tokyo-2", "InstanceType": "PNV6.8XLARGE320", "InstanceChargeType": "POSTPAID_BY_HOUR",
        "Status": "SELL", "GpuCount": 2, "Price": {"UnitPrice": 60, "UnitPriceDiscount": 60},
    }  # fmt: skip
    answer = Answer("configs", {"data": {"Response": {"InstanceTypeQuotaSet": [row]}}})

    offers = list(Tencent().parse([answer]))

    assert [(offer.gpu, offer.gpu_count, offer.country) for offer in offers] == [("PNV6.8XLARGE320", 2, "JP")]


def recorded(slug: str) -> Sequence[Recorded]:
    return from_text((PAYLOADS / f"{slug}.json").read_text(encoding="utf-8")).answers
