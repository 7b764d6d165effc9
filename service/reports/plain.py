"""A report as plain text of 72 columns: written, not stripped from the HTML, in the same order."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from service.reports.language import Words, words
from service.reports.lines import MARKS, PAUSE, UNSUBSCRIBE, medians_heading, offer_lines, source_lines, top_heading
from service.reports.report import Report, Row

WIDTH: Final = 72


def as_text(report: Report, sort: str = "cost", unsubscribe_url: str = "") -> str:
    """72 columns, the table aligned by spaces, links on lines of their own."""
    return "\n".join(line.rstrip() for line in _lines(report, sort, unsubscribe_url)).strip() + "\n"


def for_everybody(text: str) -> str:
    """The text without the links that are only its reader's; they stand at the end."""
    return re.sub(rf"(\n[^\n]*\n{re.escape(PAUSE)})?\n[^\n]*\n{re.escape(UNSUBSCRIBE)}\n$", "\n", text)


def _lines(report: Report, sort: str, unsubscribe_url: str) -> Iterator[str]:
    said = words(report.language)
    yield from _wrapped(report.about)
    yield ""
    for sentence in (*report.sentences, *report.warnings):
        yield from _wrapped(sentence)
        yield ""
    if report.changes:
        yield from _heading(said.say("since", date=report.since_text))
        for change in report.changes:
            yield from _wrapped(change.text, first=f"{MARKS[change.direction]} ", rest="  ")
        yield ""
    if report.top:
        yield from _heading(top_heading(report, sort))
        yield from _table(report.top, said)
        yield ""
    yield from _sections(report, said)
    yield said.say("open")
    yield report.ranking_url
    yield said.say("as_page")
    yield report.report_url
    yield ""
    yield from _wrapped(report.why)
    if unsubscribe_url:
        yield said.say("pause")
        yield PAUSE
        yield said.say("unsubscribe")
        yield unsubscribe_url


def _sections(report: Report, said: Words) -> Iterator[str]:
    for key, offers in (("appeared", report.appeared), ("vanished", report.vanished)):
        if offers.count:
            yield from _heading(said.say(key))
            for line in offer_lines(offers, said):
                yield from _wrapped(line, first="- ", rest="  ")
            yield ""
    if report.medians and report.tells_all:
        yield from _heading(medians_heading(report))
        for median in report.medians:
            yield from _wrapped(median.text, first="- ", rest="  ")
        yield ""
    if report.break_even and report.tells_all:
        yield from _heading(said.say("break_even_head"))
        yield from _wrapped(report.break_even)
        yield ""
    if report.bill and report.tells_all:
        yield from _heading(report.bill_heading)
        for line in report.bill:
            yield from _wrapped(line, first="- ", rest="  ")
        yield ""
    if sources := list(source_lines(report, said)):
        yield from _heading(said.say("sources_head"))
        for line in sources:
            yield from _wrapped(line)
        yield ""


def _heading(text: str) -> Iterator[str]:
    yield text.upper()


def _table(rows: Sequence[Row], said: Words) -> Iterator[str]:
    """Rank, option, days, cost; what changed and where the price is from stand on a second line."""
    days = max(len(said.say("time")), *(len(row.days_text) for row in rows))
    cost = max(len(said.say("cost")), *(len(row.cost_text) for row in rows))
    room = WIDTH - 4 - 2 - days - 2 - cost
    yield f"{'#':>2}  {said.say('option'):<{room}}  {said.say('time'):>{days}}  {said.say('cost'):>{cost}}"
    for row in rows:
        title = row.title if len(row.title) <= room else f"{row.title[: room - 1]}…"
        yield f"{row.rank:>2}  {title:<{room}}  {row.days_text:>{days}}  {row.cost_text:>{cost}}"
        yield from _wrapped(_second_line(row, said), first="    ", rest="    ")


def _second_line(row: Row, said: Words) -> str:
    parts = [said.say("yours")] if row.is_yours else []
    parts.append(row.detail)
    if row.was_rank and row.was_rank != row.rank:
        parts.append(said.say("was", rank=row.was_rank))
    parts += [row.change_text, said.say("old") if row.is_old else ""]
    return " · ".join(filter(None, parts))


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
