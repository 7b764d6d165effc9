"""Cost against days as shapes in a fixed box: server-rendered SVG draws them, colours come from the stylesheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.presentation.numbers import TimeScale, tick_label, ticks, usd, usd_interval
from service.presentation.words import title
from service.ranking.option import Option

LEAST_USD = 0.01  # a log axis has no zero: free options stand at its lowest end
Extent = tuple[float, float, float, float]  # left, top, right, bottom

CHARACTER = 6.6  # pixels of one character of a 12 px label, for collisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The size of a chart and of its plot, in the pixels of its own."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    most_points: int
    most_labels: int


WIDE = Box(width=960, height=400, left=64, right=936, top=34, bottom=354, most_points=500, most_labels=8)
NARROW = Box(width=360, height=320, left=58, right=342, top=32, bottom=272, most_points=150, most_labels=3)


@dataclass(frozen=True, slots=True)
class Axis:
    """A log axis from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        clamped = min(max(value, self.low), self.high)
        along = math.log(clamped / self.low) / math.log(self.high / self.low)
        return round(self.start + along * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: float
    y: float
    series: str  # yours, on_demand, spot, reserved
    important: bool  # on the frontier, or one's own
    whisker: tuple[float, float, float, float] | None  # left, right, top, bottom
    words: str  # what a tooltip says: the same numbers as the row


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    y: float
    anchor: str  # start, end
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    box: Box
    days_ticks: tuple[Tick, ...]
    usd_ticks: tuple[Tick, ...]
    points: tuple[Point, ...]
    frontier: str  # path of the step line
    labels: tuple[Label, ...]
    deadline: float | None
    budget: float | None
    unit: str
    drawn: int
    of: int
    summary: str
    frontier_options: tuple[Option, ...]


def cost_against_days(
    options: Sequence[Option], scale: TimeScale, deadline_days: float | None, budget_usd: float | None, box: Box = WIDE
) -> Chart | None:
    """The chart of these options, or none where there is nothing to compare."""
    if len(options) < 2:
        return None
    days = _axis([scale.of(v) for option in options for v in (option.days.p10, option.days.p90)], box.left, box.right)
    cost = _axis([v for option in options for v in (option.cost_usd.p10, option.cost_usd.p90)], box.bottom, box.top)
    frontier = sorted((option for option in options if option.on_frontier), key=lambda option: option.days.p50)
    drawn = _drawn(options, box.most_points)
    return Chart(
        box=box,
        days_ticks=tuple(Tick(days(value), tick_label(value)) for value in ticks(days.low, days.high)),
        usd_ticks=tuple(Tick(cost(value), f"${tick_label(value)}") for value in ticks(cost.low, cost.high)),
        points=tuple(_point(option, scale, days, cost) for option in drawn),
        frontier=_steps([(days(scale.of(o.days.p50)), cost(o.cost_usd.p50)) for o in frontier]),
        labels=tuple(_labels(options, frontier, scale, days, cost, box)),
        deadline=None if deadline_days is None else days(scale.of(deadline_days)),
        budget=None if budget_usd is None else cost(budget_usd),
        unit=scale.unit,
        drawn=len(drawn),
        of=len(options),
        summary=_summary(options, frontier, scale),
        frontier_options=tuple(frontier),
    )


def series(option: Option) -> str:
    return "yours" if option.offer is None else option.offer.pricing


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    positive = [max(value, LEAST_USD) for value in values]
    steps = ticks(min(positive), max(positive))
    low, high = (steps[0], steps[-1]) if steps[-1] > steps[0] else (steps[0] / 2, steps[0] * 2)
    return Axis(low, high, start, end)


def _drawn(options: Sequence[Option], most: int) -> list[Option]:
    """The frontier and one's own machines come last, on top; the others are sampled by rank when there are many."""
    important = [option for option in options if option.on_frontier or option.kind == "local"]
    others = [option for option in options if not (option.on_frontier or option.kind == "local")]
    step = max(1, math.ceil(len(others) / max(1, most - len(important))))
    return [*others[::step], *sorted(important, key=lambda option: option.kind == "local")]


def _point(option: Option, scale: TimeScale, days: Axis, cost: Axis) -> Point:
    important = option.on_frontier or option.kind == "local"
    whisker = None
    if important:
        left, right = days(scale.of(option.days.p10)), days(scale.of(option.days.p90))
        whisker = (left, right, cost(option.cost_usd.p90), cost(option.cost_usd.p10))
    return Point(
        x=days(scale.of(option.days.p50)),
        y=cost(option.cost_usd.p50),
        series=series(option),
        important=important,
        whisker=whisker,
        words=_words(option, scale),
    )


def _words(option: Option, scale: TimeScale) -> str:
    between, spread = scale.range_in_words(option.days), usd_interval(option.cost_usd)
    days = scale.words(option.days.p50) + (f" ({between})" if between else "")
    return f"{title(option)}: {days}, {usd(option.cost_usd.p50)}" + (f" ({spread})" if spread else "")


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """A line that keeps its height until the next, cheaper option is reached."""
    if len(corners) < 2:
        return ""
    path = f"M{corners[0][0]} {corners[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in corners[1:])


def _labels(
    options: Sequence[Option], frontier: Sequence[Option], scale: TimeScale, days: Axis, cost: Axis, box: Box
) -> list[Label]:
    """Names beside one's own machines and the frontier; its two ends come first, and what would collide is dropped."""
    own = [option for option in options if option.kind == "local"]
    ends = [frontier[0], frontier[-1]] if frontier else []
    wanted = dict.fromkeys(option.id for option in [*own, *ends, *frontier])
    by_id = {option.id: option for option in options}
    placed: list[Extent] = []
    labels: list[Label] = []
    for option_id in wanted:
        if len(labels) == box.most_labels:
            break
        x, y = days(scale.of(by_id[option_id].days.p50)), cost(by_id[option_id].cost_usd.p50)
        spots = _spots(x, y, _name(by_id[option_id]))
        label = next((spot for spot in spots if _is_free(_extent(spot), placed, box)), None)
        if label:
            placed.append(_extent(label))
            labels.append(label)
    return labels


def _name(option: Option) -> str:
    machine = f"{option.machine.gpu_count}× {option.machine.gpu}"
    if option.offer is None:
        return f"your {machine}"
    return f"{machine}, {option.offer.pricing.replace('_', ' ')}"


def _spots(x: float, y: float, text: str) -> list[Label]:
    """Where a label may stand: right of its point or left of it, above or below."""
    return [Label(x + side, y + up, anchor, text) for side, anchor in ((12, "start"), (-12, "end")) for up in (-8, 16)]


def _extent(label: Label) -> Extent:
    width = len(label.text) * CHARACTER
    left = label.x if label.anchor == "start" else label.x - width
    return left, label.y - 12, left + width, label.y + 4


def _is_free(extent: Extent, placed: Sequence[Extent], box: Box) -> bool:
    left, top, right, bottom = extent
    inside = left > box.left and right < box.width and top > box.top - 12 and bottom < box.bottom
    return inside and all(right < o[0] or o[2] < left or bottom < o[1] or o[3] < top for o in placed)


def _summary(options: Sequence[Option], frontier: Sequence[Option], scale: TimeScale) -> str:
    """The chart in words, for those who do not see it."""
    start = f"Scatter of {len(options):,} options."
    if len(frontier) < 2:
        return start
    soonest, cheapest = frontier[0], frontier[-1]
    saved = scale.words(cheapest.days.p50 - soonest.days.p50)
    more = usd(soonest.cost_usd.p50 - cheapest.cost_usd.p50)
    return (
        f"{start} {len(frontier)} form the frontier, from {title(cheapest)} to {title(soonest)}."
        f" Paying {more} more saves {saved}."
    )
