"""A report as Markdown: for chats, notes and repositories; names from outside cannot become markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from service.reports.language import Words, words
from service.reports.lines import MARKS, medians_heading, offer_lines, source_lines, top_heading
from service.reports.report import Change, Report, Row

SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~#])")  # what turns text into markup in the middle of a line


def as_markdown(report: Report, sort: str = "cost") -> str:
    """The subject as its heading, the table as a table."""
    return "\n".join(_lines(report, sort)).strip() + "\n"


def _lines(report: Report, sort: str) -> Iterator[str]:
    said = words(report.language)
    yield f"# {escaped(report.subject)}"
    yield ""
    yield escaped(report.about)
    yield ""
    for number, sentence in enumerate(report.sentences):
        yield f"**{escaped(sentence)}**" if number == 0 else escaped(sentence)
        yield ""
    for warning in report.warnings:
        yield f"> {escaped(warning)}"
        yield ""
    if report.changes:
        yield f"## {escaped(said.say('since', date=report.since_text))}"
        yield ""
        yield from (_change(change) for change in report.changes)
        yield ""
    if report.top:
        yield f"## {escaped(top_heading(report, sort))}"
        yield ""
        yield from _table(report.top, said)
        yield ""
    yield from _sections(report, said)
    yield f"[{said.say('open')}](<{report.ranking_url}>) · [{said.say('as_page')}](<{report.report_url}>)"
    yield ""
    yield f"*{escaped(report.why)}*"


def _change(change: Change) -> str:
    return f"- {MARKS[change.direction]} {escaped(change.text)}"


def _table(rows: Sequence[Row], said: Words) -> Iterator[str]:
    yield f"| # | {said.say('option')} | {said.say('time')} | {said.say('cost')} |"
    yield "| --: | :-- | --: | --: |"
    for row in rows:
        was = f" ({escaped(said.say('was', rank=row.was_rank))})" if row.was_rank not in (None, row.rank) else ""
        title = f"[{escaped(row.title)}](<{row.url}>)"
        title = f"**{title}**" if row.is_yours else title
        change = f" ({escaped(row.change_text)})" if row.change_text else ""
        cost = f"{escaped(row.cost_text)}{change}"
        yield f"| {row.rank}{was} | {title}, {escaped(row.detail)} | {escaped(row.days_text)} | {cost} |"


def _sections(report: Report, said: Words) -> Iterator[str]:
    for key, offers in (("appeared", report.appeared), ("vanished", report.vanished)):
        if offers.count:
            yield from _list(said.say(key), list(offer_lines(offers, said)))
    if report.tells_all:
        if report.medians:
            yield from _list(medians_heading(report), [median.text for median in report.medians])
        if report.break_even:
            yield f"## {escaped(said.say('break_even_head'))}"
            yield ""
            yield escaped(report.break_even)
            yield ""
        if report.bill:
            yield from _list(report.bill_heading, report.bill)
    if sources := list(source_lines(report, said)):
        yield from _list(said.say("sources_head"), sources)


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"## {escaped(heading)}"
    yield ""
    yield from (f"- {escaped(line)}" for line in lines)
    yield ""


def escaped(text: str) -> str:
    """Text that stays text in Markdown."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))
