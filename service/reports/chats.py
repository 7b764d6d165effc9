"""Reports as chat messages: the answer, what changed and a link, in the form of each chat; names mention nobody."""

from __future__ import annotations

import html
from typing import Any, Final

from service.reports.language import words
from service.reports.lines import MARKS
from service.reports.markdown import escaped
from service.reports.outgoing import Outgoing

TOP_LINES: Final = 5
MOST_TEXT: Final = 3500  # of a chat message; Telegram ends at 4096, Discord's embeds at 4096, Slack's sections at 3000


def slack_message(outgoing: Outgoing) -> dict[str, Any]:
    """A header, the answer, what changed, and a link; names cannot mention anybody."""
    header = {"type": "header", "text": {"type": "plain_text", "text": outgoing.subject[:150]}}
    texts = (_slack("\n".join(part))[:3000] for part in _parts(outgoing))
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    return {
        "text": _slack(outgoing.subject),
        "blocks": [header, *sections, _slack_link(outgoing)],
        "unfurl_links": False,
    }


def _slack_link(outgoing: Outgoing) -> dict[str, Any]:
    url = str(outgoing.value["report_url"])
    text = f"<{url.replace('>', '%3E').replace('|', '%7C')}|{_slack(_whole(outgoing))}>"
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def discord_message(outgoing: Outgoing) -> dict[str, Any]:
    parts = ("\n".join(escaped(line) for line in part) for part in _parts(outgoing))
    embed = {
        "title": outgoing.subject[:250],
        "url": outgoing.value["report_url"],
        "description": _cut("\n\n".join(parts)),
        "timestamp": outgoing.made_at.isoformat(),
        "color": 0x0B57A4,
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def telegram_message(outgoing: Outgoing) -> dict[str, Any]:
    body = html.escape(_cut("\n\n".join("\n".join(part) for part in _parts(outgoing))), quote=False)
    url = html.escape(str(outgoing.value["report_url"]))
    text = f'<b>{html.escape(outgoing.subject, quote=False)}</b>\n\n{body}\n\n<a href="{url}">{_whole(outgoing)}</a>'
    return {
        "chat_id": outgoing.shown["chat_id"],
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _parts(outgoing: Outgoing) -> list[list[str]]:
    """The answer, what makes it unsure, what changed, the cheapest few: the lines of each that has any."""
    told = outgoing.value
    changes = [f"{MARKS[each['direction']]} {each['text']}" for each in told["changes"]]
    top = [f"{row['rank']}. {row['title']}: {row['cost_text']}, {row['days_text']}" for row in told["top"][:TOP_LINES]]
    return [part for part in (told["sentences"], told["warnings"], changes, top) if part]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rsplit(chr(10), 1)[0].rstrip(chr(92))}\n…"


def _whole(outgoing: Outgoing) -> str:
    return words(outgoing.language).say("whole")
