"""A report as plain text of 72 columns and as Markdown: written, not stripped from the HTML; the same order."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from service.reports.language import Words, words
from service.reports.mail_page import UNSUBSCRIBE, medians_heading, top_heading
from service.reports.report import Change, Offers, Report, Row

WIDTH: Final = 72
MARKS: Final = {"cheaper": "▼", "dearer": "▲", "news": "●"}
SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~#])")  # what turns text into markup in the middle of a line
SOURCES: Final = 6


# Plain text ----------------------------------------------------------------------------------------------------------


def as_text(report: Report, sort: str = "cost", unsubscribe_url: str = "") -> str:
    """72 columns, the table aligned by spaces, links on lines of their own."""
    return "\n".join(line.rstrip() for line in _text_lines(report, sort, unsubscribe_url)).strip() + "\n"


def for_everybody(text: str) -> str:
    """The text without the link that is only its reader's; it stands at the end."""
    return re.sub(rf"\n[^\n]*\n{re.escape(UNSUBSCRIBE)}\n$", "\n", text)


def _text_lines(report: Report, sort: str, unsubscribe_url: str) -> Iterator[str]:
    said = words(report.language)
    yield from _wrapped(report.about)
    yield ""
    for sentence in (*report.sentences, *report.warnings):
        yield from _wrapped(sentence)
        yield ""
    if report.changes:
        yield from _text_heading(said.say("since", date=report.since_text))
        for change in report.changes:
            yield from _wrapped(change.text, first=f"{MARKS[change.direction]} ", rest="  ")
        yield ""
    if report.top:
        yield from _text_heading(top_heading(report, sort))
        yield from _text_table(report.top, said)
        yield ""
    yield from _text_sections(report, said)
    yield said.say("open")
    yield report.ranking_url
    yield said.say("as_page")
    yield report.report_url
    yield ""
    yield from _wrapped(report.why)
    if unsubscribe_url:
        yield said.say("unsubscribe")
        yield unsubscribe_url


def _text_sections(report: Report, said: Words) -> Iterator[str]:
    for key, offers in (("appeared", report.appeared), ("vanished", report.vanished)):
        if offers.count:
            yield from _text_heading(said.say(key))
            for line in _offer_lines(offers, said):
                yield from _wrapped(line, first="- ", rest="  ")
            yield ""
    shows_all = report.has_news or report.since is None
    if report.medians and shows_all:
        yield from _text_heading(medians_heading(report))
        for median in report.medians:
            yield from _wrapped(median.text, first="- ", rest="  ")
        yield ""
    if report.break_even and shows_all:
        yield from _text_heading(said.say("break_even_head"))
        yield from _wrapped(report.break_even)
        yield ""
    if report.prices_age or report.sources:
        yield from _text_heading(said.say("sources_head"))
        for line in source_lines(report, said):
            yield from _wrapped(line)
        yield ""


def _offer_lines(offers: Offers, said: Words) -> Iterator[str]:
    yield from (line.text for line in offers.lines)
    if offers.rest:
        yield said.say("more", n=offers.rest)


def source_lines(report: Report, said: Words) -> Iterator[str]:
    if report.prices_age:
        yield report.prices_age
    yield from (source.text for source in report.sources[:SOURCES])
    if len(report.sources) > SOURCES:
        yield said.say("more", n=len(report.sources) - SOURCES)
    yield from report.credits


def _text_heading(text: str) -> Iterator[str]:
    yield text.upper()


def _text_table(rows: Sequence[Row], said: Words) -> Iterator[str]:
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


# Markdown ------------------------------------------------------------------------------------------------------------


def as_markdown(report: Report, sort: str = "cost") -> str:
    """For chats, notes and repositories; names from outside cannot become markup."""
    return "\n".join(_markdown_lines(report, sort)).strip() + "\n"


def _markdown_lines(report: Report, sort: str) -> Iterator[str]:
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
        yield from (_markdown_change(change) for change in report.changes)
        yield ""
    if report.top:
        yield f"## {escaped(top_heading(report, sort))}"
        yield ""
        yield from _markdown_table(report.top, said)
        yield ""
    yield from _markdown_sections(report, said)
    yield f"[{said.say('open')}](<{report.ranking_url}>) · [{said.say('as_page')}](<{report.report_url}>)"
    yield ""
    yield f"*{escaped(report.why)}*"


def _markdown_change(change: Change) -> str:
    return f"- {MARKS[change.direction]} {escaped(change.text)}"


def _markdown_table(rows: Sequence[Row], said: Words) -> Iterator[str]:
    yield f"| # | {said.say('option')} | {said.say('time')} | {said.say('cost')} |"
    yield "| --: | :-- | --: | --: |"
    for row in rows:
        was = f" ({escaped(said.say('was', rank=row.was_rank))})" if row.was_rank not in (None, row.rank) else ""
        title = f"[{escaped(row.title)}](<{row.url}>)"
        title = f"**{title}**" if row.is_yours else title
        change = f" ({escaped(row.change_text)})" if row.change_text else ""
        cost = f"{escaped(row.cost_text)}{change}"
        yield f"| {row.rank}{was} | {title}, {escaped(row.detail)} | {escaped(row.days_text)} | {cost} |"


def _markdown_sections(report: Report, said: Words) -> Iterator[str]:
    for key, offers in (("appeared", report.appeared), ("vanished", report.vanished)):
        if offers.count:
            yield from _markdown_list(said.say(key), list(_offer_lines(offers, said)))
    if report.has_news or report.since is None:
        if report.medians:
            yield from _markdown_list(medians_heading(report), [median.text for median in report.medians])
        if report.break_even:
            yield f"## {escaped(said.say('break_even_head'))}"
            yield ""
            yield escaped(report.break_even)
            yield ""
    if report.prices_age or report.sources:
        yield from _markdown_list(said.say("sources_head"), list(source_lines(report, said)))


def _markdown_list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"## {escaped(heading)}"
    yield ""
    yield from (f"- {escaped(line)}" for line in lines)
    yield ""


def escaped(text: str) -> str:
    """Text that stays text in Markdown."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split("\n")))
