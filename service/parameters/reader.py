"""Reads the fields of one object, typed and bounded, and collects what is wrong with them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
        self,
        given: Mapping[str, Any],
        *,
        path: str = "",
        errors: list[FieldError] | None = None,
        from_text: bool = False,
    ) -> None:
        self.given = given
        self.path = path
        self.errors: list[FieldError] = [] if errors is None else errors
        self.from_text = from_text  # numbers come as text

    def has(self, name: str) -> bool:
        return self.given.get(name) is not None

    def wrong(self, name: str, message: str) -> None:
        self.errors.append(FieldError(f"{self.path}{name}", message))

    def text(self, name: str) -> str | None:
        value = self.given.get(name)
        if value is None or (isinstance(value, str) and value.strip() and len(value) <= 200):
            return value.strip() if isinstance(value, str) else None
        self.wrong(name, "must be a text of 1 to 200 characters")
        return None

    def texts(self, name: str) -> list[str]:
        value = self.given.get(name)
        if value is None:
            return []
        values = [value] if isinstance(value, str) else value
        if isinstance(values, list) and all(isinstance(item, str) and item.strip() for item in values):
            return [item.strip() for item in values]
        self.wrong(name, "must be a text or a list of texts")
        return []

    def number(self, name: str, *, above: float | None = None, least: float = 0.0, most: float) -> float | None:
        """A finite number within its bounds: above `above`, or from `least`; up to `most`."""
        value = self.given.get(name)
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
        value = self.given.get(name)
        if value is None:
            return None
        parsed = _as_number(value, self.from_text)
        if parsed is None or parsed != int(parsed) or not least <= parsed <= most:
            self.wrong(name, f"must be a whole number from {least} to {most}, not {shown(value)}")
            return None
        return int(parsed)

    def flag(self, name: str) -> bool | None:
        value = self.given.get(name)
        if value is None or isinstance(value, bool):
            return value
        if self.from_text and str(value).lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return str(value).lower() in ("true", "1", "yes", "on")
        self.wrong(name, f"must be true or false, not {shown(value)}")
        return None

    def choice(self, name: str, choices: Sequence[str]) -> Any:
        value = self.given.get(name)
        return None if value is None else self.checked_choice(name, value, choices)

    def checked_choice(self, name: str, value: object, choices: Sequence[str]) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        self.wrong(name, f"must be one of {', '.join(choices)}{nearest(value, choices)}, not {shown(value)}")
        return None

    def object(self, name: str) -> Reader | None:
        value = self.given.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            return self.nested(name, value)
        self.wrong(name, f"must be an object, not {shown(value)}")
        return None

    def objects(self, name: str, most: int) -> list[Reader] | None:
        value = self.given.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value) or len(value) > most:
            self.wrong(name, f"must be a list of at most {most} objects")
            return None
        return [self.nested(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def nested(self, name: str, value: Mapping[str, Any]) -> Reader:
        return Reader(value, path=f"{self.path}{name}.", errors=self.errors, from_text=self.from_text)

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


def nearest(value: object, known: Iterable[str]) -> str:
    """`; nearest: d32, d34`, or nothing."""
    folded = {item.lower(): item for item in known}
    near = difflib.get_close_matches(str(value).lower(), folded, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(folded[item] for item in near)}" if near else ""
