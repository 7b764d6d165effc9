"""Bills that providers published, or that follow from what they publish, are reproduced to the cent."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from builders import NOON, workload

from providers import discover
from providers.skypilot.clouds import CLOUDS
from service import catalogue
from service.catalogue.billing import read_billing
from service.catalogue.files import CatalogueError
from service.estimation.workload import Workload
from service.parameters import InvalidParameters, Vocabulary, ranking_request
from service.ranking.cost import billed_hours, traffic_usd
from service.ranking.data import data_notes, data_of
from service.ranking.request import RankingRequest
from service.ranking.rules import ASSUMED, HOURS_PER_MONTH

PUBLISHED = list(csv.DictReader((Path(__file__).parent / "bills.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: f"{case['provider']}: {case['what']}")
def test_a_published_bill_is_reproduced_to_the_cent(case: dict[str, str]) -> None:
    rules, hours = catalogue.load().billing(case["provider"]), float(case["hours"])
    rent, disk = rules.rent, rules.storage
    month = float(case["month_hours"] or HOURS_PER_MONTH)

    billed = billed_hours(
        hours,
        step=rent.step_hours,
        begun=float(case["begun_hours"]),
        minimum=rent.minimum_hours,
        capped=rent.capped_hours,
        month=month,
    )
    paid_gb = max(0.0, float(case["stored_gb"]) - disk.included_gb)
    price_month = month if disk.month_hours == HOURS_PER_MONTH else disk.month_hours
    usd = float(case["usd_per_hour"]) * float(billed)
    usd += paid_gb * float(disk.usd_per_gb_month) * hours / price_month
    usd += float(traffic_usd(float(case["egress_gb"]), rules.egress, hours))
    usd += float(traffic_usd(float(case["ingress_gb"]), rules.ingress, hours))

    assert usd == pytest.approx(float(case["usd"]), abs=0.005001)


# How the file is read ------------------------------------------------------------------------------------------------


def test_every_entry_is_of_somebody_who_rents_something_out() -> None:
    offers = files("providers.bundled").joinpath("offers.csv").read_text(encoding="utf-8")
    bundled = {row["provider"] for row in csv.DictReader(offers.splitlines())}
    listed = {cloud.slug for cloud in CLOUDS.values()}

    assert set(catalogue.load_billing()) <= {*discover(), *bundled, *listed}


def test_whoever_is_not_in_the_file_bills_as_assumed() -> None:
    assert catalogue.load().billing("nobody") == ASSUMED


def test_a_part_that_is_not_known_is_assumed_and_says_so() -> None:
    crusoe = catalogue.load().billing("crusoe")

    assert crusoe.rent == ASSUMED.rent
    assert crusoe.rent.source is None
    assert crusoe.storage.source == "https://www.crusoe.ai/cloud/pricing, 2026-09-20, unverified"


def test_a_price_in_another_currency_is_told_in_dollars() -> None:
    euro = float(catalogue.load().exchange_rates["EUR"][-1].usd_per_unit)

    assert float(catalogue.load().billing("ovh").storage.usd_per_gb_month) == pytest.approx(0.04 * euro)


SOURCED = 'source = "https://a.example/"\nread = "2026"\n'


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('[provider.a.rent]\nstep_s = 60\nread = "2026"', "source"),
        ('[provider.a.rent]\nstep_s = 60\nsource = "https://a.example/"\nread = "lately"', "read"),
        (f'[provider.a.rent]\nstep_s = 60\nunverified = ["stepps"]\n{SOURCED}', "stepps"),
        (f'[provider.a.storage]\ncurrency = "XXX"\n{SOURCED}', "XXX"),
        (f'[provider.a.egress]\nsteps = [{{ above_gb = 9, per_gb = "1" }}]\n{SOURCED}', "begin at 0"),
        (f'[[provider.a.interruptions]]\ngpu = "H1000"\nper_hour = 0.1\n{SOURCED}', "H1000"),
    ],
)
def test_an_entry_without_source_or_sense_is_refused_by_name(entry: str, message: str) -> None:
    known = catalogue.load()

    with pytest.raises(CatalogueError, match=message):
        read_billing(entry, known.gpus, known.exchange_rates)


# What is stored and moved --------------------------------------------------------------------------------------------


def test_a_run_stores_its_tokens_and_two_checkpoints_and_sends_its_weights_home() -> None:
    gpt2 = workload("gpt2-124m")
    assert gpt2.model is not None
    assert gpt2.tokens is not None

    data = data_of(RankingRequest(workload=gpt2, rigs=()))

    assert data.ingress_gb == pytest.approx(gpt2.tokens * 2 / 1e9)
    assert data.storage_gb == pytest.approx(data.ingress_gb + 2 * 12 * gpt2.model.parameters / 1e9)  # FP32, two moments
    assert data.egress_gb == pytest.approx(2 * gpt2.model.parameters / 1e9)


def test_tokens_of_a_large_vocabulary_take_four_bytes() -> None:
    gpt2 = workload("gpt2-124m")
    assert gpt2.model is not None
    larger = replace(gpt2, tokens=1e9, model=replace(gpt2.model, vocabulary=128_256))

    assert data_of(RankingRequest(workload=larger, rigs=())).ingress_gb == pytest.approx(4.0)


def test_of_a_run_without_a_model_only_the_tokens_are_known_and_that_is_said() -> None:
    asked = RankingRequest(workload=Workload(name="measured", tokens=1e9, tokens_per_step=None), rigs=())

    data = data_of(asked)

    assert (data.storage_gb, data.egress_gb, data.ingress_gb) == (2, 0, 2)
    assert "not known" in list(data_notes(asked))[-1]


def test_what_the_user_says_is_stored_and_moved() -> None:
    said = {"storage_gb": ["500"], "egress_gb": ["0"], "ingress_gb": ["1,5"]}

    data = data_of(ranking_request(said, Vocabulary(catalogue=catalogue.load()), NOON))

    assert (data.storage_gb, data.egress_gb, data.ingress_gb) == (500, 0, 1.5)


def test_data_is_not_negative() -> None:
    with pytest.raises(InvalidParameters, match="storage_gb: must be a number from 0"):
        ranking_request({"storage_gb": ["-1"]}, Vocabulary(catalogue=catalogue.load()), NOON)
