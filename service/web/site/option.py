"""One option: where its hours, its memory and its money go, what to type, what it cost before, and on whose word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from litestar import Response, get
from litestar.di import NamedDependency

from service import store
from service.collect.rates import rates_at
from service.estimation.answer import Estimate, Infeasible, Plan
from service.estimation.estimate import Estimator
from service.estimation.explain import Explanation, explain
from service.estimation.hardware import Machine
from service.estimation.runs import PublishedRun
from service.estimation.workload import Workload, tokens_per_step
from service.presentation import words
from service.presentation.answers import OfferPrice, offer_price
from service.presentation.charts import bars, history, scale
from service.presentation.charts.bars import Bar, Mark, Part
from service.presentation.charts.drawing import Drawing, Tick
from service.presentation.language import Language
from service.presentation.numbers import TimeScale, time_scale
from service.ranking.describe import rig_title
from service.ranking.option import ExclusionExample, Option
from service.ranking.request import RankingRequest
from service.web.caching import PAST_PRICES
from service.web.form import address
from service.web.frame import Twin
from service.web.services import AnyRequest, Services
from service.web.site.behind import Behind
from service.web.site.drawn import drawn
from service.web.site.plans import Setting, settings
from service.web.site.visit import Visit

MOST_PRICES: Final = 500  # of one offer, in its chart
MOST_CARDS: Final = 3  # times the card's memory that a bar of the machine's RAM may take beside it
LEAST_SAID: Final = 0.005  # of the hours: less that interruptions add is not worth a word
SMALLEST_SHARE: Final = 0.02  # smaller parts of a bar are drawn as one


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


# What is drawn in one colour, in its order, with what it is
STEP: Final = (
    ("matmul", 1, _("matrix products")),
    ("recompute", 1, _("matrix products again (checkpointing)")),
    ("attention", 2, _("attention")),
    ("element_wise", 3, _("memory traffic")),
    ("logits", 4, _("logits and loss")),
    ("optimizer", 4, _("optimizer")),
    ("communication", 5, _("communication that is not hidden")),
    ("offload", 5, _("offload that is not hidden")),
    ("launch", 6, _("launch overhead")),
)
MEMORY: Final = (
    ("weights", 1, _("weights")),
    ("gradients", 2, _("gradients")),
    ("optimizer", 3, _("optimizer")),
    ("activations", 4, _("activations")),
    ("logits", 5, _("logits")),
    ("workspace", 6, _("workspace")),
    ("context", 6, _("driver and kernels")),
)
SURE: Final = {  # by the tier of the evidence
    "measured": _("The speed is the one that you measured, so the range is narrow."),
    "same_gpu": _("The speed of the {gpu} is known from published runs on it."),
    "same_family": _(
        "Nobody has published a run on the {gpu} that we know of; runs on other {family} cards stand in for it."
    ),
    "data_sheet": _(
        "Nobody has published a run on this GPU that we know of: its speed follows from its data sheet and from cards"
        " of other families, so the range is wide."
    ),
    "reference": _("The hours are those of one measured run, scaled to the {gpu}: memory is not checked."),
}
ORDERS: Final = {"cost": _("by cost"), "days": _("by days"), "score": _("by score")}
BILL: Final = (
    *("compute", "electricity", "hardware", "interruptions", "setup", "minimum", "rounding"),
    *("storage", "egress", "ingress"),
)


@get("/option", include_in_schema=False, opt=PAST_PRICES)
async def option_page(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    visit = Visit.of(request, services)
    asked = await services.asked_in_query(visit.parameters)
    option_id = visit.given("option")
    found = await services.option(asked, option_id)
    if found is None:
        return await _gone(visit, option_id)
    view = await _view(visit, asked, found)
    twin = Twin("JSON", address("/api/v1/ranking", {**visit.question, "explain": ["true"]}))
    return visit.page("option.html", view, twins=[twin])


async def _gone(visit: Visit, option_id: str) -> Response[Any]:
    """When the offer was last seen, and at which price."""
    last = await _prices(visit, option_id, visit.now, 1)
    return visit.page("gone.html", last[0] if last else None, status=404)


async def _view(visit: Visit, asked: RankingRequest, found: Option | ExclusionExample) -> OptionView:
    services = visit.services
    ranking = await services.ranking(replace(asked, limit=1, offset=0))
    machine = _machine(visit, asked, found)
    estimate = _estimate(services, asked, machine) if machine else None
    prices = [] if found.kind == "local" else await _prices(visit, found.id, asked.as_of or visit.now, MOST_PRICES)
    view = OptionView(
        visit=visit,
        asked=asked,
        found=found,
        ranked=ranking.ranked,
        machine=machine,
        estimate=estimate,
        reference=_reference(services, asked),
        explanation=await _explanation(services, asked, found, machine, estimate),
        prices=tuple(reversed(prices)),
    )
    key = ("option", services.markets.version_with_past, found.id, visit.said, asked, len(prices))
    return replace(view, charts=await drawn(services, key, lambda: _charts(view)))


async def _prices(visit: Visit, option_id: str, until: datetime, most: int) -> list[OfferPrice]:
    """What an offer cost before, newest first."""
    async with visit.services.session() as session:
        past = await store.prices_of_offer(session, option_id, datetime(2000, 1, 1, tzinfo=UTC), until, limit=most)
        if not past:
            return []
        rates = await rates_at(session, until, since=min(price.first_seen for price in past))
    return [offer_price(price, rates) for price in past]


def _machine(visit: Visit, asked: RankingRequest, found: Option | ExclusionExample) -> Machine | None:
    if found.kind == "local":
        return next((rig.machine for rig in asked.rigs if rig_title(rig) == found.title), None)
    offers = visit.services.market.offers
    row = offers.place.get(found.id)
    return None if row is None else offers.machine[row]


def _estimate(services: Services, asked: RankingRequest, machine: Machine) -> Estimate | None:
    """The hours with their parts. Of what does not fit: of the most frugal plan, pinned so that its parts are told."""
    found = services.estimator.estimate(asked.workload, machine, asked.method)
    if isinstance(found, Estimate):
        return found
    if found.estimate is None and found.reason == "out_of_memory":
        pinned = replace(asked.workload, plan=replace(asked.workload.plan, micro_batch=1))
        found = services.estimator.estimate(pinned, machine, asked.method)
    return found.estimate if isinstance(found, Infeasible) else found


def _reference(services: Services, asked: RankingRequest) -> tuple[Machine, Estimate] | None:
    """The machine that somebody measured this workload on."""
    measured = asked.workload.reference
    if measured is None or asked.workload.model is None:
        return None
    machine = Machine(gpu=measured.gpu, gpu_count=measured.gpu_count)
    found = services.estimator.estimate(asked.workload, machine, "model")
    return (machine, found) if isinstance(found, Estimate) else None


async def _explanation(
    services: Services,
    asked: RankingRequest,
    found: Option | ExclusionExample,
    machine: Machine | None,
    estimate: Estimate | None,
) -> Explanation | None:
    """The numbers behind an option by the model; beside the event loop, since every constant is tried anew."""
    if not isinstance(found, Option) or asked.method != "model" or machine is None or estimate is None:
        return None
    known = services.catalogue

    def explained() -> Explanation | None:
        return explain(Estimator(known.efficiencies, known.runs), asked.workload, machine, estimate)

    return await drawn(services, ("explanation", asked.workload, machine), explained)


# The view ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a bar's table."""

    name: str
    color: int
    amount: float
    share: float
    hatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    step: Drawing | None
    memory: Drawing | None
    money: Drawing | None
    history: Drawing | None


