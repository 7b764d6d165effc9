"""The medians of a few GPUs over the last weeks as a picture for mails: small multiples with a label at each end."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from service.reports.language import words
from service.reports.report import Median, Report

SHOWN: Final = 4
WIDTH, SCALE = 552, 2  # shown at 552 px, drawn at twice that
PADDING: Final = 12
PANEL_HEIGHT: Final = 64
NAMES, PRICES = 150, 76  # what is left and right of the lines
INK, MUTED, RULE, LINE = "#16191d", "#545b64", "#d7dbe0", "#12418f"


def as_png(report: Report) -> bytes | None:
    """The picture; None where no median has moved: a flat line says less than nothing."""
    shown = drawn_medians(report)
    return _drawn(json.dumps(_spec(shown, report.language), sort_keys=True)) if shown else None


def drawn_medians(report: Report) -> list[Median]:
    """Those with a past, as many as fit; none unless one of them moved."""
    shown = [median for median in report.medians if len(median.points) > 1][:SHOWN]
    return shown if any(_has_moved(median) for median in shown) else []


def _has_moved(median: Median) -> bool:
    prices = [point.median_usd for point in median.points]
    return max(prices) > min(prices) * 1.005


@lru_cache(maxsize=64)  # subscriptions of the same GPUs show the same picture
def _drawn(spec: str) -> bytes:
    import vl_convert  # loads a JavaScript engine: only what draws pays for it

    return vl_convert.vegalite_to_png(spec, scale=SCALE)


def _spec(shown: list[Median], language: str) -> dict[str, Any]:
    said = words(language)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "#ffffff",
        "padding": PADDING,
        "title": {
            "text": said.say("chart_unit"),
            "anchor": "start",
            "fontSize": 13,
            "fontWeight": "normal",
            "color": MUTED,
            "offset": 10,
        },
        "config": {"view": {"stroke": None}, "font": "DejaVu Sans, Liberation Sans, sans-serif"},
        "spacing": 14,
        "vconcat": [
            _panel(median, is_last=number == len(shown) - 1, language=language) for number, median in enumerate(shown)
        ],
    }


def _panel(median: Median, *, is_last: bool, language: str) -> dict[str, Any]:
    """One GPU: a step line, since a price holds until it changes; its own scale from zero."""
    values = [
        {"at": point.at.strftime("%Y-%m-%dT%H:%M:%SZ"), "usd": round(point.median_usd, 4)} for point in median.points
    ]
    top = max(point.median_usd for point in median.points) * 1.15
    scale = {"domain": [0, top], "nice": False}
    step = {"interpolate": "step-after", "color": LINE}
    end = {"data": {"values": values[-1:]}}
    price = words(language).usd_rate(median.median_usd)
    return {
        "width": WIDTH - 2 * PADDING - NAMES - PRICES,
        "height": PANEL_HEIGHT,
        "data": {"values": values},
        "encoding": {
            "x": {
                "field": "at",
                "type": "temporal",
                "scale": {"type": "utc"},
                "axis": _axis(language, is_shown=is_last),
            },
            "y": {"field": "usd", "type": "quantitative", "scale": scale, "axis": None},
        },
        "layer": [
            {"mark": {"type": "area", "opacity": 0.1, **step}},
            {"mark": {"type": "line", "strokeWidth": 2, **step}},
            end | {"mark": {"type": "point", "filled": True, "size": 50, "color": LINE, "opacity": 1}},
            end | {"mark": _text(price, 15, INK, dx=9, fontWeight="bold")},
            _beside(_text(median.gpu, 15, INK), PANEL_HEIGHT / 2 - 8),
            _beside(_text(_change(median, language), 13, MUTED), PANEL_HEIGHT / 2 + 9),
        ],
    }


def _axis(language: str, *, is_shown: bool) -> dict[str, Any]:
    return {
        "title": None,
        "labels": is_shown,
        "ticks": is_shown,
        "domainColor": RULE,
        "tickColor": RULE,
        "grid": False,
        "labelColor": MUTED,
        "labelFontSize": 13,
        "tickCount": 5,
        "format": "%d/%m" if language == "es" else "%-d %b",
        "labelFlush": True,
    }


def _text(text: str, size: int, color: str, **others: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, "align": "left", "fontSize": size, "color": color, **others}


def _beside(mark: dict[str, Any], y: float) -> dict[str, Any]:
    """To the left of the line, where names stand."""
    where = {"x": {"value": 2 - NAMES}, "y": {"value": y}}
    return {"data": {"values": [{}]}, "mark": {"baseline": "middle", "limit": NAMES - 8, **mark}, "encoding": where}


def _change(median: Median, language: str) -> str:
    """What the whole line shows."""
    said, first = words(language), median.points[0].median_usd
    change = 100 * (median.median_usd / first - 1) if first else 0.0
    days = (median.points[-1].at - median.points[0].at).days
    percent = said.signed_percent(change) if abs(change) >= 0.05 else f"±{said.percent(0)}"
    return f"{percent} · {said.span(median.points[-1].at - median.points[0].at)}" if days else percent
