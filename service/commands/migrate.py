"""The command `migrate`: the database as this software needs it."""

from __future__ import annotations

import argparse

from service.commands.answering import print_json
from service.database import newest_revision, open_database
from service.presentation import terminal
from service.settings import Settings


async def run(options: argparse.Namespace) -> None:
    """Whatever the database's version, it is the newest afterwards; or newer than this software, and left alone."""
    async with open_database(Settings.from_environment()) as database:
        await database.migrate()
    print_json({"revision": newest_revision()}) if options.json else terminal.print_line(
        f"The database is at version {newest_revision()}, the newest."
    )
