"""Two ways to pay as lines over one thing that may change, with where they cross."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.presentation.charts.drawing import GROUND, MUTED, TEXT, Drawing, Tick, axis, draw

if TYPE_CHECKING:
    import altair

WIDTH, HEIGHT = 340, 220
BAND: Final = 0.15  # opacity of P10 to P90


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
    import altair as alt

    right, top = x_ticks[-1].at, y_ticks[-1].at
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[x_ticks[0].at, right], nice=False, clamp=True),
        axis=alt.Axis(**axis(x_ticks, title=x_title, grid=False, labelFlush=True)),
    )
    y = alt.Y(
        "y:Q", scale=alt.Scale(domain=[0, top], nice=False, clamp=True), axis=alt.Axis(**axis(y_ticks, title=None))
    )
    layers = [layer for line in lines for layer in _line(alt, line, x, y, top)]
    layers += [layer for upright in uprights for layer in _upright(alt, upright, right, top)]
    layers += _names(alt, lines, right, top)
    layers += [_answering(alt, line, top) for line in lines]
    return draw(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def _line(alt: Any, line: Line, x: Any, y: Any, top: float) -> Iterator[altair.Chart]:
    values = [{"x": p.x, "y": p.y, "low": min(p.low, top), "high": min(p.high, top)} for p in line.points]
    data = alt.Chart(alt.InlineData(values))
    yield data.mark_area(color=line.color, opacity=BAND, clip=True).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    dash = [6, 4] if line.dashed else [1, 0]
    yield data.mark_line(color=line.color, strokeWidth=2, strokeDash=dash, clip=True).encode(x=x, y=y)


def _answering(alt: Any, line: Line, top: float) -> Any:
    """What the pointer meets, above everything else."""
    values = [{"x": point.x, "y": point.y, "words": point.words} for point in line.points if point.y <= top]
    data = alt.Chart(alt.InlineData(values))
    return data.mark_point(size=240, opacity=0, filled=True).encode(x="x:Q", y="y:Q", tooltip=alt.Tooltip("words:N"))


def _upright(alt: Any, upright: Upright, right: float, top: float) -> Iterator[altair.Chart]:
    if upright.x > right:
        return
    crossing = upright.y is not None
    at = {"x": upright.x, "y": min(upright.y, top) if upright.y is not None else top, "zero": 0, "text": upright.label}
    data = alt.Chart(alt.InlineData([at]))
    yield data.mark_rule(color=TEXT if crossing else MUTED, strokeWidth=1, strokeDash=[2, 3]).encode(
        x="x:Q", y="zero:Q", y2="y:Q"
    )
    if crossing:
        yield data.mark_point(size=110, stroke=TEXT, strokeWidth=2, filled=False, opacity=1).encode(x="x:Q", y="y:Q")
    side = "right" if upright.x > right * 0.6 else "left"
    offset = -6 if side == "right" else 6
    place = {"baseline": "bottom", "dy": -4} if not crossing else {"baseline": "middle", "dy": 18}
    weight = "bold" if crossing else "normal"
    yield from _written(
        alt, at, "y" if crossing else "zero", align=side, dx=offset, fontWeight=weight, color=TEXT, **place
    )


def _written(alt: Any, at: dict[str, Any], y: str, **style: Any) -> Iterator[altair.Chart]:
    """Words over lines, with a rim in the colour of the ground."""
    data = alt.Chart(alt.InlineData([at]))
    for rim in ({"stroke": GROUND, "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85}, {}):
        yield data.mark_text(**style, **rim).encode(x="x:Q", y=f"{y}:Q", text="text:N")


def _names(alt: Any, lines: Sequence[Line], right: float, top: float) -> Iterator[altair.Chart]:
    """Each line's name above its end; where two ends meet, the lower one's stands below."""
    ends = sorted(lines, key=lambda line: -line.points[-1].y)
    above = None
    for line in ends:
        height = min(line.points[-1].y, top) / top * HEIGHT
        below = height > HEIGHT - 18 or (above is not None and above - height < 22)
        above = height
        at = {"x": right, "y": min(line.points[-1].y, top), "text": line.name}
        place = {"baseline": "top", "dy": 6} if below else {"baseline": "bottom", "dy": -5}
        yield from _written(alt, at, "y", align="right", color=line.color, fontWeight="bold", **place)
