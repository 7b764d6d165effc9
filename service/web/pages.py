"""Lists in pages: `items`, and a cursor for the rest; and what a reader said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from service.ranking.request import cursor_of
from service.web.services import Services

T = TypeVar("T")

WHOLE_LIST: Final = 1000  # rows unless the reader says otherwise; the most that one page may hold


@dataclass(frozen=True, slots=True)
class Items(Generic[T]):
    """Some of a list, and where it goes on."""

    items: tuple[T, ...]
    next_cursor: str | None  # None: this was the last page


@dataclass(frozen=True, slots=True)
class Paging:
    """Which rows are asked for."""

    limit: int
    offset: int

    def of(self, rows: Sequence[T]) -> Items[T]:
        end = self.offset + self.limit
        return Items(tuple(rows[self.offset : end]), cursor_of(end) if end < len(rows) else None)


async def asked_page(services: Services, parameters: Mapping[str, Sequence[str]], default: int = WHOLE_LIST) -> Paging:
    """`limit` and `cursor`, read as the ranking reads them. Raises InvalidParameters."""
    asked = await services.asked_in_query({name: parameters.get(name, ()) for name in ("limit", "cursor")})
    return Paging(asked.limit if last_of(parameters, "limit") else default, asked.offset)


async def asked_limit(services: Services, parameters: Mapping[str, Sequence[str]], default: int) -> int:
    """The `limit` of a list whose cursor is its own. Raises InvalidParameters."""
    return (await asked_page(services, {"limit": parameters.get("limit", ())}, default)).limit


def last_of(parameters: Mapping[str, Sequence[str]], name: str) -> str | None:
    """What was said last, which counts; None: nothing was."""
    return next((value.strip() for value in reversed(parameters.get(name, ())) if value.strip()), None)
