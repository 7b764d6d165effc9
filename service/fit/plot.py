"""Predicted against measured tokens per second, and their ratio, as an SVG of a few lines; axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from service.fit.fitting import Point

SIZE, EDGE = 600, 80
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa8800", "#66ccee", "#aa3377", "#777777", "#dd7700")  # Tol's, told apart
LEGEND = 8  # sources with the most runs are named
RESIDUALS, FURTHEST = 240, 2.5  # height of the lower panel, and the factor at its upper edge
STYLE = "text{font:11px system-ui,sans-serif;fill:#444}@media(prefers-color-scheme:dark){text{fill:#bbb}}"


def scatter(points: Sequence[Point]) -> str:
    """Each run as its own source left out predicts it, and below the same as a ratio; dashes are 30 % off."""
    low = math.floor(math.log10(min(min(one.measured, one.predicted) for one in points)))
    high = math.ceil(math.log10(max(max(one.measured, one.predicted) for one in points)))

    def place(rate: float) -> float:
        return (math.log10(rate) - low) / (high - low) * (SIZE - 2 * EDGE) + EDGE

    named = _named(points)
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE + RESIDUALS}" role="img">',
            "<title>Tokens per second and GPU: predicted against measured</title>",
            f"<style>{STYLE}</style>",
            *(_grid(10.0**power, place(10.0**power)) for power in range(low, high + 1)),
            *(_diagonal(factor, low, high) for factor in (1.0, 1.3, 1 / 1.3)),
            *(_dot(one, place(one.measured), SIZE - place(one.predicted), _colour(one, named)) for one in points),
            *(_name(row, source) for row, source in enumerate(named)),
            *(_ratio_line(ratio) for ratio in (1 / FURTHEST, 1 / 1.3, 1.0, 1.3, FURTHEST)),
            *(_rest(one, place(one.measured), _colour(one, named)) for one in points),
            f'<text x="{SIZE / 2}" y="{SIZE + RESIDUALS - 12}" text-anchor="middle">measured tokens/s per GPU</text>',
            f'<text transform="translate(14 {SIZE / 2}) rotate(-90)" text-anchor="middle">',
            "predicted, its source left out of the fit</text>",
            f'<text transform="translate(14 {_ratio_at(1.0):.0f}) rotate(-90)" text-anchor="middle">',
            "over measured</text></svg>\n",
        ]
    )


def _named(points: Sequence[Point]) -> list[str]:
    sources = [one.source for one in points]
    return sorted(dict.fromkeys(sources), key=lambda source: -sources.count(source))[:LEGEND]


def _colour(point: Point, named: Sequence[str]) -> str:
    return COLOURS[named.index(point.source)] if point.source in named else "#bbbbbb"


def _grid(rate: float, at: float) -> str:
    ends, label = SIZE - EDGE, f"{rate:,.0f}"
    return (
        f'<path d="M{at:.0f} {EDGE}V{ends}M{EDGE} {SIZE - at:.0f}H{ends}" stroke="#8884"/>'
        f'<text x="{at:.0f}" y="{ends + 16}" text-anchor="middle">{label}</text>'
        f'<text x="{EDGE - 6}" y="{SIZE - at + 4:.0f}" text-anchor="end">{label}</text>'
    )


def _diagonal(factor: float, low: int, high: int) -> str:
    span = SIZE - 2 * EDGE
    shift = math.log10(factor) / (high - low) * span
    began, ended = max(0.0, -shift), min(span, span - shift)
    dashes = "" if factor == 1 else ' stroke-dasharray="5 4"'
    x1, y1 = EDGE + began, SIZE - EDGE - began - shift
    x2, y2 = EDGE + ended, SIZE - EDGE - ended - shift
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#888"{dashes}/>'


def _dot(point: Point, x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}" fill-opacity=".75"/>'


def _ratio_at(ratio: float) -> float:
    """The height of a ratio in the lower panel; what is further off lies on its edge."""
    share = math.log(min(max(ratio, 1 / FURTHEST), FURTHEST)) / math.log(FURTHEST)
    return SIZE + (RESIDUALS - EDGE) / 2 * (1 - share)


def _ratio_line(ratio: float) -> str:
    dashes = ' stroke-dasharray="5 4"' if ratio in (1.3, 1 / 1.3) else ""
    y, label = _ratio_at(ratio), f"{ratio:.2g} x"
    return (
        f'<path d="M{EDGE} {y:.1f}H{SIZE - EDGE}" stroke="{"#888" if 0.5 < ratio < 2 else "#8884"}"{dashes}/>'
        f'<text x="{EDGE - 6}" y="{y + 4:.0f}" text-anchor="end">{label}</text>'
    )


def _rest(point: Point, x: float, colour: str) -> str:
    y = _ratio_at(point.predicted / point.measured)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}" fill-opacity=".75"/>'


def _name(row: int, source: str) -> str:
    y = EDGE + 14 + 16 * row
    return (
        f'<circle cx="{EDGE + 12}" cy="{y - 4}" r="4" fill="{COLOURS[row]}"/>'
        f'<text x="{EDGE + 22}" y="{y}">{escape(source)}</text>'
    )