@dataclass(frozen=True, kw_only=True)
class OptionView:
    """One option, or a machine that cannot run it."""

    visit: Visit
    asked: RankingRequest
    found: Option | ExclusionExample
    ranked: int
    machine: Machine | None
    estimate: Estimate | None  # None: the method tells no parts
    reference: tuple[Machine, Estimate] | None
    explanation: Explanation | None  # None: it is not by the model
    prices: tuple[OfferPrice, ...]  # oldest first
    charts: Charts | None = None

    @property
    def said(self) -> Language:
        return self.visit.said

    @property
    def option(self) -> Option | None:
        return self.found if isinstance(self.found, Option) else None

    @property
    def workload(self) -> Workload:
        return self.asked.workload

    @property
    def workload_name(self) -> str:
        """Of a preset as it is called; one that is described in the address has no name but ours."""
        return self.workload.name if self.workload.slug else self.said.retell(self.workload.name)

    @property
    def title(self) -> str:
        return words.times(self.found.title, self.said)

    @cached_property
    def scale(self) -> TimeScale:
        days = self.option.days.p50 if self.option else self.estimate.hours.p50 / 24 if self.estimate else 1.0
        return time_scale([days], self.said)

    @property
    def back(self) -> str:
        return self.visit.link("/")

    @property
    def order(self) -> str:
        """by cost: what its rank is by."""
        return self.said.text(ORDERS[self.asked.sort])

    @property
    def source_href(self) -> str:
        offer = self.option.offer if self.option else None
        return self.visit.link("/sources", source=offer.collector if offer else None)

    @property
    def card_gb(self) -> str:
        return whole_gb(self.said, self.machine.gpu.memory_gb) if self.machine else ""

    @property
    def workload_href(self) -> str | None:
        return self.visit.link(f"/workloads/{self.workload.slug}") if self.workload.slug else None

    @property
    def gpu_href(self) -> str | None:
        return self.visit.link(f"/gpus/{self.machine.gpu.name}") if self.machine else None

    # Time ------------------------------------------------------------------------------------------------------------

    def seconds(self, amount: float) -> str:
        return seconds(self.said, amount)

    @cached_property
    def step_rows(self) -> list[Row]:
        return _rows(self.estimate.step_parts_s, STEP, self.said) if self.estimate else []

    @property
    def step_s(self) -> float:
        return sum(row.amount for row in self.step_rows)

    @property
    def step_words(self) -> str:
        return _largest(self.step_rows, self.said, self.seconds)

    @property
    def why_words(self) -> str:
        """Why so many days: the tokens, the steps, and what each takes."""
        tokens, found = self.workload.tokens, self.estimate
        if tokens is None or found is None or not self.step_rows:
            return ""
        said, per_step = self.said, tokens_per_step(self.workload)
        form = _("{tokens} tokens are {steps} steps of {per_step}, at {seconds} a step: {time}.")
        words = said.text(
            form,
            tokens=said.compact(tokens),
            steps=said.number(tokens / per_step),
            per_step=said.number(per_step),
            seconds=self.seconds(self.step_s),
            time=self.scale.words(found.hours.p50 / 24),
        )
        more = self.option.days.p50 / (found.hours.p50 / 24) - 1 if self.option else 0.0
        if more >= LEAST_SAID:
            words += f" {said.text(_('Interruptions add {share}.'), share=said.percent(more))}"
        return f"{words} {self._pace_words(found)}".rstrip()

    def _pace_words(self, found: Estimate) -> str:
        if found.tokens_per_s_per_gpu is None or found.mfu is None or self.machine is None:
            return ""
        form = _("That is {rate} tokens a second and GPU, {share} of the matrix rate in its data sheet.")
        rate = self.said.number(found.tokens_per_s_per_gpu.p50)
        return self.said.text(form, rate=rate, share=self.said.percent(found.mfu))

    # Memory ----------------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan | None:
        return self.estimate.plan if self.estimate else None

    @cached_property
    def memory_rows(self) -> list[Row]:
        return _rows(self.estimate.memory_parts_gb, MEMORY, self.said) if self.estimate else []

    @property
    def lacks_gb(self) -> float | None:
        return self.found.lacks_gb if isinstance(self.found, ExclusionExample) else None

    @property
    def card_is_short(self) -> bool:
        """Whether it is the card's memory that is missing; else the machine's RAM."""
        return self.plan is None or self.plan.memory_gb.needed > self.plan.memory_gb.available

    @property
    def refusal(self) -> str:
        """Why it cannot run, in a sentence."""
        if self.lacks_gb is None:
            return ""
        form = _("It lacks {gb} GB even with the most frugal plan.")
        if not self.card_is_short:
            form = _("It lacks {gb} GB of RAM beside each card, even with the most frugal plan.")
        return self.said.text(form, gb=self.said.gigabytes(self.lacks_gb))

    @property
    def memory_words(self) -> str:
        """Needs 10.4 of 12 GB: weights 3.8, …; with what is missing."""
        if self.plan is None or self.machine is None:
            return ""
        gb, memory = self.said.gigabytes, self.plan.memory_gb
        form = _("Needs {needed} of the card's {card} GB: {parts}.")
        if self.lacks_gb and self.card_is_short:
            form = _(
                "Even the most frugal plan needs {needed} GB, {lacks} more than this card of {card} GB offers: {parts}."
            )
        words = self.said.text(
            form,
            needed=gb(memory.needed),
            lacks=gb(memory.needed - memory.available),
            card=whole_gb(self.said, self.machine.gpu.memory_gb),
            parts=", ".join(f"{row.name} {gb(row.amount)}" for row in self.memory_rows if row.amount >= 0.05),
        )
        if not memory.host_needed:
            return words
        return f"{words} {self.said.text(_('In the machine’s RAM: {gb} GB.'), gb=gb(memory.host_needed))}"

    @cached_property
    def settings(self) -> list[Setting]:
        if self.plan is None or self.machine is None:
            return []
        return list(settings(self.plan, self.workload, self.machine.gpu_count, self.said))

    # Money -----------------------------------------------------------------------------------------------------------

    @cached_property
    def money_rows(self) -> list[Row]:
        if self.option is None:
            return []
        amounts = self.option.cost_breakdown_usd
        ordered = sorted(amounts, key=lambda name: BILL.index(name) if name in BILL else len(BILL))
        total = sum(amounts.values()) or 1.0
        return [
            Row(words.part(name, self.said), place % 6 + 1, amounts[name], amounts[name] / total)
            for place, name in enumerate(ordered)
            if amounts[name] > 0
        ]

    def money_number(self, usd: float) -> str:
        return self.said.usd_number(usd, self.option.cost_usd.p50 if self.option else None)

    @property
    def money_words(self) -> str:
        option = self.option
        return (
            ""
            if option is None
            else _largest(self.money_rows, self.said, lambda usd: self.said.usd(usd, option.cost_usd.p50))
        )

    # Evidence --------------------------------------------------------------------------------------------------------

    @property
    def sure_words(self) -> str:
        """How sure, by what is known of this GPU."""
        if self.estimate is None or self.machine is None:
            return ""
        gpu = self.machine.gpu
        return self.said.text(
            SURE[self.estimate.evidence.tier], gpu=gpu.name, family=f"{gpu.vendor} {gpu.architecture}"
        )

    @property
    def runs(self) -> list[PublishedRun]:
        wanted = self.estimate.evidence.runs if self.estimate else ()
        return [run for run in self.visit.services.catalogue.runs if run.id in wanted]

    @property
    def modelled(self) -> Mapping[str, float | None]:
        """What the same formula says of these runs, in tokens a second and GPU, by run."""
        near = self.explanation.nearest if self.explanation else ()
        return {run.id: run.modelled_tokens_per_s_per_gpu for run in near}

    @property
    def behind(self) -> Behind | None:
        names = {name: text for name, _color, text in STEP}
        return Behind(self.explanation, self.said, names) if self.explanation else None

    # Prices ----------------------------------------------------------------------------------------------------------

    @property
    def prices_href(self) -> str:
        return address("/api/v1/prices", {"id": [self.found.id]})

    @property
    def price_words(self) -> str:
        return price_words(self.prices, self.said)


