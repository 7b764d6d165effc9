"""The command `status`: the database, every price source, and what was set aside."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service import catalogue as known
from service import store
from service.commands.answering import print_json
from service.commands.naming import sources_named
from service.database import open_database
from service.presentation import terminal
from service.presentation.answers import RejectionAnswer, provider_answer, rejection_answer, source_of
from service.settings import Settings


async def run(options: argparse.Namespace) -> None:
    """The database and every price source."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    chosen = sources_named(options.names)
    async with open_database(settings) as database:
        await database.prepare()
        async with database.sessions() as session:
            states = await store.collectors(session)
            rejected = await _quarantine(session, options)
    sources = [source_of(module, settings.secrets) for module in chosen]
    answers = [provider_answer(source, states.get(source.slug), now) for source in sources]
    if options.json:
        print_json({"items": rejected if options.rejections else answers, "next_cursor": None})
        return
    if not options.rejections:
        terminal.print_status(answers, now)
    if options.rejections or options.names:
        terminal.print_line()
        terminal.print_rejections(rejected)


async def _quarantine(session: AsyncSession, options: argparse.Namespace) -> list[RejectionAnswer]:
    """What the newest runs set aside, of all sources or of those that are named."""
    found: list[RejectionAnswer] = []
    for slug in options.names or ([None] if options.rejections else []):
        cursor: str | None = None
        while True:
            page = await store.rejections(session, collector=slug, newest=True, limit=1000, cursor=cursor)
            found += [rejection_answer(each, known.load()) for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    return found
