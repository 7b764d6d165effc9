"""Two ways to pay as lines over one thing that may change, with where they cross."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from service.presentation.charts.drawing import (
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
    written,
)

WIDTH, HEIGHT = 340, 220
BAND: Final = 0.15  # opacity of P10 to P90
PLACE: Final[Spec] = {"x": number("x"), "y": number("y")}


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    low: float  # P10
    high: float  # P90
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    color: str
    points: tuple[Point, ...]
    dashed: bool = False  # not by colour alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Upright:
    """A line from the x axis up: where one stands, or where the lines cross."""

    x: float
    y: float | None  # of a crossing
    label: str


def crossing_lines(
    lines: Sequence[Line], x_title: str, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], uprights: Sequence[Upright]
) -> Drawing:
    """The lines from zero, each with its band and its name at its end."""
    right, top = x_ticks[-1].at, y_ticks[-1].at
    x_scale, y_scale = (
        {"domain": [low, high], "nice": False, "clamp": True} for low, high in ((x_ticks[0].at, right), (0, top))
    )
    x = number("x", scale=x_scale, axis=axis(x_ticks, title=x_title, grid=False, labelFlush=True))
    y = number("y", scale=y_scale, axis=axis(y_ticks, title=None))
    layers = [layer for line in lines for layer in _line(line, x, y, top)]
    layers += [layer for upright in uprights for layer in _upright(upright, right, top)]
    layers += _names(lines, right, top)
    layers += [_answering(line, top) for line in lines]
    return draw({"layer": layers, "width": WIDTH, "height": HEIGHT})


def _line(line: Line, x: Spec, y: Spec, top: float) -> Iterator[Spec]:
    values = [{"x": p.x, "y": p.y, "low": min(p.low, top), "high": min(p.high, top)} for p in line.points]
    band = {"x": x, "y": number("low"), "y2": end("high")}
    yield marks("area", values, band, color=line.color, opacity=BAND, clip=True)
    dash = [6, 4] if line.dashed else [1, 0]
    yield marks("line", values, {"x": x, "y": y}, color=line.color, strokeWidth=2, strokeDash=dash, clip=True)


def _answering(line: Line, top: float) -> Spec:
    """What the pointer meets, above everything else."""
    values = [{"x": point.x, "y": point.y, "words": point.words} for point in line.points if point.y <= top]
    return marks("point", values, {**PLACE, "tooltip": word("words")}, size=240, opacity=0, filled=True)


def _upright(upright: Upright, right: float, top: float) -> Iterator[Spec]:
    if upright.x > right:
        return
    crossing = upright.y is not None
    at = {"x": upright.x, "y": min(upright.y, top) if upright.y is not None else top, "zero": 0, "text": upright.label}
    rise = {"x": number("x"), "y": number("zero"), "y2": end("y")}
    yield marks("rule", [at], rise, color=TEXT if crossing else MUTED, strokeWidth=1, strokeDash=[2, 3])
    if crossing:
        yield marks("point", [at], PLACE, size=110, stroke=TEXT, strokeWidth=2, filled=False, opacity=1)
    side = "right" if upright.x > right * 0.6 else "left"
    offset = -6 if side == "right" else 6
    place = {"baseline": "bottom", "dy": -4} if not crossing else {"baseline": "middle", "dy": 18}
    weight = "bold" if crossing else "normal"
    stands = {"x": number("x"), "y": number("y" if crossing else "zero")}
    yield from written(at, stands, align=side, dx=offset, fontWeight=weight, color=TEXT, **place)


def _names(lines: Sequence[Line], right: float, top: float) -> Iterator[Spec]:
    """Each line's name above its end; where two ends meet, the lower one's stands below."""
    ends = sorted(lines, key=lambda line: -line.points[-1].y)
    above = None
    for line in ends:
        height = min(line.points[-1].y, top) / top * HEIGHT
        below = height > HEIGHT - 18 or (above is not None and above - height < 22)
        above = height
        at = {"x": right, "y": min(line.points[-1].y, top), "text": line.name}
        place = {"baseline": "top", "dy": 6} if below else {"baseline": "bottom", "dy": -5}
        yield from written(at, PLACE, align="right", color=line.color, fontWeight="bold", **place)
