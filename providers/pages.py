"""A price page as a tree of its elements, or by what it carries, for providers whose prices stand nowhere else."""

from __future__ import annotations

import re
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from providers.base import PayloadChanged, decode_json, narrow

Element = LexborNode  # `css` and `css_first` find what is inside
UNSEEN = ["script", "style", "template"]
PIECE = re.compile(r'self\.__next_f\.push\(\[1,"((?:[^"\\]|\\.)*)"\]\)')


def read_page(html: object) -> Element:
    """What a reader sees of the page, as a browser would understand it, however carelessly it is written."""
    page = parsed(html)
    page.strip_tags(UNSEEN)
    if page.root is None:
        raise PayloadChanged("the page is empty")
    return page.root


def parsed(html: object) -> LexborHTMLParser:
    """The whole page, with its scripts."""
    text: str = narrow(html, str)
    return LexborHTMLParser(text.encode("utf-8", errors="replace"))


def text_of(element: Element | None, css: str | None = None, *, deep: bool = True) -> str:
    """The text of an element, or of the first inside it that fits, on one line; empty where there is none.

    Not `deep`: only what stands in no element inside it.
    """
    if element is not None and css is not None:
        element = element.css_first(css)
    return "" if element is None else " ".join(element.text(deep=deep, separator=" ").split())


def carried_by(html: object, name: str) -> Any:
    """What a page made by Next.js carries under a name: JSON in text, escaped, that comes in pieces.

    Raises PayloadChanged if the name is not there exactly once.
    """
    page: str = narrow(html, str)
    flight = str(decode_json(f'"{"".join(PIECE.findall(page))}"'.encode()))
    found = list(re.finditer(rf'"{name}":\s*', flight))
    if len(found) != 1:
        raise PayloadChanged(f"the page has {len(found)} times `{name}` where once is expected")
    try:
        carried, _ = JSONDecoder(parse_float=Decimal, parse_constant=Decimal).raw_decode(flight, found[0].end())
    except (JSONDecodeError, RecursionError) as error:
        raise PayloadChanged(f"`{name}` is no JSON: {error}") from error
    return carried


def dollars(text: str, unit: str = "") -> Decimal | None:
    """The 1883.40 of "$1,883.40 per hour" with the unit as a pattern. None: in words, that there is no price.

    Raises PayloadChanged for any other number: another currency or unit has to be looked at.
    """
    if not re.search(r"\d", text):
        return None
    found = re.fullmatch(rf"\$ ?(\d[\d,]*(?:\.\d+)?) ?(?:{unit})", text)
    if found is None:
        raise PayloadChanged(f"{text[:60]!r} is no price in dollars{f' {unit}' if unit else ''}")
    return Decimal(found[1].replace(",", ""))


def number(text: str, what: str) -> float:
    """The 4096 of "4,096". Raises PayloadChanged, saying what the number should have been."""
    found = re.fullmatch(r"(\d[\d,]{0,11}(?:\.\d{1,6})?)", text.strip())
    if found is None:
        raise PayloadChanged(f"{text[:60]!r} is no {what}")
    return float(found[1].replace(",", ""))
