"""A bulk price list narrowed as it comes: of hundreds of megabytes a few hundred entries are kept, in the same shape.

The list is one object; its products come first, then their terms by kind and SKU. Entry by entry is decoded as soon as
it is whole, and kept if it belongs to a GPU machine as we compare them. So no more of the list is held than one entry
and the bytes last fed.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import AsyncIterable
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from providers.aws.bulk import Product, Term, is_compute, sold_as_plain_linux
from providers.base import PayloadChanged, narrow

LONGEST_ENTRY = 8 * 1024 * 1024  # characters; in the list of 2026 none has 100,000
FED_AT_ONCE = 1024 * 1024  # bytes: an entry that is cut in two is read twice, so the parts should not be small

HEAD = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"formatVersion"\s*:')
GAP = re.compile(r"[\s,]*")
NAME = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*(?=\S)')
DECODER = JSONDecoder(parse_float=Decimal)


def is_price_list(head: bytes) -> bool:
    """Whether these are the first bytes of a bulk price list."""
    return HEAD.match(head) is not None


class Narrower:
    """Takes the bytes of a list in parts of any size; `close` gives what is kept."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._text = ""  # what is not read yet
        self._inside: list[str] | None = None  # the names of the objects around it; None: before the first brace
        self._is_over = False
        self._has_compute = False
        self._kept: dict[str, Any] = {}

    def feed(self, part: bytes) -> None:
        self._text += self._decode(part)
        at: int | None = 0
        while at is not None:
            start, at = at, self._step(at)
        self._text = self._text[start:]
        if len(self._text) > LONGEST_ENTRY:
            raise PayloadChanged(f"an entry of more than {LONGEST_ENTRY:,} characters - at `{self._path()}`")

    def close(self) -> dict[str, Any]:
        """The list with the entries that count. Raises PayloadChanged where it is none, or ends in the middle."""
        if not self._is_over:
            raise PayloadChanged(f"the list ends in the middle - at `{self._path()}`")
        if not self._has_compute:
            raise PayloadChanged("no Compute Instance - at `$.products[...].productFamily`")
        products = self._kept["products"]
        for kind, terms in self._kept.get("terms", {}).items():  # some came before we knew the products
            self._kept["terms"][kind] = {sku: term for sku, term in terms.items() if sku in products}
        return self._kept

    def _step(self, at: int) -> int | None:
        """Where to go on after the next name, value or brace. None: it is not there as a whole yet."""
        text = self._text
        gap = GAP.match(text, at)
        at = gap.end() if gap else at
        if at == len(text):
            return None
        if self._is_over or (self._inside is None and text[at] != "{"):
            raise PayloadChanged(f"no price list: {text[at : at + 60]!r} stands outside of the object")
        if self._inside is None:
            self._inside = []
            return at + 1
        if text[at] == "}":
            self._leave()
            return at + 1
        named = NAME.match(text, at)
        return named and self._value(DECODER.decode(named[1]), named.end())

    def _leave(self) -> None:
        if self._inside:
            self._inside.pop()
        else:
            self._is_over = True

    def _value(self, name: str, at: int) -> int | None:
        path = (*(self._inside or ()), name)
        if self._text[at] == "{" and (path in (("products",), ("terms",)) or path[:-1] == ("terms",)):
            self._inside = list(path)
            return at + 1
        try:
            value, end = DECODER.raw_decode(self._text, at)
        except JSONDecodeError:
            return None
        except RecursionError as error:
            raise PayloadChanged(f"nested too deeply - at `{self._path()}.{name}`") from error
        if end == len(self._text):
            return None  # a number may go on
        self._keep(path, value)
        return end

    def _keep(self, path: tuple[str, ...], value: Any) -> None:
        match path:
            case (name,) if not isinstance(value, dict | list):
                self._kept[name] = value
            case ("products", sku):
                self._keep_product(sku, value)
            case ("terms", kind, sku) if "products" not in self._kept or sku in self._kept["products"]:
                terms = narrow(value, dict[str, Term])
                self._kept.setdefault("terms", {}).setdefault(kind, {})[sku] = msgspec.to_builtins(terms)

    def _keep_product(self, sku: str, value: Any) -> None:
        """A GPU machine, and the first of all machines as a witness that the list has them, GPUs or not."""
        products = self._kept.setdefault("products", {})
        product = narrow(value, Product)
        if is_compute(product) and (sold_as_plain_linux(sku, product) or not self._has_compute):
            products[sku] = value
            self._has_compute = True

    def _path(self) -> str:
        return ".".join(["$", *(self._inside or ())])


async def narrowed(parts: AsyncIterable[bytes]) -> dict[str, Any]:
    """What is kept of a list that comes over the network."""
    narrower = Narrower()
    waiting = bytearray()
    async for part in parts:
        waiting += part
        if len(waiting) >= FED_AT_ONCE:
            await asyncio.to_thread(narrower.feed, bytes(waiting))  # whatever else is asked meanwhile goes on
            waiting.clear()
    await asyncio.to_thread(narrower.feed, bytes(waiting))
    return narrower.close()
