"""The database: PostgreSQL at DATABASE_URL, or the embedded one, brought to the newest version by our migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

import asyncpg
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine

from service.embedded import USER, EmbeddedServer, EmbeddedServerFailed
from service.settings import Settings, make_data_dir

CONNECT_TIMEOUT_S: Final = 5.0
MIGRATION_LOCK: Final = 0x7269_676F  # "rigo": one process migrates, the others wait
OLDEST_SERVER: Final = 15  # the first with UNIQUE NULLS NOT DISTINCT
CONNECTION_ERRORS: Final = (
    OSError,  # TimeoutError is one
    ValueError,  # an address that cannot be read
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

log = structlog.get_logger()


class DatabaseUnavailable(Exception):
    """The database cannot be reached or used, and why."""


class DatabaseTooNew(Exception):
    """A newer version of the software has migrated the database."""


class DatabaseTooOld(Exception):
    """The database waits for `rig-or-rent migrate`."""


AWAY: Final = (  # what a database does that stops, or has stopped
    DatabaseUnavailable,
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


class Database:
    """An open database. Connections of its engine come back after a restart of the server."""

    def __init__(self, url: str | None, server: EmbeddedServer | None) -> None:
        self._url = url
        self._server = server
        self._socket_folder: str | None = None
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self.connect, pool_pre_ping=True
        )
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @property
    def is_embedded(self) -> bool:
        return self._server is not None

    def url(self, name: str = USER) -> str:
        """The address of another database of the same embedded server, for other programs while this one is open."""
        assert self._socket_folder, "only an open embedded database has neighbours"
        return f"postgresql://{USER}@/{name}?host={quote(self._socket_folder)}"

    async def connect(self) -> asyncpg.Connection[Any]:
        """A connection of the driver, outside the pool: for LISTEN. Raises DatabaseUnavailable."""
        try:
            return await self._connect_embedded() if self._server else await self._connect_to_url()
        except CONNECTION_ERRORS as error:
            raise DatabaseUnavailable(f"the database {self._place()} cannot be used: {_reason(error)}") from error
        except EmbeddedServerFailed as error:
            raise DatabaseUnavailable(str(error)) from error

    async def _connect_to_url(self) -> asyncpg.Connection[Any]:
        return await _patiently_connected(dsn=self._url)

    async def _connect_embedded(self) -> asyncpg.Connection[Any]:
        """Connect; when the server is not there, because it was killed, start it again."""
        place = {"port": 5432, "user": USER, "password": "", "database": USER}
        place |= {"ssl": False, "target_session_attrs": "any"}  # whatever PGSSLMODE and its like say
        if self._socket_folder:
            try:
                return await _patiently_connected(host=self._socket_folder, **place)
            except CONNECTION_ERRORS:
                self._socket_folder = None
        self._socket_folder = str(await asyncio.to_thread(self._server_held().join))
        return await _patiently_connected(host=self._socket_folder, **place)

    def _server_held(self) -> EmbeddedServer:
        assert self._server is not None
        return self._server

    def _place(self) -> str:
        """Where it is, in words that hold no password."""
        if self._server:
            return f"in {self._server.cluster}"
        return f"at {urlsplit(self._url or '').netloc.rpartition('@')[2] or 'DATABASE_URL'}"

    # Versions --------------------------------------------------------------------------------------------------------

    async def migrate(self) -> None:
        """Bring the database to the newest version. Raises DatabaseTooNew, DatabaseUnavailable."""
        try:
            async with self.engine.begin() as connection:
                if await _revision(connection) != newest_revision():
                    await _migrate_alone(connection)
        except DBAPIError as error:
            raise DatabaseUnavailable(f"the database {self._place()} cannot be migrated: {error.orig}") from error

    async def require_newest(self) -> None:
        """Raises DatabaseTooOld or DatabaseTooNew unless the database is of the version of this software."""
        async with self.engine.connect() as connection:
            revision = await _revision(connection)
        if revision != newest_revision():
            raise DatabaseTooOld(
                f"the database {self._place()} is at version {revision or 'none'}, this software needs "
                f"{newest_revision()}: run rig-or-rent migrate"
            )

    async def prepare(self) -> None:
        """The embedded database is migrated; one of others' is only checked, its owner says when it changes."""
        await (self.migrate() if self.is_embedded else self.require_newest())

    async def close(self) -> None:
        """Close every connection; the embedded server stops when nobody else uses it. Raises DatabaseUnavailable."""
        await self.engine.dispose()
        if self._server:
            try:
                await asyncio.to_thread(self._server.leave)
            except EmbeddedServerFailed as error:
                raise DatabaseUnavailable(str(error)) from error


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings, reached at least once. Raises DatabaseUnavailable, InvalidSetting."""
    server = None if settings.database_url else EmbeddedServer(make_data_dir(settings))
    database = Database(settings.database_url, server)
    try:
        async with database.engine.connect() as connection:
            _require_server_version(connection)
        yield database
    finally:
        await database.close()


# Connecting ----------------------------------------------------------------------------------------------------------


async def again_and_again(
    do: Callable[[], Awaitable[object]], pause: Callable[[], Awaitable[object]], who: str
) -> NoReturn:
    """Until cancelled; a database that is away is asked again, which is said once."""
    is_away = False
    while True:
        try:
            await do()
        except AWAY as error:
            if not is_away:
                log.warning(f"{who} waits for the database", reason=str(error) or type(error).__name__)
            is_away = True
        else:
            is_away = False
        await pause()


async def _patiently_connected(**place: Any) -> asyncpg.Connection[Any]:
    """A connection; a server that starts, stops or recovers just now is asked again for a few seconds."""
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        while True:
            try:
                return await asyncpg.connect(**place, server_settings={"application_name": "rig-or-rent"})
            except asyncpg.CannotConnectNowError:
                await asyncio.sleep(0.1)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT_S:.0f} s"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _require_server_version(connection: AsyncConnection) -> None:
    version = connection.dialect.server_version_info or ()
    if version < (OLDEST_SERVER,):
        raise DatabaseUnavailable(f"PostgreSQL {OLDEST_SERVER} or newer is needed, this is {version[0]}")


# Migrating -----------------------------------------------------------------------------------------------------------


def revisions() -> list[str]:
    """Every version that this software knows, oldest first: what its migrations' file names begin with."""
    names = (entry.name for entry in files("migrations").joinpath("versions").iterdir())
    return sorted(name.partition("_")[0] for name in names if name.endswith(".py") and name[0].isdigit())


def newest_revision() -> str:
    return revisions()[-1]


async def _revision(connection: AsyncConnection) -> str | None:
    """The version of the database; None: empty. Raises DatabaseTooNew."""
    if not await connection.scalar(text("SELECT to_regclass('alembic_version')")):
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision and revision not in revisions():
        raise DatabaseTooNew(
            f"the database is at version {revision}, this software knows versions up to {newest_revision()}: "
            "install the newer rig-or-rent"
        )
    return revision


async def _migrate_alone(connection: AsyncConnection) -> None:
    """Migrate in the connection's transaction, once all others that migrate have finished."""
    await connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    if await _revision(connection) != newest_revision():
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # imported only when there is something to migrate: it takes 0.1 s
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "migrations:")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
