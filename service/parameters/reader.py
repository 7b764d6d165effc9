"""Reads the fields of one object, typed and bounded, and collects what is wrong with them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

NEAR = 0.65  # of difflib's ratio: `checkpointing` is near activation_checkpointing, `colour` is not near country
MOST_IGNORED = 20  # different names that are looked at, so that a long body costs no more


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str  # as the user wrote it, nested ones with dots: workload.model.layers
    message: str  # what would be right


class InvalidParameters(Exception):
    """The request can't be understood; every field at fault is named."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))


class Reader:
    """Reads the fields of one object, and collects what is wrong instead of stopping at the first."""

    def __init__(
        self, given: Mapping[str, Any], *, path: str = "", from_text: bool = False, within: Reader | None = None
    ) -> None:
        self.given = given
        self.path = path
        self.from_text = from_text  # numbers come as text
        self.errors: list[FieldError] = within.errors if within else []
        self.notes: list[FieldError] = within.notes if within else []  # what is answered, but not as it may be meant
        self.readers: list[Reader] = within.readers if within else []  # of all objects of the request
        self.readers.append(self)
        self.asked: set[str] = set()  # names that mean something here

    def value(self, name: str) -> Any:
        self.asked.add(name)
        return self.given.get(name)

    def has(self, name: str) -> bool:
        return self.value(name) is not None

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(f"{self.path}{name}", message))

    def note(self, name: str, message: str) -> None:
        self.notes.append(FieldError(f"{self.path}{name}", message))

    def ignored(self) -> Iterator[FieldError]:
        """Names that nobody reads, near one that somebody does: what was meant by them is not in the answer."""
        known = frozenset().union(*(reader.asked for reader in self.readers))
        unread = [(reader, name) for reader in self.readers for name in reader.given if name not in reader.asked]
        first = set(islice(dict.fromkeys(name for _, name in unread), MOST_IGNORED))
        for reader, name in unread:
            if name in first and (near := _near(name, frozenset(reader.asked)) or _near(name, known)):
                yield FieldError(f"{reader.path}{name[:60]}", f"is not read and has no effect; nearest: {near}")

    def text(self, name: str) -> str | None:
        value = self.value(name)
        if value is None or (isinstance(value, str) and value.strip() and len(value) <= 200):
            return value.strip() if isinstance(value, str) else None
        self.wrong(name, "must be a text of 1 to 200 characters")
        return None

    def texts(self, name: str) -> list[str]:
        value = self.value(name)
        if value is None:
            return []
        values = [value] if isinstance(value, str) else value
        if isinstance(values, list) and all(isinstance(item, str) and item.strip() for item in values):
            return [item.strip() for item in values]
        self.wrong(name, "must be a text or a list of texts")
        return []

    def number(self, name: str, *, above: float | None = None, least: float = 0.0, most: float) -> float | None:
        """A finite number within its bounds: above `above`, or from `least`; up to `most`."""
        value = self.value(name)
        if value is None:
            return None
        parsed = _as_number(value, self.from_text)
        low = least if above is None else above
        if parsed is None or parsed > most or parsed < low or (above is not None and parsed == above):
            bounds = (
                f"a number from {low:g} to {most:g}" if above is None else f"a number above {low:g}, up to {most:g}"
            )
            self.wrong(name, f"must be {bounds}, not {shown(value)}")
            return None
        return parsed

    def whole(self, name: str, *, least: int = 1, most: int) -> int | None:
        value = self.value(name)
        if value is None:
            return None
        parsed = _as_number(value, self.from_text)
        if parsed is None or parsed != int(parsed) or not least <= parsed <= most:
            self.wrong(name, f"must be a whole number from {least} to {most}, not {shown(value)}")
            return None
        return int(parsed)

    def flag(self, name: str) -> bool | None:
        value = self.value(name)
        if value is None or isinstance(value, bool):
            return value
        if self.from_text and str(value).lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return str(value).lower() in ("true", "1", "yes", "on")
        self.wrong(name, f"must be true or false, not {shown(value)}")
        return None

    def choice(self, name: str, choices: Sequence[str]) -> Any:
        value = self.value(name)
        return None if value is None else self.checked_choice(name, value, choices)

    def checked_choice(self, name: str, value: object, choices: Sequence[str]) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        self.wrong(name, f"must be one of {', '.join(choices)}{nearest(value, choices)}, not {shown(value)}")
        return None

    def object(self, name: str) -> Reader | None:
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return self.nested(name, value)
        self.wrong(name, f"must be an object, not {shown(value)}")
        return None

    def objects(self, name: str, most: int) -> list[Reader] | None:
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) > most:
            self.wrong(name, f"must be a list of at most {most} objects")
            return None
        return [self.nested(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def nested(self, name: str, value: Mapping[str, Any]) -> Reader:
        return Reader(value, path=f"{self.path}{name}.", from_text=self.from_text, within=self)

    def part(self, names: Iterable[str]) -> Reader:
        """Some fields of this object, read as one of their own."""
        some = {name: value for name in names if (value := self.value(name)) is not None}
        return Reader(some, path=self.path, from_text=self.from_text, within=self)

    def missing(self, name: str, message: str) -> None:
        """The field is needed and not there; said once, and not where it is there but wrong."""
        if not self.has(name):
            self.wrong(name, message)


def _as_number(value: object, from_text: bool) -> float | None:
    if from_text and isinstance(value, str):
        text = value.replace(",", ".") if value.count(",") == 1 and "." not in value else value
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
            return None
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@lru_cache(maxsize=256)
def _near(name: str, known: frozenset[str]) -> str:
    return next(iter(difflib.get_close_matches(name.lower()[:60], sorted(known), n=1, cutoff=NEAR)), "")


def nearest(value: object, known: Iterable[str]) -> str:
    """`; nearest: d32, d34`, or nothing."""
    folded = {item.lower(): item for item in known}
    near = difflib.get_close_matches(str(value).lower(), folded, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(folded[item] for item in near)}" if near else ""
