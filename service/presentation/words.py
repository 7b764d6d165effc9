"""What a ranking says, in sentences: the same ones on the page and in a terminal. A slot is never filled with a guess.

Texts are English here; `scale.language` says them as the reader reads (`service.presentation.language`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from markupsafe import Markup

from service.estimation.answer import Plan
from service.presentation.language import ENGLISH, Language
from service.presentation.language import marked as _
from service.presentation.numbers import TimeScale
from service.ranking.option import CloudOffer, Contender, ExclusionExample, Option, Ranking
from service.ranking.request import RankingRequest

CALL_FROM = 0.6  # a group of equal machines that is cheapest with less than this probability is no clear winner
NAMED_FROM = 0.15  # and these are the ones worth naming beside it
HIGHEST_USD_PER_KWH = 3.0  # no household pays more; a break-even beyond it is none


SHARDING = {"ddp": "DDP", "zero1": "ZeRO-1", "zero2": "ZeRO-2", "fsdp": "FSDP"}
EVIDENCE = {
    "measured": _("measured"),
    "same_gpu": _("same GPU"),
    "same_family": _("same family"),
    "data_sheet": _("data sheet only"),
    "reference": _("reference run"),
}
PRICING = {"on_demand": _("on demand"), "spot": _("spot"), "reserved": _("reserved")}
REASONS = {
    "out_of_memory": _("out of memory"),
    "plan_out_of_memory": _("out of memory with your plan"),
    "plan_does_not_divide": _("not the number of GPUs your plan needs"),
    "unsupported_precision": _("precision not supported"),
    "no_reference": _("no reference to scale from"),
    "batch_too_small": _("batch too small to share out"),
    "over_budget": _("over budget"),
    "over_deadline": _("past the deadline"),
}
PARTS = {
    "electricity": _("electricity"),
    "hardware": _("the card's wear"),
    "compute": _("compute"),
    "interruptions": _("interruptions"),
    "storage": _("storage"),
    "egress": _("egress"),
    "setup": _("setup"),
    "minimum": _("minimum billing"),
    "rounding": _("rounding up"),
    "ingress": _("ingress"),
}
UNITS = {"GB-month": _("GB-month")}  # of a bill; the others are the same everywhere
SOURCES = {"live": _("live"), "catalogue": _("catalogue"), "history": _("history"), "bundled": _("bundled")}
CHECKPOINTING = {"selective": _("selective checkpointing"), "full": _("full checkpointing")}
OFFLOADED = {
    "optimizer": _("optimizer"),
    "gradients": _("gradients"),
    "activations": _("activations"),
    "parameters": _("parameters"),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    text: Markup
    kind: Literal["answer", "note", "warning"] = "answer"
    about: Option | Literal["break_even"] | None = None  # whose page tells why


def answer_sentences(ranking: Ranking, request: RankingRequest, scale: TimeScale, now: datetime) -> list[Sentence]:
    """The answer first, then what would change it, then what to know about its prices."""
    return [
        *_winners(ranking, request, scale),
        *_close_call(ranking, scale.language),
        *_rigs(ranking, request, scale),
        *_break_even(ranking, scale.language),
        *_value_of_a_day(ranking, request, scale),
        *_one_sided(ranking, request, scale.language),
        *_about_prices(ranking, request, now, scale.language),
    ]


def title(option: Option, language: Language = ENGLISH) -> str:
    """The option's title with a multiplication sign."""
    return times(option.title, language)


def times(text: str, language: Language = ENGLISH) -> str:
    """8x H100 SXM at RunPod (secure), spot: with a multiplication sign, and its few words in this language."""
    written = re.sub(r"^(\d+)x ", "\\1× ", text)
    if language.code == "en":
        return written
    for pattern, translated in TITLES:
        if match := re.fullmatch(pattern, written):
            return language.text(translated, **match.groupdict())
    return written


TITLES = (
    (r"(?P<machine>.+?) at home \((?P<country>.+?)\)", _("{machine} at home ({country})")),
    (r"(?P<machine>.+?) at home", _("{machine} at home")),
    (r"(?P<machine>.+?) at (?P<where>.+), spot", _("{machine} at {where}, spot")),
    (
        r"(?P<machine>.+?) at (?P<where>.+), reserved for (?P<n>\d+) months",
        _("{machine} at {where}, reserved for {n} months"),
    ),
    (r"(?P<machine>.+?) at (?P<where>.+)", _("{machine} at {where}")),
)


