"""What all commands share: how they refuse, read a file and print what the API would answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from service.parameters import OWN_MODEL, OWN_WORKLOAD


class BadInput(Exception):
    """What was typed can't be understood: one sentence, exit status 2."""


class Failed(Exception):
    """What was asked can't be done now: one sentence, exit status 1."""


def print_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")


def flag(name: str) -> str:
    """A parameter as it is typed: --min-gpus."""
    return "--gpus" if name == "gpu_count" else f"--{name.replace('_', '-')}"


def typed(options: argparse.Namespace) -> dict[str, list[str]]:
    """The parameters among the options; they are the ones that may be typed more than once."""
    return {name: values for name, values in vars(options).items() if isinstance(values, list)}


def refuse_idle_model(given: Mapping[str, Sequence[str]]) -> None:
    """A description of a model that is not asked about: the answer would be to another question."""
    idle = [flag(name) for name in OWN_MODEL if name in given]
    if idle and given.get("workload", [""])[-1] != OWN_WORKLOAD:
        raise BadInput(f"{idle[0]} describes a model of your own: add --workload {OWN_WORKLOAD}")


def content_of(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error


def write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Failed(f"{file} can't be written: {error.strerror}") from error


def require_folder(file: Path | None) -> None:
    """What takes minutes is not begun where its result could not be kept."""
    if file and not file.parent.is_dir():
        raise BadInput(f"{file} can't be written: there is no folder {file.parent}")
