"""What the page of an option says: an option, or a machine that cannot run it, in words and rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from service.estimation.answer import Estimate, Plan
from service.estimation.explain import Explanation
from service.estimation.hardware import Machine
from service.estimation.runs import PublishedRun
from service.estimation.workload import PinnedPlan, Workload, tokens_per_step
from service.presentation import words
from service.presentation.answers import OfferPrice
from service.presentation.charts.drawing import Drawing
from service.presentation.language import Language
from service.presentation.numbers import TimeScale, time_scale
from service.ranking.option import ExclusionExample, Option
from service.ranking.request import RankingRequest
from service.web.form import address
from service.web.site.behind import Behind
from service.web.site.plans import Setting, settings
from service.web.site.visit import Visit

LEAST_SAID: Final = 0.005  # of the hours: less that interruptions add is not worth a word


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
        "None of the published runs that we go by was made on the {gpu}; runs on other {family} cards stand in for it."
    ),
    "data_sheet": _(
        "None of the published runs that we go by was made on this GPU: its speed follows from its data sheet and from"
        " cards of other families, so the range is wide."
    ),
    "reference": _("The hours are those of one measured run, scaled to the {gpu}: memory is not checked."),
}
ORDERS: Final = {"cost": _("by cost"), "days": _("by days"), "score": _("by score")}
BILL: Final = (
    *("compute", "electricity", "hardware", "interruptions", "setup", "minimum", "rounding"),
    *("storage", "egress", "ingress"),
)


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
        return self.said.whole_gigabytes(self.machine.gpu.memory_gb) if self.machine else ""

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
        return rows_of(self.estimate.step_parts_s, STEP, self.said) if self.estimate else []

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
        return rows_of(self.estimate.memory_parts_gb, MEMORY, self.said) if self.estimate else []

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
        form = _("It lacks {gb} GB even with {plan}.")
        if not self.card_is_short:
            form = _("It lacks {gb} GB of RAM beside each card, even with {plan}.")
        return self.said.text(form, gb=self.said.gigabytes(self.lacks_gb), plan=self.least)

    @property
    def least(self) -> str:
        """The plan that comes closest to fitting, named."""
        if self.workload.plan == PinnedPlan():
            return self.said.text(_("the most frugal plan"))
        return self.said.text(_("the most frugal plan that keeps what you fixed"))

    @property
    def memory_words(self) -> str:
        """Needs 10.4 of 12 GB: weights 3.8, …; with what is missing."""
        if self.plan is None or self.machine is None:
            return ""
        gb, memory = self.said.gigabytes, self.plan.memory_gb
        form = _("Needs {needed} of the card's {card} GB: {parts}.")
        if self.lacks_gb and self.card_is_short:
            form = _("Even {plan} needs {needed} GB, {lacks} more than this card of {card} GB offers: {parts}.")
        words = self.said.text(
            form,
            plan=self.least,
            needed=gb(memory.needed),
            lacks=gb(memory.needed - memory.available),
            card=self.said.whole_gigabytes(self.machine.gpu.memory_gb),
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


def rows_of(amounts: Mapping[str, float], known: Sequence[tuple[str, int, str]], said: Language) -> list[Row]:
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
