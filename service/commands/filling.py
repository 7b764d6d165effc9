"""Prices for an empty store, before the first ranking is made of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from service import catalogue as known
from service import store
from service.collect import collect_bundled_if_needed, collect_first, quick_sources
from service.collect.history import COLLECTOR
from service.database import Database
from service.rates import EuropeanCentralBank
from service.settings import Settings

TELLS_NO_PRICE_OF_NOW = {COLLECTOR, EuropeanCentralBank.slug}
SLUGS_SHOWN = 6  # `rig-or-rent status` has them all


async def fill_if_empty(database: Database, settings: Settings, now: datetime) -> None:
    """The first ranking tries the sources that need no key; after that, collecting is the schedule's work."""
    catalogue = known.load()
    async with database.sessions() as session:
        is_filled = await store.knows_prices(session, besides=TELLS_NO_PRICE_OF_NOW)
    if is_filled:
        await collect_bundled_if_needed(database.sessions, catalogue, now)
        return
    asked = len(quick_sources(settings))
    with _progress(f"Collecting prices from {asked} sources", asked) as advance:
        first = await collect_first(
            settings=settings,
            sessions=database.sessions,
            catalogue=catalogue,
            now=now,
            on_done=lambda slug, run: advance(),
        )
    offers = sum(len(run.observations) for run in first.runs)
    sources = f"{len(first.runs)} source{'' if len(first.runs) == 1 else 's'}"
    missed = f"; not reached: {_reasons(first.not_reached)}" if first.not_reached else ""
    sys.stderr.write(f"First prices: {offers:,} offers from {sources}{missed}.\n")


def _reasons(not_reached: Mapping[str, str]) -> str:
    """`aws, azure (no network); lambda (…)`: sources by why they gave nothing."""
    by_reason: dict[str, list[str]] = {}
    for slug, reason in not_reached.items():
        by_reason.setdefault(reason, []).append(slug)
    return "; ".join(f"{_some(slugs)} ({reason})" for reason, slugs in by_reason.items())


def _some(slugs: Sequence[str]) -> str:
    return ", ".join(slugs) if len(slugs) <= SLUGS_SHOWN else f"{len(slugs)} sources"


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, a line of text elsewhere; yields what moves it on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        sys.stderr.write(f"{title}, for at most 20 s …\n")
        yield lambda: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)
