"""Reports as chat messages: the answer, what changed and a link, in the form of each chat; names mention nobody."""

from __future__ import annotations

import html
from typing import Any, Final

from service.reports.language import words
from service.reports.outgoing import Outgoing
from service.reports.plain import escaped

TOP_LINES: Final = 5
MOST_TEXT: Final = 3500  # of a chat message; Telegram ends at 4096, Discord's embeds at 4096, Slack's sections at 3000


def slack_message(outgoing: Outgoing) -> dict[str, Any]:
    """A header, the answer, what changed, and a button; names cannot mention anybody."""
    header = {"type": "header", "text": {"type": "plain_text", "text": outgoing.subject[:150]}}
    texts = filter(None, (_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)))
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": _slack(text)[:3000]}} for text in texts]
    blocks = [header, *sections, _slack_links(outgoing)]
    return {"text": _slack(outgoing.subject), "blocks": blocks, "unfurl_links": False}


def _slack_links(outgoing: Outgoing) -> dict[str, Any]:
    url = str(outgoing.value["report_url"])
    text = f"<{url.replace('>', '%3E').replace('|', '%7C')}|{_slack(_open(outgoing))}>"
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def discord_message(outgoing: Outgoing) -> dict[str, Any]:
    parts = [_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)]
    description = "\n\n".join(escaped(part) for part in parts if part)
    embed = {
        "title": outgoing.subject[:250],
        "url": outgoing.value["report_url"],
        "description": _cut(description),
        "timestamp": outgoing.made_at.isoformat(),
        "color": 0x0B57A4,
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def telegram_message(outgoing: Outgoing) -> dict[str, Any]:
    parts = [_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)]
    body = html.escape(_cut("\n\n".join(filter(None, parts))), quote=False)
    url = html.escape(str(outgoing.value["report_url"]))
    text = f'<b>{html.escape(outgoing.subject, quote=False)}</b>\n\n{body}\n\n<a href="{url}">{_open(outgoing)}</a>'
    return {
        "chat_id": outgoing.shown["chat_id"],
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rsplit(chr(10), 1)[0].rstrip(chr(92))}\n…"


def _lines(outgoing: Outgoing, name: str) -> str:
    return "\n".join(str(line) for line in outgoing.value[name])


def _changes(outgoing: Outgoing) -> str:
    marks = {"cheaper": "▼", "dearer": "▲"}
    return "\n".join(f"{marks.get(change['direction'], '●')} {change['text']}" for change in outgoing.value["changes"])


def _top(outgoing: Outgoing) -> str:
    rows = outgoing.value["top"][:TOP_LINES]
    return "\n".join(f"{row['rank']}. {row['title']}: {row['cost_text']}, {row['days_text']}" for row in rows)


def _open(outgoing: Outgoing) -> str:
    return words(outgoing.language).say("as_sent")