def seconds(said: Language, amount: float) -> str:
    if amount >= 10:
        return f"{said.number(amount, 0 if amount >= 1000 else 1)} s"
    return f"{said.number(amount, 2)} s" if amount >= 0.1 else f"{said.number(amount * 1000, 1)} ms"


def whole_gb(said: Language, amount: float) -> str:
    """The memory of a card as its maker writes it: 12, not 12.0."""
    return said.number(amount, 0 if amount == int(amount) else 1)


def price_words(prices: Sequence[OfferPrice], said: Language) -> str:
    """The price history in words."""
    if not prices:
        return ""
    amounts = [price.usd_per_hour for price in prices]
    if len(prices) == 1:
        form = _("The same since {since}: {now} an hour.")
        return said.text(form, since=said.date(prices[0].first_seen), now=said.usd_rate(amounts[-1]))
    form = _("First {first} an hour on {since}, now {now} ({change}); between {least} and {most}.")
    return said.text(
        form,
        first=said.usd_rate(amounts[0]),
        since=said.date(prices[0].first_seen),
        now=said.usd_rate(amounts[-1]),
        change=said.change(amounts[-1] / amounts[0] - 1),
        least=said.usd_rate(min(amounts)),
        most=said.usd_rate(max(amounts)),
    )


def _rows(amounts: Mapping[str, float], known: Sequence[tuple[str, int, str]], said: Language) -> list[Row]:
    total = sum(amounts.values()) or 1.0
    told = [(name, color, said.text(text)) for name, color, text in known]
    others = [(name, 6, name.replace("_", " ")) for name in amounts if name not in {name for name, _, _ in known}]
    return [
        Row(text, color, amounts[name], amounts[name] / total, hatched=name == "recompute")
        for name, color, text in [*told, *others]
        if amounts.get(name, 0.0) > 0
    ]


