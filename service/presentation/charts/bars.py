"""Where something goes, as bars in parts: the seconds of a step, the memory of a card, the money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.presentation.charts.drawing import (
    CONTROL,
    MUTED,
    TEXT,
    Drawing,
    Spec,
    Tick,
    axis,
    draw,
    end,
    marks,
    number,
    word,
)

WIDTH: Final = 390
BAR, LABEL = 32, 22  # pixels: a bar, and the words above it
CHARACTER: Final = 7.0  # pixels of a digit inside a part
EXTENT: Final[Spec] = {"x": number("x"), "x2": end("x2"), "y": number("y"), "y2": end("y2")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a bar."""

    amount: float
    color: int  # 1 to 6: the parts of the palette; its words' colour follows
    words: str  # "matmul: 3.1 s, 62 %"
    inside: str = ""  # written where it fits
    hatched: str = ""  # the name of a pattern in the page: this part is of another kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar with what it is; parts in their order from zero."""

    label: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line across a bar."""

    at: float
    label: str
    dashed: bool = False
    bar: int = 0


def stacked(bars: Sequence[Bar], ticks: Sequence[Tick], across: Sequence[Mark] = ()) -> Drawing:
    """These bars on one scale that starts at zero."""
    right = max([ticks[-1].at, *(sum(part.amount for part in bar.parts) for bar in bars)])
    height = len(bars) * (BAR + LABEL) + (4 if across else 0)
    parts = list(_parts(bars, right))
    frame = {
        "x": number("x", scale={"domain": [0, right], "nice": False}, axis=axis(ticks, title=None, grid=True)),
        "x2": end("x2"),
        "y": number("y", scale={"domain": [height, 0], "nice": False}, axis=None),
        "y2": end("y2"),
        "color": as_named("fill"),
    }
    layers = [
        marks("rect", parts, frame, stroke=CONTROL, strokeWidth=1),
        *_hatches(parts),
        *_words(parts, bars),
        *_across(across, right),
        marks("rect", parts, {**EXTENT, "tooltip": word("words")}, opacity=0),  # what the pointer meets
    ]
    return draw({"layer": layers, "width": WIDTH, "height": height})


def as_named(field: str) -> Spec:
    """A colour that the values name themselves."""
    return word(field, scale=None, legend=None)


def _parts(bars: Sequence[Bar], right: float) -> Iterator[dict[str, Any]]:
    for row, bar in enumerate(bars):
        start, top = 0.0, row * (BAR + LABEL) + LABEL
        for part in bar.parts:
            fits = part.amount / right * WIDTH > len(part.inside) * CHARACTER + 8
            yield {
                "x": start,
                "x2": start + part.amount,
                "y": top,
                "y2": top + BAR,
                "fill": f"var(--p{part.color})",
                "ink": f"var(--on-p{part.color})",
                "words": part.words,
                "inside": part.inside if fits else "",
                "middle": start + part.amount / 2,
                "center": top + BAR / 2,
                "hatch": f"url(#{part.hatched})" if part.hatched else "",
            }
            start += part.amount


def _hatches(parts: Sequence[dict[str, Any]]) -> Iterator[Spec]:
    hatched = [part for part in parts if part["hatch"]]
    if hatched:
        yield marks("rect", hatched, {**EXTENT, "color": as_named("hatch")}, stroke=None)


def _words(parts: Sequence[dict[str, Any]], bars: Sequence[Bar]) -> Iterator[Spec]:
    labels = [{"x": 0, "y": row * (BAR + LABEL) + LABEL - 6, "text": bar.label} for row, bar in enumerate(bars)]
    above = {"x": number("x"), "y": number("y"), "text": word("text")}
    yield marks("text", labels, above, align="left", baseline="bottom", color=TEXT)
    inside = [part for part in parts if part["inside"]]
    if inside:
        centred = {"x": number("middle"), "y": number("center"), "text": word("inside"), "color": as_named("ink")}
        yield marks("text", inside, centred, align="center", baseline="middle")


def _across(across: Sequence[Mark], right: float) -> Iterator[Spec]:
    for mark in across:
        top = mark.bar * (BAR + LABEL) + LABEL
        at = {"x": mark.at, "y": top - 4, "y2": top + BAR + 4, "above": top - 6, "text": mark.label}
        side = "right" if mark.at > right * 0.6 else "left"
        dash, offset = [4, 3] if mark.dashed else [1, 0], 3 if side == "right" else -3
        down = {"x": number("x"), "y": number("y"), "y2": end("y2")}
        yield marks("rule", [at], down, color=TEXT, strokeWidth=2, strokeDash=dash)
        words = {"x": number("x"), "y": number("above"), "text": word("text")}
        yield marks("text", [at], words, align=side, baseline="bottom", dx=offset, color=MUTED)
