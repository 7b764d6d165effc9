"""A price page as a tree of its elements, for providers whose prices stand nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

from providers.base import PayloadChanged

VOID = frozenset(  # elements that have no end tag
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
UNSEEN = frozenset({"script", "style", "template"})


@dataclass(slots=True)
class Element:
    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str | None = None, css_class: str | None = None, **attributes: str) -> Iterator[Element]:
        """Every element inside this one with these properties, as they follow on the page; `data_title`: data-title."""
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        for part in self.walk():
            if (
                isinstance(part, Element)
                and tag in (None, part.tag)
                and (css_class is None or css_class in part.attributes.get("class", "").split())
                and all(part.attributes.get(name) == value for name, value in wanted.items())
            ):
                yield part

    def first(self, tag: str | None = None, css_class: str | None = None, **attributes: str) -> Element:
        """The first such element, or an empty one."""
        return next(self.all(tag, css_class, **attributes), Element(tag or ""))

    @property
    def text(self) -> str:
        """What a reader sees, on one line."""
        return " ".join(" ".join(part for part in self.walk(UNSEEN) if isinstance(part, str)).split())

    @property
    def own_text(self) -> str:
        """The text that stands in no element inside this one."""
        return " ".join(" ".join(part for part in self.children if isinstance(part, str)).split())

    def walk(self, without: frozenset[str] = frozenset()) -> Iterator[Element | str]:
        """All parts inside, in order; not recursive, since a page can be nested as deeply as its author likes."""
        waiting = list(reversed(self.children))
        while waiting:
            part = waiting.pop()
            yield part
            if isinstance(part, Element) and part.tag not in without:
                waiting.extend(reversed(part.children))


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].tag == tag:
                del self.open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(html: str) -> Element:
    """The page as a tree, however carelessly it is written. Raises PayloadChanged where it cannot be read."""
    builder = _Builder()
    try:
        builder.feed(html)
        builder.close()
    except AssertionError as error:  # how html.parser ends on a declaration that it does not know
        raise PayloadChanged(f"no HTML: {error}") from error
    return builder.open[0]


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