def _largest(rows: Sequence[Row], said: Language, write: Callable[[float], str]) -> str:
    """Mostly matrix products 3.1 s (62%) and attention 0.6 s (12%)."""
    top = [row for row in sorted(rows, key=lambda row: -row.share)[:2] if row.share >= 0.005]
    if len(top) == 1 and top[0].share >= 0.995:
        return said.text(_("All of it is {part}."), part=top[0].name)
    listed = said.listed([f"{row.name} {write(row.amount)} ({said.percent(row.share)})" for row in top])
    return said.text(_("Mostly {parts}."), parts=listed) if top else ""


# Its charts ----------------------------------------------------------------------------------------------------------


def _charts(view: OptionView) -> Charts:
    return Charts(step=_step(view), memory=_memory(view), money=_money(view), history=_history(view))


def _step(view: OptionView) -> Drawing | None:
    if not view.step_rows or view.machine is None:
        return None
    said = view.said
    found = [_step_bar(view.machine, view.step_rows, said)]
    if view.reference and view.reference[0] != view.machine:
        machine, estimate = view.reference
        found.append(_step_bar(machine, _rows(estimate.step_parts_s, STEP, said), said))
    longest = max(sum(part.amount for part in bar.parts) for bar in found)
    return bars.stacked(found, scale.from_zero(longest, lambda at: _plain_seconds(said, at)))


