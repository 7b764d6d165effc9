"""What all commands share: how they refuse, read a file and print what the API would answer."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec


class BadInput(Exception):
    """What was typed can't be understood: one sentence, exit status 2."""


class Failed(Exception):
    """What was asked can't be done now: one sentence, exit status 1."""


def print_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")


def flag(name: str) -> str:
    """A parameter as it is typed: --min-gpus."""
    return f"--{name.replace('_', '-')}"


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
