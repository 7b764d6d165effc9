"""The command `import-history`: prices of the past from a file."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from service import catalogue as known
from service.collect import AlreadyCollecting, Imported, NoHistory
from service.collect import history as past
from service.commands.answering import BadInput, Failed, content_of, print_json
from service.database import open_database
from service.presentation import terminal
from service.settings import Settings


async def run(options: argparse.Namespace) -> None:
    """Prices of the past from a file; what is known already stays as it is."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    given = {"source_url": options.source_url, "attribution": options.attribution}
    content = content_of(options.file).decode("utf-8", errors="replace")
    try:
        past.read_history(content, now.date())  # what no database can make right is said before one is opened
    except NoHistory as error:
        raise BadInput(f"{options.file}: {error}") from error
    async with open_database(settings) as database:
        await database.prepare()
        try:
            done = await past.import_history(
                content,
                sessions=database.sessions,
                catalogue=known.load(),
                now=now,
                **{name: value for name, value in given.items() if value},
            )
        except AlreadyCollecting as busy:
            raise Failed(str(busy)) from busy
    for row in done.bad_rows:
        sys.stderr.write(f"{options.file}: line {row.line}: {row.message}\n")
    print_json(done) if options.json else terminal.print_line(_imported(done))


def _imported(done: Imported) -> str:
    bad = f", {len(done.bad_rows):,} cannot be read" if done.bad_rows else ""
    return (
        f"{done.opened:,} prices of the past are new, of {done.providers} providers from {done.first_day} to "
        f"{done.last_day}. Of {done.rows:,} rows {done.left_out:,} rent no machine{bad}; "
        f"{done.rejected:,} kinds of offers were set aside."
    )
