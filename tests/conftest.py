"""A real Postgres, migrated once; every test rolled back; a fixed clock; nothing of the user's touched."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from builders import NOON
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

from service.database import Database, open_database
from service.settings import Settings

Sessions = async_sessionmaker[AsyncSession]

# Hypothesis judges by the clock how long an example and its making may take; a busy machine is no failure.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """The data directory of this session. Not below pytest's own, which under root the database may not enter."""
    with tempfile.TemporaryDirectory(prefix="rig-or-rent-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(data_dir: Path) -> Iterator[None]:
    """Commands that tests start find the session's own data directory, and none of the user's settings."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in Settings.variables():
            patch.delenv(variable, raising=False)
        patch.setenv("RIG_OR_RENT_DATA_DIR", str(data_dir))
        yield


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For a command that a test starts: the environment, with a data directory of that test alone."""
    return {**os.environ, "RIG_OR_RENT_DATA_DIR": str(tmp_path / "rig-or-rent")}


# The database --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The embedded database, migrated. What is committed here stays: tests use `session`, or `fresh_database`."""
    async with open_database(settings) as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection whose work is undone after the test."""
    async with database.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        await transaction.rollback()


@pytest.fixture
def sessions(connection: AsyncConnection) -> Sessions:
    """Sessions of that connection, one at a time; what they commit is undone with the rest."""
    return async_sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")


@pytest.fixture
async def session(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


@pytest.fixture(scope="session")
async def pristine(database: Database) -> str:
    """The name of a migrated and empty database that nobody is connected to, for copying."""
    await _outside_a_transaction(database, "CREATE DATABASE pristine")
    async with open_database(Settings(database_url=database.url("pristine"))) as copied:
        await copied.migrate()
    return "pristine"


@pytest.fixture
async def fresh_database_url(database: Database, pristine: str) -> AsyncIterator[str]:
    """The address of a migrated and empty database of this test alone, for what runs in other processes."""
    name = f"fresh_{next(_NUMBERS)}"
    await _outside_a_transaction(database, f"CREATE DATABASE {name} TEMPLATE {pristine}")
    yield database.url(name)
    await _outside_a_transaction(database, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def fresh_database(fresh_database_url: str) -> AsyncIterator[Database]:
    """A database of this test alone, for what really commits, notifies or connects more than once."""
    async with open_database(Settings(database_url=fresh_database_url)) as opened:
        yield opened


_NUMBERS = itertools.count(1)


async def _outside_a_transaction(database: Database, statement: str) -> None:
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(text(statement))
