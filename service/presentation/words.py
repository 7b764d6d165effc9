"""What a ranking says, in sentences: the same ones on the page and in a report. A slot is never filled with a guess."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from service.estimation.answer import Plan
from service.presentation.numbers import TimeScale, age, date, gigabytes, share, usd, usd_interval, usd_rate
from service.ranking.option import ExclusionExample, Option, Ranking
from service.ranking.request import RankingRequest

CALL_FROM = 0.6  # a group of equal machines that is cheapest with less than this probability is no clear winner
NAMED_FROM = 0.15  # and these are the ones worth naming beside it
HIGHEST_USD_PER_KWH = 3.0  # no household pays more; a break-even beyond it is none

EVIDENCE = {
    "measured": "measured",
    "same_gpu": "same GPU",
    "same_family": "same family",
    "data_sheet": "data sheet only",
    "reference": "reference run",
}
PRICING = {"on_demand": "on demand", "spot": "spot", "reserved": "reserved"}
REASONS = {
    "out_of_memory": "out of memory",
    "plan_out_of_memory": "out of memory with your plan",
    "unsupported_precision": "precision not supported",
    "no_reference": "no reference to scale from",
    "batch_too_small": "batch too small to share out",
    "over_budget": "over budget",
    "over_deadline": "past the deadline",
}
PARTS = {
    "electricity": "electricity",
    "hardware": "the card's wear",
    "compute": "compute",
    "interruptions": "interruptions",
    "storage": "storage",
    "egress": "egress",
    "setup": "setup",
    "minimum": "minimum billing",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    text: Markup
    kind: Literal["answer", "note", "warning"] = "answer"


def answer_sentences(ranking: Ranking, request: RankingRequest, scale: TimeScale, now: datetime) -> list[Sentence]:
    """The answer first, then what would change it, then what to know about its prices."""
    return [
        *_winners(ranking, request, scale),
        *_close_call(ranking),
        *_rigs(ranking, request, scale),
        *_break_even(ranking),
        *_value_of_a_day(ranking, request, scale),
        *_one_sided(ranking, request),
        *_about_prices(ranking, request, now),
    ]


def title(option: Option) -> str:
    """The option's title with a multiplication sign."""
    return times(option.title)


def times(text: str) -> str:
    return re.sub(r"^(\d+)x ", "\\1× ", text)


def page_title(ranking: Ranking, scale: TimeScale) -> str:
    """What a browser's tab says: the workload and the two answers."""
    name = str(ranking.workload.get("name") or ranking.workload.get("slug"))
    cheapest, soonest = ranking.answer.cheapest, ranking.answer.soonest
    if cheapest is None or soonest is None:
        return f"{name}: no option"
    if cheapest.id == soonest.id:
        return f"{name}: {usd(cheapest.cost_usd.p50)}, {scale.words(cheapest.days.p50)}"
    return f"{name}: {usd(cheapest.cost_usd.p50)} or {scale.words(soonest.days.p50)}"


def breakdown(option: Option, parts: int = 2) -> str:
    """The largest parts of the cost in words, but none that rounds to nothing: `compute $361, interruptions $22`."""
    total = option.cost_usd.p50
    largest = sorted(option.cost_breakdown_usd.items(), key=lambda part: -part[1])[:parts]
    written = [(PARTS.get(item, item), usd(amount, total)) for item, amount in largest]
    return ", ".join(f"{name} {amount}" for name, amount in written if amount.strip("$0.") or len(written) == 1)


def plan(option: Option) -> str:
    """The settings to train with, in words."""
    return "memory not checked" if option.plan is None else settings_of(option.plan)


def settings_of(settings: Plan) -> str:
    words = [f"micro-batch {settings.micro_batch}"]
    if settings.activation_checkpointing != "none":
        words.append(f"{settings.activation_checkpointing} checkpointing")
    if settings.offload:
        words.append(f"{' and '.join(settings.offload)} in RAM")
    if settings.sharding != "none":
        words.append(settings.sharding.upper() if settings.sharding in ("ddp", "fsdp") else settings.sharding)
    return ", ".join(words)


def evidence(option: Option) -> str:
    words = EVIDENCE.get(option.evidence.tier, option.evidence.tier)
    runs = len(option.evidence.runs)
    return f"{words}, {runs} {'run' if runs == 1 else 'runs'}" if runs else words


def availability(available: bool | None) -> str:
    return {True: "available", False: "out of stock now", None: "stock not said"}[available]


def reason(name: str) -> str:
    return REASONS.get(name, name.replace("_", " "))


# The sentences, in their order ---------------------------------------------------------------------------------------


