"""What a GPU cost day by day, and one offer price by price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from service.presentation.charts.drawing import GROUND, MUTED, Drawing, Tick, axis, draw

if TYPE_CHECKING:
    import altair

WIDTH, HEIGHT, STRIP = 350, 170, 40
LINE: Final = "var(--s-on_demand)"
BAR: Final = 0.8  # of a day: what its bar takes of it
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
    import altair as alt

    values = list(_values(days, frame))
    layers = (
        *_hatches(alt, unread, frame),
        *_lines(alt, values, frame),
        *_end(alt, values, end_label),
        _answering(alt, values),
    )
    upper = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    return draw(alt.vconcat(upper, _strip(alt, values, frame), spacing=10).resolve_scale(x="shared"))


def of_offer(held: Sequence[Held], x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], length: float) -> Drawing:
    """A price holds until it changes: steps, with gaps where nothing was offered."""
    import altair as alt

    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=[0, max(length, 0.01)], nice=False),
        axis=alt.Axis(**axis(x_ticks, title=None, grid=False)),
    )
    y = alt.Y(
        "price:Q", scale=alt.Scale(domain=[0, y_ticks[-1].at], nice=False), axis=alt.Axis(**axis(y_ticks, title=None))
    )
    values: list[dict[str, Any]] = [
        {"start": each.start, "end": each.end, "price": each.price, "words": each.words} for each in held
    ]
    rises = [
        {"start": after["start"], "price": before["price"], "to": after["price"]}
        for before, after in pairwise(values)
        if after["start"] - before["end"] < 0.05
    ]
    layers = [
        alt.Chart(alt.InlineData(values))
        .mark_rule(color=LINE, strokeWidth=2, strokeCap="round")
        .encode(x=x, x2="end:Q", y=y, tooltip=alt.Tooltip("words:N"))
    ]
    if rises:
        layers.append(
            alt.Chart(alt.InlineData(rises))
            .mark_rule(color=LINE, strokeWidth=1)
            .encode(x="start:Q", y="price:Q", y2="to:Q")
        )
    return draw(alt.layer(*layers).properties(width=WIDTH, height=120))


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


def _x(alt: Any, frame: Frame, *, labels: bool) -> Any:
    scale = alt.Scale(domain=[0, frame.end], nice=False)
    return alt.X(
        "x:Q", scale=scale, axis=alt.Axis(**axis(frame.x_ticks, title=None, grid=False, labels=labels, labelFlush=True))
    )


def _hatches(alt: Any, unread: Sequence[date], frame: Frame) -> Iterator[altair.Chart]:
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
        top, bottom = alt.value(0), alt.value(HEIGHT)
        yield (
            alt.Chart(alt.InlineData(values))
            .mark_rect(fill=UNREAD, stroke=None, opacity=1)
            .encode(x=_x(alt, frame, labels=False), x2="x2:Q", y=top, y2=bottom)
        )


def _lines(alt: Any, values: Sequence[dict[str, Any]], frame: Frame) -> Iterator[altair.Chart]:
    x = _x(alt, frame, labels=False)
    scale = alt.Scale(domain=[0, frame.y_ticks[-1].at], nice=False)
    y_axis = alt.Axis(**axis(frame.y_ticks, title=None))
    data = alt.Chart(alt.InlineData(list(values)))
    yield data.mark_area(color=LINE, opacity=0.15).encode(
        x=x, y=alt.Y("minimum:Q", scale=scale, axis=y_axis), y2="median:Q", detail="stretch:N"
    )
    for field, width in (("median", 2), ("minimum", 1)):
        yield data.mark_line(color=LINE, strokeWidth=width, strokeJoin="round").encode(
            x=x, y=alt.Y(f"{field}:Q", scale=scale, axis=y_axis), detail="stretch:N"
        )
    alone = [value for value in values if [other["stretch"] for other in values].count(value["stretch"]) == 1]
    if alone:
        yield (
            alt.Chart(alt.InlineData(alone))
            .mark_point(color=LINE, filled=True, size=24, opacity=1)
            .encode(x=x, y="median:Q")
        )


def _answering(alt: Any, values: Sequence[dict[str, Any]]) -> Any:
    """What the pointer meets, above everything else."""
    data = alt.Chart(alt.InlineData(list(values)))
    return data.mark_point(size=140, opacity=0, filled=True).encode(
        x="x:Q", y="median:Q", tooltip=alt.Tooltip("words:N")
    )


def _end(alt: Any, values: Sequence[dict[str, Any]], label: str) -> Iterator[altair.Chart]:
    last = {**values[-1], "text": label}
    data = alt.Chart(alt.InlineData([last]))
    style = {"align": "right", "baseline": "bottom", "dy": -8, "fontWeight": "bold", "color": LINE}
    for rim in ({"stroke": GROUND, "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85}, {}):
        yield data.mark_text(**style, **rim).encode(x="x:Q", y="median:Q", text="text:N")


def _strip(alt: Any, values: Sequence[dict[str, Any]], frame: Frame) -> Any:
    """How many offers: a jump that a new source brings is seen as such."""
    most = max(value["offers"] for value in values)
    y = alt.Y(
        "offers:Q",
        scale=alt.Scale(domain=[0, most], nice=False),
        axis=alt.Axis(
            values=[0, most],
            format="d",
            grid=False,
            title=frame.offers_title,
            titleAngle=0,
            titleAlign="left",
            titleAnchor="end",
            titleY=-4,
            titleX=0,
            titleBaseline="bottom",
        ),
    )
    return (
        alt.Chart(alt.InlineData(list(values)))
        .mark_rect(color=MUTED, opacity=0.55)
        .encode(x=_x(alt, frame, labels=True), x2="x2:Q", y=y, y2=alt.datum(0), tooltip=alt.Tooltip("words:N"))
        .properties(width=WIDTH, height=STRIP)
    )
