"""The command `serve`: API, pages and schedule, until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from service.database import open_database
from service.settings import Settings, api_key


def run(options: argparse.Namespace) -> None:
    """API, pages and schedule, until interrupted."""
    settings = Settings.from_environment()
    key = api_key(settings)
    if key.is_new:
        sys.stderr.write(f"A key for writing calls was made: {key.path}\n")
    asyncio.run(_require_database(settings))
    sys.stderr.write(f"Rig or Rent on http://{options.host}:{options.port}\n")
    Server(
        "service.app:create_app",
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGI,
        workers=options.workers,
        factory=True,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=options.workers > 1,
    ).serve()


async def _require_database(settings: Settings) -> None:
    """What keeps every worker from starting is said once and here: a worker would be started again and again."""
    async with open_database(settings) as database:
        await database.prepare()