def _winners(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    cheapest, soonest = ranking.answer.cheapest, ranking.answer.soonest
    if cheapest is None or soonest is None:
        yield Sentence(_nothing(ranking, request, scale))
    elif cheapest.id == soonest.id:
        form = Markup("Cheapest and soonest: {}: <strong>{}</strong>{}, <strong>{}</strong>.")
        yield Sentence(
            form.format(title(cheapest), _money(cheapest), _spread(cheapest), scale.words(cheapest.days.p50))
        )
    else:
        form = Markup("Cheapest: {}: <strong>{}</strong>{}{}, {}.")
        days = scale.words(cheapest.days.p50)
        yield Sentence(form.format(title(cheapest), _money(cheapest), _what(cheapest), _spread(cheapest), days))
        form = Markup("Soonest: {}: <strong>{}</strong>{}, {}.")
        days, between = scale.words(soonest.days.p50), scale.range_in_words(soonest.days)
        yield Sentence(form.format(title(soonest), days, f" ({between})" if between else "", _money(soonest)))


def _close_call(ranking: Ranking) -> Iterator[Sentence]:
    """Machines of one GPU and count count as one, else ten clouds with the same card would always tie."""
    groups: defaultdict[tuple[str, int, str], list[Option]] = defaultdict(list)
    for option in ranking.options:
        groups[option.machine.gpu, option.machine.gpu_count, option.kind].append(option)
    chances = {key: sum(option.probability_cheapest or 0 for option in group) for key, group in groups.items()}
    named = [key for key in sorted(chances, key=lambda key: -chances[key]) if chances[key] >= NAMED_FROM][:3]
    if len(named) < 2 or chances[named[0]] >= CALL_FROM:
        return
    costs = [groups[key][0].cost_usd.p50 for key in named]
    machines = _listed([f"{_machine(*key)} ({share(chances[key])})" for key in named])
    form = Markup("Too close to call: {} may each be cheapest, at {} to {}.")
    yield Sentence(form.format(machines, usd(min(costs)), usd(max(costs))), "note")


def _rigs(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    winners = {option.id for option in (ranking.answer.cheapest, ranking.answer.soonest) if option}
    for option in ranking.answer.rigs:
        if option.id not in winners:
            form = Markup("Your {}: <strong>{}</strong>, {}{} ({} of {:,}).")
            yield Sentence(
                form.format(
                    _machine(option.machine.gpu, option.machine.gpu_count),
                    scale.words(option.days.p50),
                    _money(option),
                    _what(option),
                    _ordinal(option.rank),
                    ranking.ranked,
                )
            )
    for example in _rigs_left_out(ranking):
        yield Sentence(Markup("Your {}: {}.").format(_rig(example), _why_left_out(example)))


def _rigs_left_out(ranking: Ranking) -> Iterator[ExclusionExample]:
    return (example for left in ranking.excluded for example in left.examples if example.kind == "local")


def _rig(example: ExclusionExample) -> str:
    return times(example.title).removesuffix(".")


def _why_left_out(example: ExclusionExample) -> str:
    if example.lacks_gb is None:
        return example.detail.rstrip(".")
    return f"cannot train this, it lacks {gigabytes(example.lacks_gb)} GB even with the most frugal plan"


def _break_even(ranking: Ranking) -> Iterator[Sentence]:
    even = ranking.break_even
    local = next((option for option in ranking.answer.rigs if even and option.id == even.best_local), None)
    if even is None or local is None or local.rig is None or even.best_cloud is None:
        return
    machine = _machine(local.machine.gpu, local.machine.gpu_count)
    crossing = even.electricity_usd_per_kwh
    if crossing is None:
        yield Sentence(Markup("Renting costs less even with free electricity."))
    elif crossing > HIGHEST_USD_PER_KWH:
        form = Markup("At any electricity price below {}, your {} costs less.")
        yield Sentence(form.format(usd_rate(HIGHEST_USD_PER_KWH), machine))
    else:
        form = Markup("Renting costs less than your {} above <strong>{} per kWh</strong>; you pay {}.")
        yield Sentence(form.format(machine, usd_rate(crossing), usd_rate(local.rig.electricity_usd_per_kwh)))


def _value_of_a_day(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    best = ranking.answer.lowest_score
    if best is None or not request.usd_per_day:
        return
    form = Markup("Counting {} per day of waiting, best: {}: <strong>{} + {}</strong> for {}.")
    waiting = best.score_usd - best.cost_usd.p50
    yield Sentence(
        form.format(
            usd(request.usd_per_day), title(best), usd(best.cost_usd.p50), usd(waiting), scale.words(best.days.p50)
        )
    )


def _one_sided(ranking: Ranking, request: RankingRequest) -> Iterator[Sentence]:
    if not ranking.options:
        return
    if not request.rigs:
        yield Sentence(Markup("Add a card you own to compare renting with it."), "note")
    elif ranking.market.offers and all(option.kind == "local" for option in ranking.options):
        yield Sentence(Markup("No cloud offer passes your filters; this compares your machines only."), "note")


def _about_prices(ranking: Ranking, request: RankingRequest, now: datetime) -> Iterator[Sentence]:
    if request.method == "ratio":
        yield Sentence(Markup("Times are scaled from one measured run; memory is not checked."), "note")
    yield from _only_bundled(ranking)
    if not ranking.market.offers:
        text = "No prices yet: the first collection takes a few minutes. Your own machines are ranked below."
        yield Sentence(Markup(text), "warning")
    if request.as_of is not None:
        yield Sentence(Markup("With prices as of {}.").format(date(ranking.as_of)), "note")
    yield from _stale_winner(ranking, now)


def _only_bundled(ranking: Ranking) -> Iterator[Sentence]:
    offers = [option.offer for option in ranking.options if option.offer]
    if offers and all(offer.source == "bundled" for offer in offers):
        newest = max(offer.observed_at for offer in offers)
        form = Markup("These prices shipped with the software, the newest of {}; none has been collected yet.")
        yield Sentence(form.format(date(newest)), "warning")


def _stale_winner(ranking: Ranking, now: datetime) -> Iterator[Sentence]:
    cheapest = ranking.answer.cheapest
    if cheapest is None or cheapest.offer is None or not cheapest.offer.stale:
        return
    seen = cheapest.offer.observed_at
    fresh = next((option for option in ranking.options if option.offer is None or not option.offer.stale), None)
    text = Markup("The price behind this answer is old (seen {}).").format(age(seen, now))
    if fresh:
        text += Markup(" Fresh prices only: {}: {}.").format(title(fresh), usd(fresh.cost_usd.p50))
    yield Sentence(text, "warning")


def _nothing(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Markup:
    """Why there is no option, and what comes closest."""
    if not ranking.considered:
        return Markup("<strong>No option passes these filters.</strong>")
    examples = [example for left in ranking.excluded for example in left.examples]
    able = [example for example in examples if example.days is not None and example.cost_usd is not None]
    if able and (request.deadline_days is not None or request.budget_usd is not None):
        return _nothing_within_limits(min(able, key=lambda example: _excess(example, request)), request, scale)
    short = [example for example in examples if example.lacks_gb]
    if short:
        least = min(short, key=lambda example: example.lacks_gb or 0.0)
        form = Markup("<strong>No machine here has enough memory for this model.</strong> Least short: {}, by {} GB.")
        return form.format(times(least.title), gigabytes(least.lacks_gb or 0.0))
    form = Markup("<strong>No machine here can train this.</strong> For example {}: {}.")
    return form.format(times(examples[0].title), examples[0].detail.rstrip("."))


def _nothing_within_limits(closest: ExclusionExample, request: RankingRequest, scale: TimeScale) -> Markup:
    plural = "" if request.deadline_days == 1 else "s"
    deadline = "" if request.deadline_days is None else f"within {request.deadline_days:g} day{plural}"
    budget = "" if request.budget_usd is None else f"for {usd(request.budget_usd)}"
    form = Markup("<strong>Nothing finishes {}.</strong> Closest: {}: {}, {}.")
    limits = " and ".join(filter(None, (deadline, budget)))
    return form.format(limits, times(closest.title), scale.words(closest.days or 0.0), usd(closest.cost_usd or 0.0))


def _excess(example: ExclusionExample, request: RankingRequest) -> float:
    """By what factor it misses the limit that it misses most."""
    days, cost = example.days or 0.0, example.cost_usd or 0.0
    return max(days / (request.deadline_days or math.inf), cost / (request.budget_usd or math.inf))


# Their parts ---------------------------------------------------------------------------------------------------------


def _money(option: Option) -> str:
    return usd(option.cost_usd.p50)


def _spread(option: Option) -> str:
    between = usd_interval(option.cost_usd)
    return f" ({between})" if between else ""


def _what(option: Option) -> str:
    """What the money of a rig is."""
    if option.kind == "cloud":
        return ""
    wear = option.cost_usd.p50 - option.cost_breakdown_usd.get("electricity", option.cost_usd.p50)
    if wear > 0.005:
        return f", of which {usd(wear, option.cost_usd.p50)} is your card's wear"
    return " of electricity"


def _machine(gpu: str, count: int, kind: str = "cloud") -> str:
    return f"{count}× {gpu}{' at home' if kind == 'local' else ''}"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _ordinal(rank: int) -> str:
    if rank % 100 in (11, 12, 13):
        return f"{rank:,}th"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{ending}"
