"""Values as a terminal shows them: the words of the page, in tables that stay one line a row where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from service.estimation.answer import Estimate, Infeasible
from service.estimation.explain import Explanation
from service.presentation import words
from service.presentation.answers import ProviderAnswer, RejectionAnswer
from service.presentation.numbers import TimeScale, age, gigabytes, time_scale, usd_interval, usd_number, usd_rate
from service.ranking.option import Option, Ranking
from service.ranking.request import RankingRequest

RIGHT = frozenset({"#", "Days", "Hours", "Cost, $", "Offers", "Rejected", "ms", "FLOP", "TFLOP/s", "bytes", "GB/s"})


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal, or plain unwrapped lines where there is none."""
    if sys.stdout.isatty():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, justify="right" if column in RIGHT else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        Console(markup=False).print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in [columns, *rows]:
        cells = [
            cell.rjust(width) if name in RIGHT else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        print_line("  ".join(cells).rstrip())


def print_line(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")


def print_ranking(ranking: Ranking, request: RankingRequest, now: datetime) -> None:
    """The answer in sentences, the table, and what was left out."""
    scale = time_scale(option.days.p50 for option in ranking.options)
    for sentence in words.answer_sentences(ranking, request, scale, now):
        print_line(sentence.text.striptags())
    print_line()
    time_column = scale.unit.capitalize()
    columns = ["#", "Option", time_column, "Cost, $", "Where it goes", "Plan", "Evidence", "Price"]
    print_table(columns, [_row(option, scale, now) for option in ranking.options])
    print_line()
    for line in _accounts(ranking):
        print_line(line)
    for credit in words.credited(option.offer for option in ranking.options):
        print_line(f"Some of these prices: {credit}")


def _row(option: Option, scale: TimeScale, now: datetime) -> list[str]:
    days, cost = scale.interval(option.days), usd_interval(option.cost_usd, unit=False)
    return [
        str(option.rank),
        words.title(option),
        scale.number(option.days.p50) + (f" ({days})" if days else ""),
        usd_number(option.cost_usd.p50) + (f" ({cost})" if cost else ""),
        words.breakdown(option),
        words.plan(option),
        words.evidence(option),
        price(option, now),
    ]


def price(option: Option, now: datetime) -> str:
    """What an hour costs, on whose word, and how old that is."""
    if option.offer is None:
        assert option.rig is not None
        return f"{usd_rate(option.rig.electricity_usd_per_kwh)}/kWh, {option.rig.watts:.0f} W"
    offer = option.offer
    stock = ", not available now" if offer.available is False else ""
    old = " (old)" if offer.stale else ""
    return f"{usd_rate(offer.usd_per_hour)}/h {offer.source}, {age(offer.observed_at, now)}{old}{stock}"


def _accounts(ranking: Ranking) -> Iterator[str]:
    excluded = sum(exclusion.count for exclusion in ranking.excluded)
    shown = f", {len(ranking.options):,} shown" if len(ranking.options) < ranking.ranked else ""
    yield f"{ranking.considered:,} considered: {ranking.ranked:,} ranked{shown}, {excluded:,} excluded."
    for exclusion in ranking.excluded:
        example = exclusion.examples[0] if exclusion.examples else None
        said = f", such as {words.times(example.title)}: {example.detail}" if example else ""
        yield f"  {exclusion.count:,} {words.reason(exclusion.reason)}{said}"
    yield from ranking.notes


def print_option(option: Option) -> None:
    """One option's bill and hours line by line."""
    print_line(f"{words.title(option)} ({option.id})")
    print_line(f"  days {option.days.p50:.1f} ({option.days.p10:.1f}–{option.days.p90:.1f}), {words.evidence(option)}")
    print_line(f"  plan: {words.plan(option)}")
    for line in option.bill or ():
        source = f"  [{line.source}]" if line.source else ""
        print_line(
            f"  {line.item}: {line.quantity:,.2f} {line.unit} at ${line.usd_per_unit:,.4f} = ${line.usd:,.2f}{source}"
        )
    print_parts("one optimizer step", option.step_parts_s or {}, "s")
    print_parts("memory of one GPU", option.memory_parts_gb or {}, "GB")
    for note in option.notes:
        print_line(f"  {note}")


def print_parts(title: str, parts: Mapping[str, float], unit: str) -> None:
    total = sum(parts.values())
    if not total:
        return
    print_line(f"  {title}: {total:,.3f} {unit}")
    for name, amount in sorted(parts.items(), key=lambda part: -part[1]):
        if amount > 0:
            print_line(f"    {name.replace('_', ' ')}: {amount:,.3f} {unit} ({amount / total:.0%})")


def print_estimate(title: str, answer: Estimate | Infeasible, explain: bool) -> None:
    """Hours on one machine, or why not."""
    if isinstance(answer, Infeasible):
        print_line(f"{title}: cannot run this: {answer.detail}")
        return
    hours = answer.hours
    form = ",.0f" if hours.p50 >= 10 else ",.1f"
    spread = f"{hours.p10:{form}}–{hours.p90:{form}}"
    print_line(f"{title}: {hours.p50:{form}} h ({spread}), {hours.p50 / 24:,.1f} days")
    if answer.tokens_per_s_per_gpu:
        mfu = f", MFU {answer.mfu:.0%}" if answer.mfu else ""
        print_line(f"  {answer.tokens_per_s_per_gpu.p50:,.0f} tokens/s per GPU{mfu}")
    if answer.plan:
        memory = answer.plan.memory_gb
        print_line(f"  plan: {words.settings_of(answer.plan)}")
        print_line(f"  memory: {gigabytes(memory.needed)} of {gigabytes(memory.available)} GB")
    if explain:
        print_parts("memory of one GPU", answer.memory_parts_gb, "GB")
    for note in answer.notes:
        print_line(f"  {note}")


def print_explanation(told: Explanation) -> None:
    """What a step computes and moves, at which rates, by which constants, and what was measured near."""
    hardware = f", {told.hardware_flops_per_token:,.3g} with recomputation"
    repeats = told.hardware_flops_per_token > told.model_flops_per_token
    print_line(f"  FLOPs per token: {told.model_flops_per_token:,.3g}{hardware if repeats else ''}")
    print_line(f"  one optimizer step of one GPU: {sum(part.ms for part in told.parts):,.1f} ms")
    parts = [part for part in sorted(told.parts, key=lambda part: -part.ms) if part.ms >= 0.001]
    print_table(
        ["    part", "ms", "FLOP", "TFLOP/s", "bytes", "GB/s"],
        [
            [
                f"    {part.name.replace('_', ' ')}",
                f"{part.ms:,.1f}",
                _power(part.flops),
                _per_second(part.flops, part.ms, 1e12),
                _power(part.bytes),
                _per_second(part.bytes, part.ms, 1e9),
            ]
            for part in parts
        ],
    )
    print_line("  rates of one GPU:")
    for rate in told.rates:
        print_line(f"    {rate.name}: {rate.value:,.1f} {rate.unit} ({rate.source})")
    print_line("  constants that decide it, and what a tenth more of each does to the hours:")
    for each in told.constants:
        print_line(
            f"    {each.name} {each.value:.4g} {each.unit}, by {each.by}: {each.hours_change:+.1%} ({each.meaning})"
        )
    print_line("  measured near, beside what the same formula says:")
    for run in told.nearest:
        modelled = run.modelled_tokens_per_s_per_gpu
        beside = f"{modelled:,.0f} modelled" if modelled else "its plan is said not to run"
        print_line(
            f"    {run.model} on {run.gpu_count}× {run.gpu}, {run.date}: {run.tokens_per_s_per_gpu:,.0f} tokens/s per"
            f" GPU, {beside} [{run.source_url}]"
        )


def _power(amount: float | None) -> str:
    return "" if amount is None else f"{amount:.3g}"


def _per_second(amount: float | None, ms: float, unit: float) -> str:
    return "" if amount is None else f"{amount / ms * 1e3 / unit:,.0f}"


def print_status(sources: Sequence[ProviderAnswer], now: datetime) -> None:
    """Every price source: how it does, how old its prices are, and what it lacks."""
    rows = [
        [
            source.slug,
            source.state,
            source.source,
            f"{source.offers:,}",
            f"{source.rejections:,}",
            age(source.last_success, now) if source.last_success else "never",
            source.detail or "",
        ]
        for source in sources
    ]
    print_table(["Provider", "State", "Source", "Offers", "Rejected", "Last success", ""], rows)
    rejected = [source for source in sources if source.rejections_by_reason]
    if not rejected:
        return
    print_line()
    print_line("Set aside by the newest runs; `rig-or-rent status NAME` shows each offer:")
    for source in rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in source.rejections_by_reason.items())
        print_line(f"  {source.slug}: {reasons}")


def print_rejections(rejections: Sequence[RejectionAnswer]) -> None:
    """Offers set aside, as they were read, with the reason: the quarantine to work off."""
    if not rejections:
        print_line("Nothing is set aside.")
        return
    rows = [
        [each.provider, each.reason, _shown(each.offer), each.detail, ", ".join(each.nearest)] for each in rejections
    ]
    print_table(["Provider", "Reason", "Offer", "Why", "Nearest GPU"], rows)


def _shown(offer: Mapping[str, object]) -> str:
    """What of an offer tells a person which it is."""
    names = ("instance_type", "gpu", "gpu_count", "region", "pricing", "price_per_hour", "currency", "units_per_eur")
    return " ".join(str(offer[name]) for name in names if offer.get(name) is not None)
