"""The whole way, from every recorded answer over the network and the checks to what `status` and `rank` say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playing import SLUGS, every_secret, every_source
from test_providers import KEYED, RECORDED


@pytest.fixture(scope="module")
def environment_of_all() -> Iterator[dict[str, str]]:
    """A machine on which every price source answers as it was recorded, and every key is set."""
    with every_source() as origins, tempfile.TemporaryDirectory(prefix="rig-or-rent-all-") as folder:
        yield {
            **os.environ,
            **every_secret(),
            "RIG_OR_RENT_DATA_DIR": folder,
            "RIG_OR_RENT_ORIGIN_OVERRIDES": json.dumps(origins),
        }


@pytest.fixture(scope="module")
def collected(environment_of_all: dict[str, str]) -> subprocess.CompletedProcess[str]:
    slow = [slug for slug, source in RECORDED.items() if not source.is_quick]
    run(environment_of_all, "collect", *slow)
    return run(environment_of_all, "collect")


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def answer(environment: dict[str, str], *arguments: str) -> Any:
    done = run(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_source_is_collected_and_well(
    environment_of_all: dict[str, str], collected: subprocess.CompletedProcess[str]
) -> None:
    assert collected.returncode == 0, collected.stderr

    states = {each["slug"]: each for each in answer(environment_of_all, "status")["items"]}

    assert {slug: states[slug]["detail"] for slug in SLUGS if states[slug]["state"] != "ok"} == {}
    assert [slug for slug in SLUGS if slug != "ecb" and not states[slug]["offers"]] == []
    assert len(states) >= 36


def test_status_is_a_line_for_each_source_and_for_what_was_set_aside(
    environment_of_all: dict[str, str], collected: subprocess.CompletedProcess[str]
) -> None:
    lines = run(environment_of_all, "status").stdout.splitlines()

    for slug in SLUGS:
        assert [line for line in lines if re.match(rf"{slug} +ok ", line)], slug


def test_nothing_of_a_recording_is_an_unknown_gpu_or_not_believed_without_a_reason(
    environment_of_all: dict[str, str], collected: subprocess.CompletedProcess[str]
) -> None:
    rejected = answer(environment_of_all, "status", "--rejections")["items"]

    assert [each for each in rejected if each["reason"] == "unknown_gpu"] == []
    assert all(each["detail"] and each["offer"] for each in rejected)


def test_the_ranking_is_of_live_prices_of_many_providers(
    environment_of_all: dict[str, str], collected: subprocess.CompletedProcess[str]
) -> None:
    ranking = answer(environment_of_all, "rank", "--limit", "1000", "--per", "offer")

    offers = [option["offer"] for option in ranking["options"] if option["offer"]]
    assert len({offer["provider"] for offer in offers}) >= 30
    assert {"live", "catalogue"} <= {offer["source"] for offer in offers}


@pytest.mark.parametrize("slug", sorted(KEYED)[:1])
def test_a_source_without_its_key_is_off_and_names_the_variable(
    environment_of_all: dict[str, str], slug: str, tmp_path: Path
) -> None:
    variable = KEYED[slug].auth.variables[0]
    without = {name: value for name, value in environment_of_all.items() if name != variable}

    (state,) = answer({**without, "RIG_OR_RENT_DATA_DIR": str(tmp_path)}, "status", slug)["items"]

    assert (state["state"], state["needs"]) == ("off", variable)
