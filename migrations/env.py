"""How migrations run: on the connection that the service hands in, or for a developer's command on the database set."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from service.database import open_database
from service.settings import Settings
from service.store import Table


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Table.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_engine(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()


async def migrate_configured() -> None:
    async with open_database(Settings.from_environment()) as database:
        await migrate_engine(database.engine)


def run() -> None:
    given: Connection | AsyncEngine | None = context.config.attributes.get("connection")
    if isinstance(given, Connection):
        migrate(given)
    elif given is not None:
        asyncio.run(migrate_engine(given))
    else:
        asyncio.run(migrate_configured())


run()
