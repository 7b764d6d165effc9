"""Price changes as an Atom feed: one entry for each GPU, provider, purchase option and day in which a price moved."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b
from typing import Final
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from feedgen.feed import FeedGenerator

from service.reports.language import Words
from service.store.changes import PriceChange

ENTRIES: Final = 100
LARGEST_TITLE: Final = 200
UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The widest move of one kind of offer on one day."""

    change: PriceChange
    provider: str  # as people write it
    day: date
    others: int  # that moved beside it
    first_seen: datetime
    last_change: datetime

    @property
    def key(self) -> str:
        change = self.change
        text = f"{change.gpu}\n{change.provider}\n{change.pricing}"
        return blake2b(text.encode(), digest_size=6).hexdigest()


def entries_of(changes: Sequence[PriceChange], names: dict[str, str]) -> list[Entry]:
    """The newest first, at most so many."""
    grouped: dict[tuple[str, str, str, date], list[PriceChange]] = {}
    for change in changes:
        grouped.setdefault((change.gpu, change.provider, change.pricing, change.at.date()), []).append(change)
    entries = [_entry(day, group, names) for (_, _, _, day), group in grouped.items()]
    return sorted(entries, key=lambda entry: (entry.last_change, entry.key), reverse=True)[:ENTRIES]


def _entry(day: date, group: Sequence[PriceChange], names: dict[str, str]) -> Entry:
    widest = max(group, key=lambda change: (abs(percent_of(change)), change.at))
    return Entry(
        change=widest,
        provider=names.get(widest.provider, widest.provider),
        day=day,
        others=len(group) - 1,
        first_seen=min(change.at for change in group),
        last_change=max(change.at for change in group),
    )


def percent_of(change: PriceChange) -> float:
    return 100 * (float(change.now) / float(change.before) - 1)


def as_atom(
    entries: Iterable[Entry], *, words: Words, public_url: str, parameters: dict[str, list[str]], began: datetime
) -> bytes:
    """The feed. Its ids name this installation for ever, whatever its content becomes."""
    host = urlsplit(public_url).hostname or "localhost"
    query = urlencode(parameters, doseq=True)
    address = f"{public_url}/feeds/prices.atom" + (f"?{query}" if query else "")
    shown = list(entries)
    feed = FeedGenerator()
    feed.id(f"tag:{host},2026:prices?{query}")
    feed.title(words.say("feed_title"))
    feed.subtitle(words.say("feed_subtitle"))
    feed.updated(max((entry.last_change for entry in shown), default=began))
    feed.author({"name": "Rig or Rent"})
    feed.link(href=address, rel="self", type="application/atom+xml")
    feed.link(href=f"{public_url}/", rel="alternate", type="text/html")
    feed.language(words.code)
    for entry in shown:
        _add(feed, entry, words, host, public_url)
    written: bytes = feed.atom_str(pretty=True)
    return written


def _add(feed: FeedGenerator, entry: Entry, words: Words, host: str, public_url: str) -> None:
    change = entry.change
    added = feed.add_entry(order="append")
    added.id(f"tag:{host},{entry.day.isoformat()}:price/{entry.key}")
    added.title(_printable(title_of(entry, words))[:LARGEST_TITLE])
    added.published(entry.first_seen)
    added.updated(entry.last_change)
    added.link(href=f"{public_url}/?{urlencode({'gpu': change.gpu, 'provider': change.provider})}", rel="alternate")
    added.category([{"term": change.gpu}, {"term": change.pricing}])
    added.content(_content(entry, words), type="html")


def title_of(entry: Entry, words: Words) -> str:
    """H100 SXM spot at Acme: $2.10 → $1.84/h (−12.4%)."""
    change = entry.change
    how = "" if change.pricing == "on_demand" else f" {words.say(change.pricing)}"
    moved = f"{_money(float(change.before), change, words)} → {_money(float(change.now), change, words)}/h"
    at = words.say("at")
    return f"{change.gpu}{how} {at} {entry.provider}: {moved} ({words.signed_percent(percent_of(change))})"


def _content(entry: Entry, words: Words) -> str:
    """What it is and where it was read, and a table of two rows."""
    change = entry.change
    what = f"{change.gpu_count}× {change.gpu}, {change.instance_type}" + (f", {change.region}" if change.region else "")
    more = f" {words.say('more', n=entry.others)}" if entry.others else ""
    source = f'<a href="{html.escape(change.source_url)}">{html.escape(words.say("feed_source"))}</a>'
    read = html.escape(words.say("feed_read", at=words.moment(change.at, UTC)))
    rows = "".join(
        f"<tr><th>{html.escape(words.say(key))}</th><td>{html.escape(_money(float(amount), change, words))}/h</td></tr>"
        for key, amount in (("feed_before", change.before), ("feed_now", change.now))
    )
    return f"<p>{html.escape(_printable(what + more))}. {read}: {source}.</p><table>{rows}</table>"


def _money(amount: float, change: PriceChange, words: Words) -> str:
    if change.currency == "USD":
        return words.usd_rate(amount)
    return f"{amount:,.2f} {change.currency}"


def _printable(text: str) -> str:
    """XML knows no control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
