"""One collection per source at a time, over all processes of a database; held by a connection, not by a transaction.

Fetching may take minutes, and a transaction that long keeps the database from cleaning up. A claim ends with its
connection, however that ends: a process that is killed leaves none behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from service import store

Sessions = async_sessionmaker[AsyncSession]

LOCK_CLASS: Final = 0x726F  # "ro": the first half of our advisory locks; the second is the collector


class AlreadyCollecting(Exception):
    """Another process or task is collecting from this provider just now."""


@asynccontextmanager
async def claimed(sessions: Sessions, collector: str, *, waits: bool = False) -> AsyncIterator[int]:
    """The id of a run that nobody else has, of a collector that nobody else collects from. Raises AlreadyCollecting."""
    async with _own_connection(sessions) as connection:
        await _claim(connection, collector, waits)
        try:
            yield await store.reserve_run(connection, outlasts_transaction=True)
        finally:
            await _release(connection)


@asynccontextmanager
async def _own_connection(sessions: Sessions) -> AsyncIterator[AsyncConnection]:
    """One that no transaction is open on; or the one that all of these sessions share."""
    bind = sessions.kw["bind"]
    if not isinstance(bind, AsyncEngine):
        yield bind
        return
    async with bind.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def _claim(connection: AsyncConnection, collector: str, waits: bool) -> None:
    key = {"class": LOCK_CLASS, "collector": collector}
    if waits:
        await connection.execute(text("SELECT pg_advisory_lock(:class, hashtext(:collector))"), key)
    elif not await connection.scalar(text("SELECT pg_try_advisory_lock(:class, hashtext(:collector))"), key):
        raise AlreadyCollecting(f"{collector} is being collected just now")


async def _release(connection: AsyncConnection) -> None:
    try:
        await connection.execute(text("SELECT pg_advisory_unlock_all()"))
    except (DBAPIError, OSError):  # the connection is lost, and the claim with it
        await connection.invalidate()
