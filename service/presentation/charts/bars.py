"""Where something goes, as bars in parts: the seconds of a step, the memory of a card, the money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.presentation.charts.drawing import CONTROL, MUTED, TEXT, Drawing, Tick, axis, draw

if TYPE_CHECKING:
    import altair

WIDTH: Final = 390
BAR, LABEL = 32, 22  # pixels: a bar, and the words above it
CHARACTER: Final = 7.0  # pixels of a digit inside a part


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


def stacked(bars: Sequence[Bar], ticks: Sequence[Tick], marks: Sequence[Mark] = ()) -> Drawing:
    """These bars on one scale that starts at zero."""
    import altair as alt

    end = max([ticks[-1].at, *(sum(part.amount for part in bar.parts) for bar in bars)])
    height = len(bars) * (BAR + LABEL) + (4 if marks else 0)
    x = alt.Scale(domain=[0, end], nice=False)
    y = alt.Scale(domain=[height, 0], nice=False)
    parts = list(_parts(bars, end))
    layers: list[Any] = [
        alt.Chart(alt.InlineData(parts))
        .mark_rect(stroke=CONTROL, strokeWidth=1)
        .encode(
            x=alt.X("x:Q", scale=x, axis=alt.Axis(**axis(ticks, title=None, grid=True))),
            x2="x2:Q",
            y=alt.Y("y:Q", scale=y, axis=None),
            y2="y2:Q",
            color=alt.Color("fill:N", scale=None, legend=None),
        ),
        *_hatches(alt, parts),
        *_words(alt, parts, bars),
        *_marks(alt, marks, end),
        _answering(alt, parts),
    ]
    return draw(alt.layer(*layers).properties(width=WIDTH, height=height))


def _parts(bars: Sequence[Bar], end: float) -> Iterator[dict[str, Any]]:
    for row, bar in enumerate(bars):
        start, top = 0.0, row * (BAR + LABEL) + LABEL
        for part in bar.parts:
            fits = part.amount / end * WIDTH > len(part.inside) * CHARACTER + 8
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


def _hatches(alt: Any, parts: Sequence[dict[str, Any]]) -> Iterator[altair.Chart]:
    hatched = [part for part in parts if part["hatch"]]
    if hatched:
        yield (
            alt.Chart(alt.InlineData(hatched))
            .mark_rect(stroke=None)
            .encode(x="x:Q", x2="x2:Q", y="y:Q", y2="y2:Q", color=alt.Color("hatch:N", scale=None))
        )


def _answering(alt: Any, parts: Sequence[dict[str, Any]]) -> Any:
    """What the pointer meets, above everything else."""
    met = [{name: part[name] for name in ("x", "x2", "y", "y2", "words")} for part in parts]
    data = alt.Chart(alt.InlineData(met))
    return data.mark_rect(opacity=0).encode(x="x:Q", x2="x2:Q", y="y:Q", y2="y2:Q", tooltip=alt.Tooltip("words:N"))


def _words(alt: Any, parts: Sequence[dict[str, Any]], bars: Sequence[Bar]) -> Iterator[altair.Chart]:
    inside = [part for part in parts if part["inside"]]
    labels = [{"x": 0, "y": row * (BAR + LABEL) + LABEL - 6, "text": bar.label} for row, bar in enumerate(bars)]
    yield (
        alt.Chart(alt.InlineData(labels))
        .mark_text(align="left", baseline="bottom", color=TEXT)
        .encode(x="x:Q", y="y:Q", text="text:N")
    )
    if inside:
        yield (
            alt.Chart(alt.InlineData(inside))
            .mark_text(align="center", baseline="middle")
            .encode(x="middle:Q", y="center:Q", text="inside:N", color=alt.Color("ink:N", scale=None))
        )


def _marks(alt: Any, marks: Sequence[Mark], end: float) -> Iterator[altair.LayerChart]:
    for mark in marks:
        top = mark.bar * (BAR + LABEL) + LABEL
        at = {"x": mark.at, "y": top - 4, "y2": top + BAR + 4, "above": top - 6, "text": mark.label}
        side = "right" if mark.at > end * 0.6 else "left"
        data = alt.Chart(alt.InlineData([at]))
        yield alt.layer(
            data.mark_rule(color=TEXT, strokeWidth=2, strokeDash=[4, 3] if mark.dashed else [1, 0]).encode(
                x="x:Q", y="y:Q", y2="y2:Q"
            ),
            data.mark_text(align=side, baseline="bottom", dx=3 if side == "right" else -3, color=MUTED).encode(
                x="x:Q", y="above:Q", text="text:N"
            ),
        )
