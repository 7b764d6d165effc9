"""A report as HTML: tables and inlined style, as mail programs want it; the same page that `/reports/ID` shows."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

import css_inline
from jinja2 import Environment, StrictUndefined, Template

from service.reports.chart import drawn_medians
from service.reports.language import words
from service.reports.lines import PAUSE, UNSUBSCRIBE, medians_heading, offer_lines, source_lines, top_heading
from service.reports.report import Report

MOST_BYTES: Final = 80_000  # Gmail clips near 102 kB, and quoted-printable inflates Spanish
CHART: Final = "cid:chart@rig-or-rent"  # where the picture stands in a mail


def as_html(report: Report, sort: str = "cost", *, with_chart: bool = False) -> str:
    """The whole page, with `CHART`, `PAUSE` and `UNSUBSCRIBE` where a sender puts what is the reader's own."""
    said = words(report.language)
    page = _template().render(
        report=report,
        say=said.say,
        top_heading=top_heading(report, sort),
        medians_heading=medians_heading(report),
        offer_lines=lambda offers: list(offer_lines(offers, said)),
        source_lines=list(source_lines(report, said)),
        chart_src=CHART if with_chart else "",
        chart_alt=chart_alt(report),
        pause_url=PAUSE,
        unsubscribe_url=UNSUBSCRIBE if report.subscription_id else "",
    )
    return _inliner().inline(page)


def for_everybody(page: str) -> str:
    """The page without the links that are only its reader's."""
    own = f"{re.escape(PAUSE)}|{re.escape(UNSUBSCRIBE)}"
    return re.sub(rf'<br ?/?><a[^>]*href="(?:{own})"[^>]*>[^<]*</a>', "", page)


def chart_alt(report: Report) -> str:
    """The picture in words, with its numbers."""
    said = words(report.language)
    shown = drawn_medians(report)
    if not shown:
        return ""
    lines = [
        said.say(
            "chart_line",
            gpu=median.gpu,
            first=said.usd_rate(median.points[0].median_usd),
            last=said.usd_rate(median.points[-1].median_usd),
        )
        for median in shown
    ]
    first = min(median.points[0].at for median in shown)
    return said.say("chart_alt", n=max(1, (report.made_at - first).days), lines=" ".join(lines))


@cache
def _template() -> Template:
    source = files("service.reports").joinpath("templates", "mail.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return environment.from_string(source)


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False)