def machine(option: Option) -> str:
    """8× H100 SXM."""
    return f"{option.machine.gpu_count}× {option.machine.gpu}"


def page_title(ranking: Ranking, scale: TimeScale) -> str:
    """What a browser's tab says: the workload and the two answers."""
    text, usd = scale.language.text, scale.language.usd
    name = ranking.workload.get("name") or ranking.workload.get("slug")
    cheapest, soonest = ranking.answer.cheapest, ranking.answer.soonest
    if cheapest is None or soonest is None:
        return text("{workload}: no option", workload=name)
    cost, days = usd(cheapest.cost_usd.p50), scale.words(soonest.days.p50)
    if cheapest.id == soonest.id:
        return text("{workload}: {cost}, {days}", workload=name, cost=cost, days=days)
    return text("{workload}: {cost} or {days}", workload=name, cost=cost, days=days)


def breakdown(option: Option, parts: int = 2, language: Language = ENGLISH) -> str:
    """The largest parts of the cost in words, but none that rounds to nothing: `compute $361, interruptions $22`."""
    total = option.cost_usd.p50
    largest = sorted(option.cost_breakdown_usd.items(), key=lambda part: -part[1])[:parts]
    telling = [(item, amount) for item, amount in largest if _is_something(language.usd_number(amount, total))]
    return ", ".join(f"{part(item, language)} {language.usd(amount, total)}" for item, amount in telling or largest[:1])


def _is_something(written: str) -> bool:
    return bool(written.strip("0.,"))


def part(item: str, language: Language = ENGLISH) -> str:
    """A part of the bill."""
    return language.text(PARTS[item]) if item in PARTS else item.replace("_", " ")


def unit(name: str, language: Language = ENGLISH) -> str:
    """What a line of the bill counts."""
    return language.text(UNITS[name]) if name in UNITS else name


def plan(option: Option, language: Language = ENGLISH) -> str:
    """The settings to train with, in words."""
    return language.text("memory not checked") if option.plan is None else settings_of(option.plan, language)


def settings_of(settings: Plan, language: Language = ENGLISH) -> str:
    text = language.text
    words = [text("micro-batch {n}", n=settings.micro_batch)]
    if settings.activation_checkpointing != "none":
        words.append(text(CHECKPOINTING[settings.activation_checkpointing]))
    if settings.offload:
        held = language.listed([text(OFFLOADED[item]) for item in settings.offload])
        words.append(text("{parts} in RAM", parts=held))
    if settings.sharding != "none":
        words.append(SHARDING[settings.sharding])
    if not settings.compiled:
        words.append(text("not compiled"))
    if not settings.flash_attention:
        words.append(text("attention not fused"))
    words += [
        text("{part} cut over {n} GPUs", part=text(part), n=size)
        for part, size in (
            (_("matrices"), settings.tensor_parallel),
            (_("layers"), settings.pipeline_parallel),
            (_("sequences"), settings.context_parallel),
        )
        if size > 1
    ]
    return ", ".join(words)


def evidence(option: Option, language: Language = ENGLISH) -> str:
    words = language.text(EVIDENCE.get(option.evidence.tier, option.evidence.tier))
    runs = language.count("{n} run", "{n} runs", len(option.evidence.runs))
    return f"{words}, {runs}" if option.evidence.runs else words


def availability(available: bool | None, language: Language = ENGLISH) -> str:
    return language.text({True: _("available"), False: _("out of stock now"), None: _("stock not said")}[available])


def reason(name: str, language: Language = ENGLISH) -> str:
    return language.text(REASONS[name]) if name in REASONS else name.replace("_", " ")


def pricing(offer: CloudOffer, language: Language = ENGLISH) -> str:
    """on demand; reserved for 12 months."""
    words = language.text(PRICING[offer.pricing]) if offer.pricing in PRICING else offer.pricing
    if not offer.term_months:
        return words
    return language.text("{pricing} for {n} months", pricing=words, n=offer.term_months)


# The sentences, in their order ---------------------------------------------------------------------------------------


