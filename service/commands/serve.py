"""The command `serve`: API, pages and schedule, until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from service.commands.answering import BadInput, Failed
from service.database import open_database
from service.settings import Settings, api_key


def run(options: argparse.Namespace) -> None:
    """What keeps a worker from starting is said here, once: workers would be started again and again."""
    settings = Settings.from_environment()
    key = api_key(settings)
    if key.is_new:
        sys.stderr.write(f"A key for writing calls was made: {key.path}\n")
    address = _address(options.host, options.port)
    asyncio.run(_require_database(settings))
    sys.stderr.write(f"Rig or Rent on http://{options.host}:{options.port}\n")
    Server(
        "service.app:served",
        address=address,
        port=options.port,
        interface=Interfaces.ASGI,
        workers=options.workers,
        factory=True,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=options.workers > 1,
    ).serve()


def _address(host: str, port: int) -> str:
    """The number of this host, where nobody else listens yet."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise BadInput(f"--host {host} is no address: {error.strerror}") from error
    except OSError as error:
        raise Failed(f"nobody can listen on port {port} of {host} now: {error.strerror}; see --port") from error
    return str(address[0])


async def _require_database(settings: Settings) -> None:
    async with open_database(settings) as database:
        await database.prepare()