def _step_bar(machine: Machine, rows: Sequence[Row], said: Language) -> Bar:
    total = sum(row.amount for row in rows)
    label = said.text(
        _("{machine}: {time} a step"), machine=f"{machine.gpu_count}× {machine.gpu.name}", time=seconds(said, total)
    )
    return Bar(label=label, parts=tuple(_bar_parts(rows, said, lambda amount: seconds(said, amount))))


def _plain_seconds(said: Language, at: float) -> str:
    return (
        "0"
        if at == 0
        else f"{said.number(at * 1000)} ms"
        if at < 1
        else f"{said.number(at, 0 if at == int(at) else 1)} s"
    )


def _bar_parts(
    rows: Sequence[Row], said: Language, write: Callable[[float], str], hatch: str = "hatch"
) -> Iterator[Part]:
    """The parts of a bar; what is too small to see is drawn as one."""
    large = [row for row in rows if row.share >= SMALLEST_SHARE]
    for row in large:
        said_of_it = f"{row.name}: {write(row.amount)}, {said.percent(row.share)}"
        yield Part(
            amount=row.amount,
            color=row.color,
            words=said_of_it,
            inside="" if row.hatched else said.percent(row.share),
            hatched="hatch" if row.hatched else "",
        )
    rest = sum(row.amount for row in rows if row.share < SMALLEST_SHARE)
    if rest > 0:
        yield Part(amount=rest, color=6, words=f"{said.text(_('the rest'))}: {write(rest)}")


