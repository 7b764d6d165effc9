"""What all forms of a report have in common: its headings, its lists, and the places of the reader's own links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from service.reports.language import Words, words
from service.reports.report import TOP, Offers, Report

UNSUBSCRIBE: Final = "https://unsubscribe.invalid/"  # in what is kept; every reader has an address of their own
PAUSE: Final = "https://pause.invalid/"  # likewise
MARKS: Final = {"cheaper": "▼", "dearer": "▲", "news": "●"}
SOURCES: Final = 6  # that fail or are old, by name


def top_heading(report: Report, sort: str) -> str:
    key = "top" if len(report.top) == TOP else "top_few"
    return words(report.language).say({"days": "top_days", "score": "top_score"}.get(sort, key))


def medians_heading(report: Report) -> str:
    say = words(report.language).say
    has_moved = any(median.change_percent for median in report.medians)
    return say("medians_since", date=report.since_text) if has_moved else say("medians")


def offer_lines(offers: Offers, said: Words) -> Iterator[str]:
    yield from (line.text for line in offers.lines)
    if offers.rest:
        yield said.say("more", n=offers.rest)


def source_lines(report: Report, said: Words) -> Iterator[str]:
    """How old the prices are, which sources fail, and whom licences say to name."""
    if report.prices_age:
        yield report.prices_age
    yield from (source.text for source in report.sources[:SOURCES])
    if len(report.sources) > SOURCES:
        yield said.say("more", n=len(report.sources) - SOURCES)
    yield from report.credits
