"""What single sources need beside the contract: pages without a number, a missing key, a list that is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from providers.base import Answer, CredentialsRefused, Offer, PayloadChanged
from providers.gpurentalprices import GpuRentalPrices
from providers.linode import Linode
from providers.massedcompute import MassedCompute
from providers.nebius import Nebius
from providers.runpod import RunPod
from providers.skypilot import SkyPilot
from providers.vast import Vast
from providers.verda import Verda

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