def _winners(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    say, usd = scale.language.say, scale.language.usd
    cheapest, soonest = ranking.answer.cheapest, ranking.answer.soonest
    if cheapest is None or soonest is None:
        yield Sentence(_nothing(ranking, request, scale))
    elif cheapest.id == soonest.id:
        form = _("Cheapest and soonest: {title}: <strong>{cost}</strong>{spread}, <strong>{days}</strong>.")
        slots = {"title": title(cheapest, scale.language), "cost": usd(cheapest.cost_usd.p50)}
        slots |= {"spread": _spread(cheapest, scale.language), "days": scale.words(cheapest.days.p50)}
        yield Sentence(say(form, **slots), about=cheapest)
    else:
        yield Sentence(_cheapest(cheapest, scale), about=cheapest)
        form = _("Soonest: {title}: <strong>{days}</strong>{spread}, {cost}.")
        between = scale.range_in_words(soonest.days)
        yield Sentence(
            say(
                form,
                title=title(soonest, scale.language),
                days=scale.words(soonest.days.p50),
                spread=f" ({between})" if between else "",
                cost=usd(soonest.cost_usd.p50),
            ),
            about=soonest,
        )


def _cheapest(option: Option, scale: TimeScale) -> Markup:
    """The cheapest, and what the money is for where it is one's own machine."""
    language = scale.language
    wear = _wear(option)
    if option.kind == "cloud":
        form = _("Cheapest: {title}: <strong>{cost}</strong>{spread}, {days}.")
    elif wear:
        form = _("Cheapest: {title}: <strong>{cost}</strong>, of which {wear} is your card's wear, {days}.")
    else:
        form = _("Cheapest: {title}: <strong>{cost}</strong> of electricity{spread}, {days}.")
    return language.say(
        form,
        title=title(option, language),
        cost=language.usd(option.cost_usd.p50),
        spread=_spread(option, language),
        wear=language.usd(wear, option.cost_usd.p50),
        days=scale.words(option.days.p50),
    )


def tied(ranking: Ranking) -> list[Contender]:
    """Which may each be cheapest; none where one is. Machines of one GPU and count count as one: clouds would tie."""
    named = [each for each in ranking.answer.contenders if each.probability_cheapest >= NAMED_FROM]
    return named if len(named) > 1 and named[0].probability_cheapest < CALL_FROM else []


def _close_call(ranking: Ranking, language: Language) -> Iterator[Sentence]:
    named = tied(ranking)
    if not named:
        return
    costs = [each.option.cost_usd.p50 for each in named]
    machines = language.listed(
        [f"{_at_home(each.option, language)} ({language.share(each.probability_cheapest)})" for each in named]
    )
    form = _("Too close to call: {machines} may each be cheapest, at {low} to {high}.")
    low, high = language.usd(min(costs)), language.usd(max(costs))
    yield Sentence(language.say(form, machines=machines, low=low, high=high), "note")


def _rigs(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    winners = {option.id for option in (ranking.answer.cheapest, ranking.answer.soonest) if option}
    for option in ranking.answer.rigs:
        if option.id not in winners:
            yield Sentence(_rig_beside(option, ranking.ranked, scale), about=option)
    for reason, example in _rigs_left_out(ranking):
        yield Sentence(_rig_left_out(reason, example, scale.language))


def _rig_beside(option: Option, ranked: int, scale: TimeScale) -> Markup:
    language, wear = scale.language, _wear(option)
    if wear:
        form = _(
            "Your {gpu}: <strong>{days}</strong>, {cost}, of which {wear} is your card's wear ({place} of {total})."
        )
    else:
        form = _("Your {gpu}: <strong>{days}</strong>, {cost} of electricity ({place} of {total}).")
    return language.say(
        form,
        gpu=_card(option),
        days=scale.words(option.days.p50),
        cost=language.usd(option.cost_usd.p50),
        wear=language.usd(wear, option.cost_usd.p50),
        place=place(option.rank, language),
        total=language.number(ranked),
    )


def _rigs_left_out(ranking: Ranking) -> Iterator[tuple[str, ExclusionExample]]:
    return ((left.reason, example) for left in ranking.excluded for example in left.examples if example.kind == "local")


def _rig_left_out(reason: str, example: ExclusionExample, language: Language) -> Markup:
    gpu = times(example.title, language).removesuffix(".").removeprefix("1× ")
    if example.lacks_gb is None:
        return language.say("Your {gpu}: {why}.", gpu=gpu, why=language.retell(example.detail.rstrip(".")))
    form = _("Your {gpu} cannot train this: it lacks {gb} GB even with the most frugal plan.")
    if reason == "plan_out_of_memory":
        form = _("Your {gpu} cannot train this with the plan that you fixed: it lacks {gb} GB.")
    return language.say(form, gpu=gpu, gb=language.gigabytes(example.lacks_gb))


def _break_even(ranking: Ranking, language: Language) -> Iterator[Sentence]:
    even = ranking.break_even
    local = next((option for option in ranking.answer.rigs if even and option.id == even.best_local), None)
    if even is None or local is None or local.rig is None or even.best_cloud is None:
        return
    gpu, rate = _card(local), language.usd_rate
    crossing = even.electricity_usd_per_kwh
    if crossing is None:
        yield Sentence(language.say("Renting costs less even with free electricity."), about="break_even")
    elif crossing > HIGHEST_USD_PER_KWH:
        form = _("At any electricity price below {highest}, your {gpu} costs less.")
        yield Sentence(language.say(form, highest=rate(HIGHEST_USD_PER_KWH), gpu=gpu), about="break_even")
    else:
        form = _("Renting costs less than your {gpu} above <strong>{price} per kWh</strong>; you pay {own}.")
        own = rate(local.rig.electricity_usd_per_kwh)
        yield Sentence(language.say(form, gpu=gpu, price=rate(crossing), own=own), about="break_even")


def _value_of_a_day(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Iterator[Sentence]:
    best = ranking.answer.lowest_score
    if best is None or not request.usd_per_day:
        return
    usd = scale.language.usd
    form = _("Counting {value} per day of waiting, best: {title}: <strong>{cost} + {waiting}</strong> for {days}.")
    yield Sentence(
        scale.language.say(
            form,
            value=usd(request.usd_per_day),
            title=title(best, scale.language),
            cost=usd(best.cost_usd.p50),
            waiting=usd(best.score_usd - best.cost_usd.p50),
            days=scale.words(best.days.p50),
        )
    )


def _one_sided(ranking: Ranking, request: RankingRequest, language: Language) -> Iterator[Sentence]:
    if not ranking.ranked:
        return
    if not request.rigs:
        yield Sentence(language.say("Add a card you own to compare renting with it."), "note")
    elif ranking.market.offers and not ranking.answer.rented:
        text = _("No cloud offer passes your filters; this compares your machines only.")
        yield Sentence(language.say(text), "note")


def _about_prices(ranking: Ranking, request: RankingRequest, now: datetime, language: Language) -> Iterator[Sentence]:
    if request.method == "ratio":
        yield Sentence(language.say("Times are scaled from one measured run; memory is not checked."), "note")
    yield from _only_bundled(ranking, language)
    if not ranking.market.offers:
        text = _("No prices yet: the first collection takes a few minutes. Your own machines are ranked below.")
        yield Sentence(language.say(text), "warning")
    if request.as_of is not None:
        yield Sentence(language.say("With prices as of {date}.", date=language.date(ranking.as_of)), "note")
    yield from _stale_winner(ranking, now, language)


def _only_bundled(ranking: Ranking, language: Language) -> Iterator[Sentence]:
    newest = ranking.market.newest_price_at
    if newest and set(ranking.market.sources) == {"bundled"}:
        form = _("These prices shipped with the software, the newest of {date}; none has been collected yet.")
        yield Sentence(language.say(form, date=language.date(newest)), "warning")


def _stale_winner(ranking: Ranking, now: datetime, language: Language) -> Iterator[Sentence]:
    cheapest = ranking.answer.cheapest
    if cheapest is None or cheapest.offer is None or not cheapest.offer.stale:
        return
    seen = cheapest.offer.observed_at
    able = [option for option in ranking.options if option.offer is None or not option.offer.stale]
    fresh = min(able, key=lambda option: option.cost_usd.p50, default=None)
    form = _("The price behind this answer is {age} old (seen {date}).")
    text = language.say(form, age=language.lasting(now - seen), date=language.moment(seen))
    if fresh:
        form = _("Fresh prices only: {title}: {cost}.")
        text += " " + language.say(form, title=title(fresh, language), cost=language.usd(fresh.cost_usd.p50))
    yield Sentence(text, "warning")


def _nothing(ranking: Ranking, request: RankingRequest, scale: TimeScale) -> Markup:
    """Why there is no option, and what comes closest."""
    language = scale.language
    if not ranking.considered:
        return language.say("<strong>No option passes these filters.</strong>")
    examples = [example for left in ranking.excluded for example in left.examples]
    able = [example for example in examples if example.days is not None and example.cost_usd is not None]
    if able and (request.deadline_days is not None or request.budget_usd is not None):
        return _nothing_within_limits(min(able, key=lambda example: _excess(example, request)), request, scale)
    short = [example for example in examples if example.lacks_gb]
    if short:
        least = min(short, key=lambda example: example.lacks_gb or 0.0)
        form = _("<strong>No machine here has enough memory for this model.</strong> Least short: {title}, by {gb} GB.")
        if any(left.reason == "plan_out_of_memory" for left in ranking.excluded):
            form = _(
                "<strong>No machine here has memory for the plan you fixed.</strong> Least short: {title}, by {gb} GB."
            )
        return language.say(form, title=times(least.title, language), gb=language.gigabytes(least.lacks_gb or 0.0))
    form = _("<strong>No machine here can train this.</strong> For example {title}: {why}.")
    why = language.retell(examples[0].detail.rstrip("."))
    return language.say(form, title=times(examples[0].title, language), why=why)


def _nothing_within_limits(closest: ExclusionExample, request: RankingRequest, scale: TimeScale) -> Markup:
    language = scale.language
    deadline, budget = request.deadline_days, request.budget_usd
    if budget is None:
        form = _("<strong>Nothing finishes within {deadline}.</strong> Closest: {title}: {days}, {cost}.")
    elif deadline is None:
        form = _("<strong>Nothing finishes for {budget}.</strong> Closest: {title}: {days}, {cost}.")
    else:
        form = _(
            "<strong>Nothing finishes within {deadline} and for {budget}.</strong> Closest: {title}: {days}, {cost}."
        )
    given = f"{deadline or 0:g}".replace(".", language.decimal)
    return language.say(
        form,
        deadline=language.count("{n} day", "{n} days", deadline or 0, n=given),
        budget=language.usd(budget or 0),
        title=times(closest.title, language),
        days=scale.words(closest.days or 0.0),
        cost=language.usd(closest.cost_usd or 0.0),
    )


def _excess(example: ExclusionExample, request: RankingRequest) -> float:
    """By what factor it misses the limit that it misses most."""
    days, cost = example.days or 0.0, example.cost_usd or 0.0
    return max(days / (request.deadline_days or math.inf), cost / (request.budget_usd or math.inf))


# Their parts ---------------------------------------------------------------------------------------------------------


def _spread(option: Option, language: Language) -> str:
    between = language.usd_interval(option.cost_usd)
    return f" ({between})" if between else ""


def _wear(option: Option) -> float:
    """How much of the money is the card's loss of value, not electricity; nothing for what is rented."""
    if option.kind == "cloud":
        return 0.0
    wear = option.cost_usd.p50 - option.cost_breakdown_usd.get("electricity", option.cost_usd.p50)
    return wear if wear > 0.005 else 0.0


def _card(rig: Option) -> str:
    """RTX 4070, or 2× RTX 4090: one's own card by its name."""
    return rig.machine.gpu if rig.machine.gpu_count == 1 else machine(rig)


def _at_home(option: Option, language: Language) -> str:
    """8× H100 SXM, whoever rents it out; 1× RTX 4070 at home."""
    written = machine(option)
    return times(f"{written} at home", language) if option.kind == "local" else written


def place(rank: int, language: Language = ENGLISH) -> str:
    """`2nd`; where ordinals are avoided: `puesto 2`."""
    if language.code != "en":
        return language.text("place {n}", n=language.number(rank))
    if rank % 100 in (11, 12, 13):
        return f"{rank:,}th"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{ending}"


def credited(offers: Iterable[CloudOffer | None]) -> list[str]:
    """Whom the licences of these prices say to name, each once."""
    return list(dict.fromkeys(offer.attribution for offer in offers if offer and offer.attribution))
