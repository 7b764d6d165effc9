"""The shipped constants are those of the fit, and the fit holds on runs it has not seen."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import service.estimation
from service import catalogue
from service.estimation.efficiencies import Efficiencies, read_efficiencies
from service.fit import Report, Table, as_text, as_toml, fit, report, scatter

RUNS = catalogue.load().runs


@pytest.fixture(scope="module")
def told() -> Report:
    return report(RUNS)


def test_the_shipped_constants_are_what_the_fit_finds(told: Report) -> None:
    shipped = catalogue.load().efficiencies

    for item in fields(Efficiencies):
        found, stands = getattr(told.efficiencies, item.name), getattr(shipped, item.name)
        assert found == pytest.approx(stands, rel=0.03, abs=0.005), f"{item.name}: run `rig-or-rent fit --write`"


def test_sources_left_out_are_predicted_within_the_stated_errors(told: Report) -> None:
    left_out = told.scores["source left out, as told"]

    assert left_out.median <= 0.12
    assert left_out.ninetieth <= 0.30
    assert left_out.inside is not None
    assert 0.75 <= left_out.inside <= 0.93  # when every source weighs the same it is about four in five


@pytest.mark.parametrize("card", ["RTX 4090", "RTX 4070"])
def test_a_consumer_card_without_runs_of_its_own_is_within_a_fifth(told: Report, card: str) -> None:
    assert told.by_gpu[card].median <= 0.20


def test_every_constant_stays_within_what_is_plausible(told: Report) -> None:
    for item in fields(Efficiencies):
        assert item.metadata["low"] <= getattr(told.efficiencies, item.name) <= item.metadata["high"], item.name


def test_what_the_fit_writes_reads_back(told: Report) -> None:
    again = read_efficiencies(tomllib.loads(as_toml(told.efficiencies)))

    for item in fields(Efficiencies):
        assert getattr(again, item.name) == pytest.approx(getattr(told.efficiencies, item.name), rel=1e-3)


def test_the_report_names_every_source_gpu_and_constant(told: Report) -> None:
    text = as_text(told)

    for name in (*told.by_source, *told.by_gpu, *(item.name for item in fields(Efficiencies))):
        assert name in text


def test_the_plot_shows_every_graded_run_and_the_shipped_one_is_its_like(told: Report) -> None:
    drawn = ElementTree.fromstring(scatter(told.points))
    shipped = (Path(service.estimation.__file__).parent / "accuracy.svg").read_text(encoding="utf-8")

    dots = [circle for circle in drawn.iter("{http://www.w3.org/2000/svg}circle") if circle.get("r") == "2.6"]
    assert len(dots) == told.graded
    assert shipped.count('r="2.6"') == told.graded
    assert shipped.count('r="2"') == told.graded  # once more, as a ratio
    assert len(shipped) < 130_000


def test_what_the_readme_says_of_the_errors_is_what_the_fit_finds(told: Report) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    section = readme.split("## How good the hours are")[1].split("\n## ")[0]
    left_out = told.scores["source left out, as told"]

    assert f"| {left_out.median:.0%} | {left_out.ninetieth:.0%} | {left_out.inside:.0%} |" in section


def test_runs_that_are_only_compared_do_not_move_the_fit() -> None:
    table = Table(RUNS)
    worse = [run if run.fitted else replace(run, tokens_per_s_per_gpu=run.tokens_per_s_per_gpu * 3) for run in RUNS]

    assert fit(table, table.fitted) == fit(Table(worse), table.fitted)


@pytest.mark.parametrize("broken", [{}, {"constants": {}}, {"constants": {"matmul_traffic": {"value": 1.0}}}])
def test_constants_that_are_missing_are_named(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^efficiencies:"):
        read_efficiencies(broken)
