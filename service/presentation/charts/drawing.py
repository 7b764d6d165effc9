"""A spec becomes an SVG that a page holds inline, in colours of the stylesheet; and the script that draws it again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final

from markupsafe import Markup

SANS: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
TEXT, MUTED, RULE, CONTROL = "var(--text)", "var(--muted)", "var(--rule)", "var(--control)"
GROUND: Final = "var(--bg)"
LIBRARY: Final = version("vl-convert-python")  # its bundle differs with it and with nothing else

# What the page's own script calls. `ast`: the interpreter, since the policy of our pages forbids making code from text.
SNIPPET: Final = """
window.rigOrRentChart = (element, spec) => vegaEmbed(element, spec, {
  ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: {disableDefaultStyle: true},
});
"""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in a page: the SVG for everybody, the spec for those with script."""

    svg: Markup
    spec: Markup


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    text: str


def draw(chart: Any) -> Drawing:
    """An Altair chart in the page's type and colours."""
    spec = json.dumps(_themed(chart).to_dict(validate=False), separators=(",", ":"))
    return Drawing(svg=Markup(_svg(spec)), spec=Markup(spec.replace("<", "\\u003c")))


def _themed(chart: Any) -> Any:
    return (
        chart.configure(font=SANS, background="transparent", padding=1)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=MUTED,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor=RULE,
            tickColor=RULE,
            domain=False,
            ticks=False,
            labelPadding=6,
            labelOverlap=False,
        )
        .configure_text(color=TEXT, fontSize=12)
    )


@lru_cache(maxsize=512)
def _svg(spec: str) -> str:
    import vl_convert  # loads a JavaScript engine: only what draws pays for it

    return _for_pages(vl_convert.vegalite_to_svg(spec))


def _for_pages(svg: str) -> str:
    """Without what a picture in a page must not have: roles of its own (its figure speaks) and a fixed size."""
    inside = re.sub(
        r"^<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'<svg class="drawn" \1 aria-hidden="true">', svg, count=1
    )
    return re.sub(
        r' (?:role|aria-roledescription|aria-label|aria-hidden)="[^"]*"(?=[^>]*>)', _keep_first(inside), inside
    )


def _keep_first(svg: str) -> Any:
    end = svg.index(">")
    return lambda match: match[0] if match.start() < end else ""


def axis(ticks: Sequence[Tick], **settings: Any) -> dict[str, Any]:
    """An axis whose labels are written by us: what stands at each tick is looked up."""
    values = [tick.at for tick in ticks]
    texts = json.dumps([tick.text for tick in ticks])
    return {"values": values, "labelExpr": f"{texts}[indexof({json.dumps(values)}, datum.value)]", **settings}


@cache
def script() -> bytes:
    """Vega with all it needs, served by ourselves: made from the library's own copy, never fetched."""
    import vl_convert

    return vl_convert.javascript_bundle(SNIPPET).encode()
