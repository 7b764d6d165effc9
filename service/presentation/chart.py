"""Cost against days as shapes in a fixed box: server-rendered SVG draws them, colours come from the stylesheet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from service.presentation.language import Language
from service.presentation.language import marked as _
from service.presentation.numbers import TimeScale, even_ticks, tick_label, ticks
from service.presentation.words import PRICING, machine, title
from service.ranking.option import Option

LEAST_USD = 0.01  # a log axis has no zero: free options stand at its lowest end
WIDE_SPREAD = 20  # from this ratio between the largest and the smallest on, an axis is logarithmic unless told
Kind = Literal["log", "linear"]
Extent = tuple[float, float, float, float]  # left, top, right, bottom

CHARACTER, BOLD_CHARACTER = 7.0, 8.0  # pixels of one character of a 12 px label, for collisions
MARKER = 7.0  # pixels from the middle of a point to its rim
LINE = 2.0  # pixels that a label keeps from the frontier
FIRST = 10  # options of the table whose range is shown too


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
    """An axis from values to pixels."""

    steps: tuple[float, ...]
    start: float
    end: float
    kind: Kind

    @property
    def low(self) -> float:
        return self.steps[0]

    @property
    def high(self) -> float:
        return self.steps[-1]

    def __call__(self, value: float) -> float:
        clamped = min(max(value, self.low), self.high)
        if self.kind == "log":
            along = math.log(clamped / self.low) / math.log(self.high / self.low)
        else:
            along = clamped / self.high
        return round(self.start + along * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    id: str  # of its option
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
    own: bool


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
    days_kind: Kind
    usd_kind: Kind
    drawn: int
    of: int
    summary: str
    frontier_options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader may ask of the chart."""

    of: int  # how many options there are; those that are drawn are some of them
    deadline_days: float | None = None
    budget_usd: float | None = None
    x: Kind | None = None  # None: as the spread asks for
    y: Kind | None = None


def cost_against_days(options: Sequence[Option], scale: TimeScale, asked: Asked, box: Box = WIDE) -> Chart | None:
    """The chart of these options, or none where there is nothing to compare."""
    if len(options) < 2:
        return None
    place = _places(options, scale, asked, box)
    language = scale.language
    frontier = sorted((option for option in options if option.on_frontier), key=lambda option: option.days.p50)
    drawn = _drawn(options, box.most_points)
    days, cost = place.days, place.cost
    return Chart(
        box=box,
        days_ticks=tuple(Tick(days(value), tick_label(value, language)) for value in days.steps),
        usd_ticks=tuple(Tick(cost(value), _amount(value, language)) for value in cost.steps),
        points=tuple(_point(option, place) for option in drawn),
        frontier=_steps([place.of(option) for option in frontier]),
        labels=tuple(_labels(options, frontier, place, box)),
        deadline=None if asked.deadline_days is None else days(scale.of(asked.deadline_days)),
        budget=None if asked.budget_usd is None else place.usd(asked.budget_usd),
        days_kind=days.kind,
        usd_kind=cost.kind,
        drawn=len(drawn),
        of=asked.of,
        summary=_summary(asked.of, frontier, scale),
        frontier_options=tuple(frontier),
    )


def _amount(value: float, language: Language) -> str:
    """On the axis of cost: with its sign where that is short; the axis' title has it anyway."""
    written = tick_label(value, language)
    return language.with_symbol(written) if language.money.before and len(language.money.symbol) == 1 else written


def series(option: Option) -> str:
    return "yours" if option.offer is None else option.offer.pricing


@dataclass(frozen=True, slots=True)
class Places:
    """Where options stand."""

    scale: TimeScale
    days: Axis
    cost: Axis

    def of(self, option: Option) -> tuple[float, float]:
        return self.days(self.scale.of(option.days.p50)), self.usd(option.cost_usd.p50)

    def usd(self, amount: float) -> float:
        return self.cost(amount * self.scale.language.money.per_usd)


def _places(options: Sequence[Option], scale: TimeScale, asked: Asked, box: Box) -> Places:
    per_usd = scale.language.money.per_usd
    days = [(scale.of(o.days.p10), scale.of(o.days.p50), scale.of(o.days.p90)) for o in options]
    cost = [(o.cost_usd.p10 * per_usd, o.cost_usd.p50 * per_usd, o.cost_usd.p90 * per_usd) for o in options]
    return Places(scale, _axis(days, asked.x, box.left, box.right), _axis(cost, asked.y, box.bottom, box.top))


def _axis(values: Sequence[tuple[float, float, float]], asked: Kind | None, start: float, end: float) -> Axis:
    """Round steps around all of P10 to P90; logarithmic where the largest P50 is many times the smallest."""
    middles = [max(middle, LEAST_USD) for _, middle, _ in values]
    kind: Kind = asked or ("log" if max(middles) / min(middles) > WIDE_SPREAD else "linear")
    low, high = min(max(value[0], LEAST_USD) for value in values), max(max(value[2], LEAST_USD) for value in values)
    steps = ticks(low, high) if kind == "log" else even_ticks(high)
    if len(steps) < 2:
        steps = [steps[0] / 2, steps[0] * 2]
    return Axis(tuple(steps), start, end, kind)


