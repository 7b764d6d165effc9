"""Where your own machine starts or stops paying off: over the price of electricity, of renting, and over many runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from service.estimation.answer import Interval
from service.presentation.charts import lines, scale
from service.presentation.charts.drawing import Drawing, Tick
from service.presentation.charts.lines import Line, Point, Upright
from service.presentation.language import Language
from service.presentation.numbers import TimeScale, time_scale
from service.presentation.words import HIGHEST_USD_PER_KWH, times
from service.ranking.break_even import beside_rent_usd, cloud_usd_per_gpu_hour, runs_to_repay_purchase
from service.ranking.cost import usd_per_hour_of_hardware
from service.ranking.describe import rig_title
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest, Rig
from service.web.caching import PRICES
from service.web.form import address
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.drawn import drawn
from service.web.site.visit import Visit

STEPS: Final = 10  # of a line: eleven points
BEYOND: Final = 1.3  # how far the axis goes beyond the crossing
MOST_TIMES: Final = 10.0  # of what is paid now, that an axis shows
MOST_RUNS: Final = 200
COLORS: Final = {"on_demand": "var(--s-on_demand)", "spot": "var(--s-spot)", "reserved": "var(--s-reserved)"}


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


@get("/break-even", include_in_schema=False, opt=PRICES)
async def break_even_page(request: AnyRequest, services: NamedDependency[Services]) -> Template:
    visit = Visit.of(request, services)
    asked = await services.asked_in_query(visit.parameters)
    asked = replace(asked, deadline_days=None, budget_usd=None)  # a crossing is one whether there is time or not
    ranking = await services.ranking(replace(asked, limit=1, offset=0))
    view = await _view(visit, asked, ranking)
    twin = Twin("JSON", address("/api/v1/ranking", {**visit.question, "limit": ["1"]}))
    return visit.page("break_even.html", view, name="break-even", twins=[twin])


async def _view(visit: Visit, asked: RankingRequest, ranking: Ranking) -> BreakEvenView:
    even = ranking.break_even
    local = next((option for option in ranking.answer.rigs if even and option.id == even.best_local), None)
    cloud = await visit.services.option(asked, even.best_cloud) if even and even.best_cloud else None
    rig = next((rig for rig in asked.rigs if local and rig_title(rig) == local.title), None)
    view = BreakEvenView(visit=visit, asked=asked)
    if local is None or rig is None or not isinstance(cloud, Option):
        return view
    view = replace(view, sides=Sides(local=local, cloud=cloud, rig=rig, purchase=_purchase(visit, rig)))
    key = ("break-even", visit.services.market.version, visit.said, asked, view.sides.purchase if view.sides else None)
    return replace(
        view, charts=await drawn(visit.services, key, lambda: tuple(_drawn(chart, visit.said) for chart in view.kinds))
    )


@dataclass(frozen=True, slots=True)
class Purchase:
    """What the card costs if it has to be bought for this, and what it is worth afterwards."""

    usd: float
    resale_usd: float
    is_launch_price: bool  # nobody said another


def _purchase(visit: Visit, rig: Rig) -> Purchase | None:
    """As the question says, or the launch price. None: nobody knows."""
    if rig.purchase_usd:
        return Purchase(rig.purchase_usd, rig.resale_usd, is_launch_price=False)
    launch = visit.services.catalogue.sheets[rig.machine.gpu.name].launch_usd
    return Purchase(launch * rig.machine.gpu_count, 0.0, is_launch_price=True) if launch else None


# What is compared ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two that cost the same somewhere."""

    local: Option
    cloud: Option
    rig: Rig
    purchase: Purchase | None

    @property
    def wear(self) -> float:
        return usd_per_hour_of_hardware(self.rig)

    def local_usd(self, usd_per_kwh: float) -> Interval:
        """What a run at home costs at this price of electricity."""
        return self.local.hours * (self.rig.watts / 1000 * usd_per_kwh + self.wear)

    def cloud_usd(self, usd_per_gpu_hour: float) -> Interval:
        """What the rented run costs at this rent; its disk and its traffic cost what they do."""
        change, beside, now = usd_per_gpu_hour / self.rent, beside_rent_usd(self.cloud), self.cloud.cost_usd
        sides = ((now.p10, beside.p10), (now.p50, beside.p50), (now.p90, beside.p90))
        return Interval(*((usd - other) * change + other for usd, other in sides))

    @property
    def rent(self) -> float:
        """What an hour of one GPU is rented for now."""
        assert self.cloud.offer is not None
        return self.cloud.offer.usd_per_hour / self.cloud.machine.gpu_count

    @property
    def crossing_rent(self) -> float | None:
        """The rent at which both cost the same. None: disk and traffic alone cost more than owning."""
        assert self.cloud.offer is not None
        cloud, local, beside = self.cloud.cost_usd.p50, self.local.cost_usd.p50, beside_rent_usd(self.cloud).p50
        return cloud_usd_per_gpu_hour(self.cloud.offer, cloud, beside, local)

    def runs_at_home(self, runs: float) -> Interval:
        """What so many runs cost with a card that is bought for them."""
        assert self.purchase is not None
        fixed = self.purchase.usd - self.purchase.resale_usd
        each = self.local.hours * (self.rig.watts / 1000 * self.rig.electricity_usd_per_kwh)
        return Interval(fixed + each.p10 * runs, fixed + each.p50 * runs, fixed + each.p90 * runs)

    @property
    def runs_to_repay(self) -> float | None:
        if self.purchase is None:
            return None
        bought = replace(self.rig, purchase_usd=self.purchase.usd, resale_usd=self.purchase.resale_usd)
        return runs_to_repay_purchase(bought, self.local.hours.p50, self.cloud.cost_usd.p50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One chart: two costs over something that may change."""

    key: str
    heading: str
    sentence: str
    x_title: str
    now: float
    now_label: str
    crossing: float | None  # None: none within what is shown
    crossing_label: str
    end: float
    whole: bool
    write: Callable[[float], str]
    local: Callable[[float], Interval]
    cloud: Callable[[float], Interval]
    local_name: str
    cloud_name: str
    cloud_color: str

    @property
    def places(self) -> list[float]:
        """The eleven places of the table; of runs, whole ones from the first."""
        places = [self.end * step / STEPS for step in range(STEPS + 1)]
        return list(dict.fromkeys(max(1.0, round(place)) for place in places)) if self.whole else places

    @property
    def rows(self) -> list[tuple[str, float, float]]:
        return [(self.write(place), self.local(place).p50, self.cloud(place).p50) for place in self.places]


@dataclass(frozen=True, kw_only=True)
class BreakEvenView:
    visit: Visit
    asked: RankingRequest
    sides: Sides | None = None  # None: there is nothing to compare
    charts: tuple[Drawing, ...] = ()

    @property
    def said(self) -> Language:
        return self.visit.said

    @cached_property
    def scale(self) -> TimeScale:
        return time_scale([self.sides.local.days.p50] if self.sides else [], self.said)

    @property
    def back(self) -> str:
        return self.visit.link("/")

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What the form of the purchase sends along."""
        own = ("purchase_usd", "resale_usd")
        return [(name, value) for name, values in self.visit.question.items() if name not in own for value in values]

    def option_link(self, option: Option) -> str:
        return self.visit.link("/option", option=option.id)

    def title(self, option: Option) -> str:
        return times(option.title, self.said)

    @cached_property
    def kinds(self) -> list[Crossing]:
        if self.sides is None:
            return []
        found = [_electricity(self.sides, self.said), _rent(self.sides, self.said)]
        return [*found, _runs(self.sides, self.said)] if self.sides.purchase else found

    @property
    def pairs(self) -> list[tuple[Crossing, Drawing]]:
        return list(zip(self.kinds, self.charts, strict=True))


# The three ------------------------------------------------------------------------------------------------------------


def _electricity(sides: Sides, said: Language) -> Crossing:
    rig, now = sides.rig, sides.rig.electricity_usd_per_kwh
    kwh = sides.local.hours.p50 * rig.watts / 1000
    crossing = (sides.cloud.cost_usd.p50 - sides.wear * sides.local.hours.p50) / kwh
    slots = {
        "gpu": _gpu(sides),
        "here": said.usd_rate(now),
        "there": said.usd_rate(crossing),
        "most": said.usd_rate(HIGHEST_USD_PER_KWH),
    }
    if crossing <= 0:
        sentence = said.text(_("Renting costs less even with free electricity."))
    elif crossing > HIGHEST_USD_PER_KWH:
        sentence = said.text(
            _("At any electricity price below {most} per kWh your {gpu} costs less; you pay {here}."), **slots
        )
    elif crossing >= now:
        sentence = said.text(_("Renting costs less than your {gpu} above {there} per kWh; you pay {here}."), **slots)
    else:
        sentence = said.text(_("Your {gpu} costs less than renting below {there} per kWh; you pay {here}."), **slots)
    return _crossing(
        sides,
        said,
        key="electricity",
        heading=said.text(_("If electricity cost something else")),
        sentence=sentence,
        x_title=said.text(_("Electricity, {unit} per kWh"), unit=said.unit),
        now=now,
        now_label=said.text(_("you pay {price}"), price=said.usd_rate(now)),
        crossing=crossing,
        crossing_label=said.text(_("{price} per kWh"), price=said.usd_rate(max(crossing, 0.0))),
        most=HIGHEST_USD_PER_KWH,
        local=sides.local_usd,
        cloud=lambda x: sides.cloud.cost_usd,
    )


def _rent(sides: Sides, said: Language) -> Crossing:
    now = sides.rent
    crossing = sides.crossing_rent or 0.0
    cloud = f"{sides.cloud.machine.gpu_count}× {sides.cloud.machine.gpu}"
    slots = {"gpu": _gpu(sides), "cloud": cloud, "here": said.usd_rate(now), "there": said.usd_rate(crossing)}
    form = _("Renting {cloud} costs less than your {gpu} below {there} for a GPU and hour; it is {here} now.")
    if sides.local.cost_usd.p50 <= 0:
        form = _("Owning is free: no rent is low enough.")
    elif crossing <= 0:
        form = _("Disk and traffic alone cost more than your {gpu}: no rent is low enough.")
    return _crossing(
        sides,
        said,
        key="rent",
        heading=said.text(_("If renting cost something else")),
        sentence=said.text(form, **slots),
        x_title=said.text(_("Rent, {unit} per GPU and hour"), unit=said.unit),
        now=now,
        now_label=said.text(_("now {price}"), price=said.usd_rate(now)),
        crossing=crossing,
        crossing_label=said.text(_("{price} an hour"), price=said.usd_rate(crossing)),
        most=math.inf,
        local=lambda x: sides.local.cost_usd,
        cloud=sides.cloud_usd,
    )


def _runs(sides: Sides, said: Language) -> Crossing:
    assert sides.purchase is not None
    repaid, purchase = sides.runs_to_repay, sides.purchase
    slots = {"gpu": _gpu(sides), "price": said.usd(purchase.usd - purchase.resale_usd)}
    form = _("The {gpu}, bought for {price}, is never repaid: a run at home costs as much as a rented one.")
    if repaid is not None:
        slots["runs"] = said.count("{n} run", "{n} runs", math.ceil(repaid))
        form = _("The {gpu}, bought for {price}, is repaid after {runs} like this one.")
    found = _crossing(
        sides,
        said,
        key="runs",
        heading=said.text(_("If you had to buy the card")),
        sentence=said.text(form, **slots),
        x_title=said.text(_("Runs like this one")),
        now=1.0,
        now_label="",
        crossing=repaid or -1.0,
        crossing_label=said.count("{n} run", "{n} runs", math.ceil(repaid or 0)),
        most=MOST_RUNS,
        local=sides.runs_at_home,
        cloud=lambda runs: sides.cloud.cost_usd * runs,
        whole=True,
    )
    return replace(found, write=lambda runs: said.number(runs))


def _crossing(
    sides: Sides,
    said: Language,
    *,
    key: str,
    heading: str,
    sentence: str,
    x_title: str,
    now: float,
    now_label: str,
    crossing: float,
    crossing_label: str,
    most: float,
    local: Callable[[float], Interval],
    cloud: Callable[[float], Interval],
    whole: bool = False,
) -> Crossing:
    """As far as the crossing and a bit, but no further than ten times what is paid now."""
    limit = min(most, MOST_TIMES * now if now > 0 and not whole else most)
    shown = 0 < crossing <= limit
    end = max(BEYOND * crossing, 1.5 * now) if shown else min(limit, max(4 * now, 0.5)) if not whole else 20.0
    assert sides.cloud.offer is not None
    return Crossing(
        key=key,
        heading=heading,
        sentence=sentence,
        x_title=x_title,
        now=now,
        now_label=now_label,
        crossing=crossing if shown else None,
        crossing_label=crossing_label,
        end=end,
        whole=whole,
        write=said.usd_rate,
        local=local,
        cloud=cloud,
        local_name=said.text(_("your {gpu}"), gpu=_gpu(sides)),
        cloud_name=f"{sides.cloud.machine.gpu_count}× {sides.cloud.machine.gpu}",
        cloud_color=COLORS[sides.cloud.offer.pricing],
    )


def _gpu(sides: Sides) -> str:
    machine = sides.local.machine
    return f"{machine.gpu_count}× {machine.gpu}" if machine.gpu_count > 1 else machine.gpu


def _drawn(kind: Crossing, said: Language) -> Drawing:
    x_ticks = _x_ticks(kind, said)
    end = x_ticks[-1].at
    places = [end * step / STEPS for step in range(STEPS + 1)]
    top = 1.15 * max(side(end).p50 for side in (kind.local, kind.cloud))
    found = [
        _line(kind.local_name, "var(--s-yours)", kind.local, places, kind, said, dashed=False),
        _line(kind.cloud_name, kind.cloud_color, kind.cloud, places, kind, said, dashed=True),
    ]
    uprights = [Upright(x=kind.now, y=None, label=kind.now_label)] if kind.now_label else []
    if kind.crossing is not None:
        uprights.append(Upright(x=kind.crossing, y=kind.cloud(kind.crossing).p50, label=kind.crossing_label))
    return lines.crossing_lines(found, kind.x_title, x_ticks, scale.money(top, said), uprights)


def _x_ticks(kind: Crossing, said: Language) -> Sequence[Tick]:
    if kind.whole:
        return scale.from_zero(kind.end, lambda runs: said.number(runs, 0 if runs == int(runs) else 1))
    return scale.money(kind.end, said, sign=False)


def _line(
    name: str,
    color: str,
    cost: Callable[[float], Interval],
    places: Sequence[float],
    kind: Crossing,
    said: Language,
    *,
    dashed: bool,
) -> Line:
    points = []
    for place in places:
        usd = cost(place)
        words = f"{kind.write(place)}: {name} {said.usd(usd.p50)} ({said.usd_interval(usd)})"
        points.append(Point(place, usd.p50, usd.p10, usd.p90, words))
    return Line(name=name, color=color, points=tuple(points), dashed=dashed)


HANDLERS: Final = [break_even_page]
