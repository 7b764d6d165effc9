"""Migrations: from nothing to the newest version and back, to exactly the tables that the code declares."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from service.database import Database, open_database, revisions
from service.settings import Settings

__all__ = [
    "test_model_definitions_match_ddl",
    "test_single_head_revision",
    "test_up_down_consistency",
    "test_upgrade",
]

_NUMBERS = itertools.count(1)


@pytest.fixture
def alembic_config() -> dict[str, str]:
    """The installed migrations, wherever the tests are started from."""
    return {"script_location": "migrations:"}


@pytest.fixture
async def alembic_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An empty database of the embedded server."""
    name = f"unmigrated_{next(_NUMBERS)}"
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"CREATE DATABASE {name}"))
        url = database.url(name).replace("postgresql://", "postgresql+asyncpg://")
        yield create_async_engine(url, poolclass=NullPool)  # connections of one event loop are of no use to another
        await outside.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_the_versions_known_without_alembic_are_those_of_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", "migrations:")
    walked = ScriptDirectory.from_config(config).walk_revisions()

    assert [script.revision for script in walked][::-1] == revisions()


async def test_a_migration_leaves_nothing_behind_when_it_is_taken_back(database: Database) -> None:
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text("CREATE DATABASE taken_back"))
        async with open_database(Settings(database_url=database.url("taken_back"))) as opened:
            await opened.migrate()
            async with opened.engine.begin() as migrated:
                await migrated.run_sync(_downgrade)
                left = await migrated.scalars(text(LEFT_BEHIND))
                assert left.all() == ["alembic_version"]
        await outside.execute(text("DROP DATABASE taken_back WITH (FORCE)"))


def _downgrade(connection: object) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", "migrations:")
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


LEFT_BEHIND = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype NOT IN ('b', 'c')
"""