def _drawn(options: Sequence[Option], most: int) -> list[Option]:
    """The frontier and one's own machines come last, on top; the others are sampled by rank when there are many."""
    important = [option for option in options if option.on_frontier or option.kind == "local"]
    ordinary = [option for option in options if not (option.on_frontier or option.kind == "local")]
    first = [option for option in ordinary if option.rank <= FIRST]
    others = [option for option in ordinary if option.rank > FIRST]
    step = max(1, math.ceil(len(others) / max(1, most - len(important) - len(first))))
    return [*others[::step], *first, *sorted(important, key=lambda option: option.kind == "local")]


def _point(option: Option, place: Places) -> Point:
    important = option.on_frontier or option.kind == "local"
    x, y = place.of(option)
    return Point(
        id=option.id,
        x=x,
        y=y,
        series=series(option),
        important=important,
        whisker=_whisker(option, place) if important or option.rank <= FIRST else None,
        words=_words(option, place.scale),
    )


def _whisker(option: Option, place: Places) -> Extent:
    left, right = (place.days(place.scale.of(days)) for days in (option.days.p10, option.days.p90))
    return left, right, place.usd(option.cost_usd.p90), place.usd(option.cost_usd.p10)


def _words(option: Option, scale: TimeScale) -> str:
    language = scale.language
    between, spread = scale.range_in_words(option.days), language.usd_interval(option.cost_usd)
    days = scale.words(option.days.p50) + (f" ({between})" if between else "")
    cost = language.usd(option.cost_usd.p50) + (f" ({spread})" if spread else "")
    return f"{title(option, language)}: {days}, {cost}"


def _steps(corners: Sequence[tuple[float, float]]) -> str:
    """A line that keeps its height until the next, cheaper option is reached."""
    if len(corners) < 2:
        return ""
    path = f"M{corners[0][0]} {corners[0][1]}"
    return path + "".join(f"H{x}V{y}" for x, y in corners[1:])


def _labels(options: Sequence[Option], frontier: Sequence[Option], place: Places, box: Box) -> list[Label]:
    """Names beside one's own machines and the frontier; its two ends come first, and what would collide is dropped."""
    own = [option for option in options if option.kind == "local"]
    ends = [frontier[0], frontier[-1]] if frontier else []
    wanted = {option.id: option for option in [*own, *ends, *frontier]}
    taken = list(_obstacles([place.of(option) for option in own], [place.of(option) for option in frontier]))
    labels: list[Label] = []
    for option in wanted.values():
        if len(labels) == box.most_labels:
            break
        spots = _spots(*place.of(option), _name(option, place.scale.language), option.offer is None)
        label = next((spot for spot in spots if _is_free(_extent(spot), taken, box)), None)
        if label:
            taken.append(_extent(label))
            labels.append(label)
    return labels


def _obstacles(own: Sequence[tuple[float, float]], frontier: Sequence[tuple[float, float]]) -> Iterator[Extent]:
    """What a label must not cover: points that matter, and the steps between those of the frontier."""
    for x, y in (*own, *frontier):
        yield x - MARKER, y - MARKER, x + MARKER, y + MARKER
    for (x, y), (next_x, next_y) in pairwise(frontier):
        yield x, y - LINE, next_x, y + LINE
        yield next_x - LINE, min(y, next_y), next_x + LINE, max(y, next_y)


def _name(option: Option, language: Language) -> str:
    if option.offer is None:
        own = option.machine.gpu if option.machine.gpu_count == 1 else machine(option)
        return language.text("your {machine}", machine=own)
    return f"{machine(option)}, {language.text(PRICING[option.offer.pricing])}"


def _spots(x: float, y: float, text: str, own: bool) -> list[Label]:
    """Where a label may stand: right of its point or left of it, above, below or beside."""
    sides = ((12.0, "start"), (-12.0, "end"))
    return [Label(x + side, y + up, anchor, text, own) for up in (-8, 18, 4, -22, 32) for side, anchor in sides]


def _extent(label: Label) -> Extent:
    width = len(label.text) * (BOLD_CHARACTER if label.own else CHARACTER)
    left = label.x if label.anchor == "start" else label.x - width
    return left, label.y - 12, left + width, label.y + 4


def _is_free(extent: Extent, placed: Sequence[Extent], box: Box) -> bool:
    left, top, right, bottom = extent
    inside = left > box.left and right < box.width - 2 and top > box.top - 12 and bottom < box.bottom
    return inside and all(right < o[0] or o[2] < left or bottom < o[1] or o[3] < top for o in placed)


def _summary(of: int, frontier: Sequence[Option], scale: TimeScale) -> str:
    """The chart in words, for those who do not see it."""
    language = scale.language
    start = language.count("Scatter of {n} option.", "Scatter of {n} options.", of)
    if len(frontier) < 2:
        return start
    soonest, cheapest = frontier[0], frontier[-1]
    form = _("{n} form the frontier, from {cheapest} to {soonest}. Paying {more} more saves {saved}.")
    return f"{start} " + language.text(
        form,
        n=language.number(len(frontier)),
        cheapest=title(cheapest, language),
        soonest=title(soonest, language),
        more=language.usd(soonest.cost_usd.p50 - cheapest.cost_usd.p50),
        saved=scale.words(cheapest.days.p50 - soonest.days.p50),
    )
