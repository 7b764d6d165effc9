"""What the README says is so: its two commands, its settings, its commands and its examples."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from builders import NOON

from service import catalogue
from service.__main__ import _parser
from service.parameters import Vocabulary, ranking_request_from_body
from service.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_two_blocks_are_the_two_commands_each_on_one_line() -> None:
    install_and_rank, install_and_test = blocks("bash")[:2]

    assert install_and_rank == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/rig-or-rent rank\n"
    assert install_and_test == "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest\n"


def test_what_runs_before_a_change_lands_is_the_readme_s_own_test_command() -> None:
    assert "grep pytest" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("variable", Settings.variables())
def test_every_setting_is_explained(variable: str) -> None:
    assert f"`{variable}`" in README


def test_every_command_is_mentioned_and_every_mentioned_command_exists() -> None:
    mentioned = set(re.findall(r"rig-or-rent ([a-z]+(?:-[a-z]+)*)", README))
    listed = _parser().format_help()
    existing = set(re.findall(r"^    ([a-z]+(?:-[a-z]+)*)\s", listed, flags=re.MULTILINE))

    assert mentioned == existing


@pytest.mark.parametrize("line", re.findall(r"`(rig-or-rent (?:rank|estimate) [^`]+)`", README))
def test_every_example_can_be_typed(line: str) -> None:
    options = _parser().parse_args(shlex.split(line)[1:])

    assert options.command


def test_the_example_of_a_body_is_a_question() -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'\n", README, flags=re.DOTALL)

    request = ranking_request_from_body(json.loads(body), Vocabulary(catalogue=catalogue.load()), NOON)

    assert request.workload.name == "my-1b"
    assert request.rigs[0].purchase_usd == 1500


def test_every_folder_and_module_of_the_map_is_there() -> None:
    (tree,) = [block for block in blocks("text") if "providers/" in block]
    names = re.findall(r"^  ([a-z_, ]+?)/?\s{2,}", tree, flags=re.MULTILINE)
    parts = [part.strip() for name in names for part in name.split(",")]

    assert parts
    for part in parts:
        assert (ROOT / "service" / part).is_dir() or (ROOT / "service" / f"{part}.py").is_file(), part


def test_the_top_level_holds_nothing_that_has_no_place_there() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    visible = {path.split("/")[0] for path in listed if not path.startswith(".")}

    assert visible == {
        "pyproject.toml", "README.md", "LICENSE", "docker-compose.yml", "service", "migrations", "providers", "tests",
    }  # fmt: skip


def test_the_module_runs_as_a_command_too() -> None:
    done = subprocess.run([sys.executable, "-m", "service", "--version"], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)
