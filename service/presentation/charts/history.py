"""What a GPU cost day by day, and one offer price by price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

from service.presentation.charts.drawing import (
    MUTED,
    Drawing,
    Spec,
    Tick,
    axis,
    draw,
    end,
    marks,
    number,
    word,
    written,
)

WIDTH, HEIGHT, STRIP = 350, 170, 40
LINE: Final = "var(--s-on_demand)"
BAR: Final = 0.8  # of a day: what its bar takes of it
ANSWERING: Final = marks(  # what the pointer meets, above everything else
    "point",
    None,
    {"x": number("x"), "y": number("median"), "tooltip": word("words")},
    size=140,
    opacity=0,
    filled=True,
)
UNREAD: Final = "url(#hatch-day)"  # a pattern of the page


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a GPU, in what the page shows."""

    day: date
    minimum: float
    median: float
    offers: int
    words: str


@dataclass(frozen=True, slots=True)
class Held:
    """A price of one offer, from when to when, in days since the left end."""

    start: float
    end: float
    price: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The axes that small multiples share, and their words."""

    first: date
    last: date
    x_ticks: tuple[Tick, ...]  # in days since the first
    y_ticks: tuple[Tick, ...]
    offers_title: str
    step: int = 1  # days from one that was looked at to the next

    @property
    def end(self) -> float:
        """Where the last day's bar ends."""
        return (self.last - self.first).days + BAR * self.step


def by_day(days: Sequence[Day], frame: Frame, end_label: str, unread: Sequence[date] = ()) -> Drawing:
    """Minimum and median with the band between, and how many offers they rest on.

    Days without data stay gaps; those on which a source could not be read are hatched.
    """
    values = list(_values(days, frame))
    layers = [*_hatches(unread, frame), *_lines(values, frame), *_end(values[-1], end_label), ANSWERING]
    upper = {"layer": layers, "width": WIDTH, "height": HEIGHT}
    most = max(day.offers for day in days)
    both = {"vconcat": [upper, _strip(most, frame)], "spacing": 10, "resolve": {"scale": {"x": "shared"}}}
    return draw({"data": {"values": values}, **both})


def of_offer(held: Sequence[Held], x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], length: float) -> Drawing:
    """A price holds until it changes: steps, with gaps where nothing was offered."""
    x_scale, y_scale = ({"domain": [0, high], "nice": False} for high in (max(length, 0.01), y_ticks[-1].at))
    x = number("start", scale=x_scale, axis=axis(x_ticks, title=None, grid=False))
    y = number("price", scale=y_scale, axis=axis(y_ticks, title=None))
    values = [{"start": each.start, "end": each.end, "price": each.price, "words": each.words} for each in held]
    rises = [
        {"start": after.start, "price": before.price, "to": after.price}
        for before, after in pairwise(held)
        if after.start - before.end < 0.05
    ]
    told = {"x": x, "x2": end("end"), "y": y, "tooltip": word("words")}
    steps = {"x": number("start"), "y": number("price"), "y2": end("to")}
    layers = [
        marks("rule", values, told, color=LINE, strokeWidth=2, strokeCap="round"),
        marks("rule", rises, steps, color=LINE, strokeWidth=1),
    ]
    return draw({"layer": layers, "width": WIDTH, "height": 120})


def _values(days: Sequence[Day], frame: Frame) -> Iterator[dict[str, Any]]:
    """Each day with the number of its stretch: a line joins only days that follow each other."""
    stretch, before = 0, None
    for each in days:
        at = (each.day - frame.first).days
        stretch += before is not None and at > before + frame.step
        before = at
        yield {
            "x": at,
            "x2": at + BAR * frame.step,
            "minimum": each.minimum,
            "median": each.median,
            "offers": each.offers,
            "stretch": stretch,
            "words": each.words,
        }


def _x(frame: Frame, *, labels: bool) -> Spec:
    scale = {"domain": [0, frame.end], "nice": False}
    return number("x", scale=scale, axis=axis(frame.x_ticks, title=None, grid=False, labels=labels, labelFlush=True))


def _hatches(unread: Sequence[date], frame: Frame) -> Iterator[Spec]:
    """Days in a row are one stretch, from top to bottom."""
    stretches: list[dict[str, float]] = []
    for day in sorted(unread):
        at = float((day - frame.first).days)
        if stretches and stretches[-1]["x2"] == at:
            stretches[-1]["x2"] = at + 1
        elif at >= 0:
            stretches.append({"x": at, "x2": at + 1})
    if stretches:
        values = [{**each, "x2": min(each["x2"], frame.end)} for each in stretches]
        across = {"x": _x(frame, labels=False), "x2": end("x2"), "y": {"value": 0}, "y2": {"value": HEIGHT}}
        yield marks("rect", values, across, fill=UNREAD, stroke=None, opacity=1)


def _lines(values: Sequence[dict[str, Any]], frame: Frame) -> Iterator[Spec]:
    shared = {
        "scale": {"domain": [0, frame.y_ticks[-1].at], "nice": False},
        "axis": axis(frame.y_ticks, title=None),
    }
    x, stretch = _x(frame, labels=False), word("stretch")
    band = {"x": x, "y": number("minimum", **shared), "y2": end("median"), "detail": stretch}
    yield marks("area", None, band, color=LINE, opacity=0.15)
    for field, width in (("median", 2), ("minimum", 1)):
        through = {"x": x, "y": number(field, **shared), "detail": stretch}
        yield marks("line", None, through, color=LINE, strokeWidth=width, strokeJoin="round")
    days_in = Counter(value["stretch"] for value in values)
    alone = [value for value in values if days_in[value["stretch"]] == 1]
    yield marks("point", alone, {"x": x, "y": number("median")}, color=LINE, filled=True, size=24, opacity=1)


def _end(last: Spec, label: str) -> list[Spec]:
    at = {**last, "text": label}
    style = {"align": "right", "baseline": "bottom", "dy": -8, "fontWeight": "bold", "color": LINE}
    return written(at, {"x": number("x"), "y": number("median")}, **style)


def _strip(most: int, frame: Frame) -> Spec:
    """How many offers: a jump that a new source brings is seen as such."""
    title = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleBaseline": "bottom"}
    y = number(
        "offers",
        scale={"domain": [0, most], "nice": False},
        axis={
            "values": [0, most],
            "format": "d",
            "grid": False,
            "title": frame.offers_title,
            "titleX": 0,
            "titleY": -4,
            **title,
        },
    )
    bars = {"x": _x(frame, labels=True), "x2": end("x2"), "y": y, "y2": {"datum": 0}, "tooltip": word("words")}
    return {**marks("rect", None, bars, color=MUTED, opacity=0.55), "width": WIDTH, "height": STRIP}