def _memory(view: OptionView) -> Drawing | None:
    if view.plan is None or view.machine is None or not view.memory_rows:
        return None
    said, card, memory = view.said, view.machine.gpu.memory_gb, view.plan.memory_gb
    found = [Bar(label=said.text(_("on each card")), parts=tuple(_memory_parts(view, memory.available)))]
    if 0 < memory.host_needed <= MOST_CARDS * card:
        host = Part(
            amount=memory.host_needed,
            color=3,
            words=f"{said.gigabytes(memory.host_needed)} GB",
            inside=f"{said.gigabytes(memory.host_needed)} GB",
        )
        found.append(Bar(label=said.text(_("in the machine's RAM")), parts=(host,)))
    end = max(card, *(sum(part.amount for part in bar.parts) for bar in found))
    marks = [
        Mark(at=card, label=said.text(_("card: {gb} GB"), gb=whole_gb(said, card))),
        Mark(at=memory.available, label="", dashed=True),
    ]
    return bars.stacked(found, scale.from_zero(end, lambda at: f"{said.number(at)} GB" if at else "0"), marks)


def _memory_parts(view: OptionView, available: float) -> Iterator[Part]:
    """What exceeds the usable memory is drawn as missing."""
    said, start = view.said, 0.0
    for part in _bar_parts(view.memory_rows, said, lambda amount: f"{said.gigabytes(amount)} GB"):
        within = max(0.0, min(part.amount, available - start))
        start += part.amount
        if within > 0:
            yield replace(part, amount=within, inside=part.inside if within == part.amount else "")
        if part.amount - within > 1e-9:
            yield replace(part, amount=part.amount - within, inside="", hatched="hatch-bad")


def _money(view: OptionView) -> Drawing | None:
    option, said = view.option, view.said
    if option is None or not view.money_rows or option.cost_usd.p50 <= 0:
        return None
    total = option.cost_usd.p50
    parts = tuple(_bar_parts(view.money_rows, said, lambda usd: said.usd(usd, total)))
    bar = Bar(label=said.text(_("{cost} in all"), cost=said.usd(total)), parts=parts)
    return bars.stacked([bar], money_ticks(total, said))


def money_ticks(end_usd: float, said: Language, *, sign: bool = True, at_most: int = 5) -> tuple[Tick, ...]:
    """Round steps in the reader's currency, at their places in dollars, all with as many decimals."""
    rate = said.money.per_usd
    found = scale.from_zero(end_usd * rate, str, at_most)
    step = found[1].at
    decimals = 0 if step >= 1 and step == int(step) else 2 if round(step * 100, 6) == int(round(step * 100, 6)) else 3
    return tuple(Tick(tick.at / rate, _priced(said, tick.at, decimals if tick.at else 0, sign)) for tick in found)


def _priced(said: Language, amount: float, decimals: int, sign: bool) -> str:
    written, money = said.number(amount, decimals), said.money
    if not sign:
        return written
    return f"{money.symbol}{money.gap}{written}" if money.before else f"{written}{money.gap}{money.symbol}"


def _history(view: OptionView) -> Drawing | None:
    if not view.prices:
        return None
    first = view.prices[0].first_seen
    last = max(view.asked.as_of or view.visit.now, view.prices[-1].last_seen)
    held = [_held(price, first, last, view.said) for price in view.prices]
    dearest = max(price.usd_per_hour for price in view.prices)
    length = max((last - first).total_seconds() / 86400, 1 / 24)
    return history.of_offer(
        held,
        scale.days(first.date(), last.date(), view.said),
        money_ticks(dearest * 1.1, view.said, at_most=4),
        length,
    )


def _held(price: OfferPrice, first: datetime, last: datetime, said: Language) -> history.Held:
    until = price.closed_at or last
    text = said.text(
        _("{price} an hour from {since} to {until}"),
        price=said.usd_rate(price.usd_per_hour),
        since=said.date(price.first_seen),
        until=said.date(until),
    )
    start, end = ((at - first).total_seconds() / 86400 for at in (price.first_seen, until))
    return history.Held(start, max(end, start + 0.01), price.usd_per_hour, text)


HANDLERS: Final = [option_page]
