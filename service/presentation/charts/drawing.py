"""A spec becomes an SVG that a page holds inline, in colours of the stylesheet; and the script that draws it again."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, TypeAlias

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


Spec: TypeAlias = Mapping[str, Any]  # what Vega-Lite reads, or a part of it

THEME: Final[Spec] = {
    "font": SANS,
    "background": "transparent",
    "padding": 1,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": RULE,
        "tickColor": RULE,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "labelOverlap": False,
    },
    "text": {"color": TEXT, "fontSize": 12},
}


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


def draw(chart: Spec) -> Drawing:
    """A chart in the page's type and colours."""
    spec = json.dumps({**chart, "config": THEME}, separators=(",", ":"))
    return Drawing(svg=Markup(_svg(spec)), spec=Markup(spec.replace("<", "\\u003c")))


def warm_up() -> None:
    """Start the engine that draws, so that no reader waits for it: some 0.3 s."""
    draw({**marks("point", [{"x": 0}], {"x": number("x")}), "width": 1, "height": 1})


# Pieces of specs: plain Vega-Lite, since building its objects in Altair takes longer than drawing them ----------------


def marks(kind: str, values: Sequence[Spec] | None, encoding: Spec, **style: Any) -> Spec:
    """One layer: a mark for each value, or a line through them. None: the values of the whole chart."""
    data = {} if values is None else {"data": {"values": values}}
    return {**data, "mark": {"type": kind, **style}, "encoding": encoding}


def number(name: str, **settings: Any) -> Spec:
    return {"field": name, "type": "quantitative", **settings}


def word(name: str, **settings: Any) -> Spec:
    return {"field": name, "type": "nominal", **settings}


def end(name: str) -> Spec:
    """Where a mark ends that began elsewhere: the second x or y."""
    return {"field": name}


def written(at: Spec, encoding: Spec, **style: Any) -> list[Spec]:
    """Words over lines, with a rim in the colour of the ground."""
    rim = {"stroke": GROUND, "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85}
    return [marks("text", [at], {**encoding, "text": word("text")}, **style, **more) for more in (rim, {})]


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


def script() -> str:
    """Vega with all it needs, served by ourselves: made from the library's own copy, never fetched."""
    import vl_convert

    return vl_convert.javascript_bundle(SNIPPET)


if __name__ == "__main__":  # in a process of its own, since making it takes a second in which nothing else may run
    sys.stdout.write(script())
