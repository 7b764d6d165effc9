"""The charts of an option's page: where its time, its memory and its money go, and what it cost before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from service.estimation.hardware import Machine
from service.presentation.answers import OfferPrice
from service.presentation.charts import bars, history, scale
from service.presentation.charts.bars import Bar, Mark, Part
from service.presentation.charts.drawing import Drawing
from service.presentation.language import Language
from service.web.site.option.view import STEP, Charts, OptionView, Row, rows_of, seconds

MOST_CARDS: Final = 3  # times the card's memory that a bar of the machine's RAM may take beside it
SMALLEST_SHARE: Final = 0.02  # smaller parts of a bar are drawn as one


def _(text: str) -> str:
    """Marks a text for translation where it stands."""
    return text


def charts_of(view: OptionView) -> Charts:
    return Charts(step=_step(view), memory=_memory(view), money=_money(view), history=_history(view))


def _step(view: OptionView) -> Drawing | None:
    if not view.step_rows or view.machine is None:
        return None
    said = view.said
    found = [_step_bar(view.machine, view.step_rows, said)]
    if view.reference and view.reference[0] != view.machine:
        machine, estimate = view.reference
        found.append(_step_bar(machine, rows_of(estimate.step_parts_s, STEP, said), said))
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
        Mark(at=card, label=said.text(_("card: {gb} GB"), gb=said.whole_gigabytes(card))),
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
    return bars.stacked([bar], scale.money(total, said))


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
        scale.money(dearest * 1.1, view.said, at_most=4),
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
