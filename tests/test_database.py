"""The database: reached or not, embedded and shared by processes, killed and recovered, migrated once."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from socket import socket

import psutil
import pytest
from sqlalchemy import text
from waiting import until

import service.database
import service.embedded
from service.database import (
    Database,
    DatabaseTooNew,
    DatabaseTooOld,
    DatabaseUnavailable,
    newest_revision,
    open_database,
)
from service.settings import InvalidSetting, Settings

# Another process: opens the database of a folder, says so, and closes it when told. As root it may become `nobody`.
HOLDER = """
import asyncio, os, pwd, sys, tempfile
from pathlib import Path
from service.database import open_database
from service.settings import Settings

async def hold(data_dir, until=lambda: None):
    async with open_database(Settings(data_dir=Path(data_dir))) as database:
        await database.migrate()
        until()

def until_told():
    print("open", flush=True)
    sys.stdin.readline()

if len(sys.argv) > 2:
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(hold(scratch))  # as root, to import all there is, which the account may not be allowed to read
    account = pwd.getpwnam(sys.argv[2])
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
asyncio.run(hold(sys.argv[1], until_told))
"""


@contextmanager
def another_process(data_dir: Path, *account: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(data_dir), *account]
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == "open\n", process.communicate()[1]
        yield process
        process.kill()


def end(process: subprocess.Popen[str]) -> str:
    """Let it close its database and exit; what it said on standard error."""
    return process.communicate("\n", timeout=30)[1]


def server_processes(data_dir: Path) -> list[psutil.Process]:
    place = str((data_dir / "postgres").resolve())
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == place]


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


async def one(database: Database, question: str = "SELECT 1") -> object:
    async with database.engine.connect() as connection:
        return await connection.scalar(text(question))


@pytest.fixture
def folder(data_dir: Path, request: pytest.FixtureRequest) -> Path:
    """An empty data directory of this test alone."""
    path = data_dir / request.node.name.replace("_", "")[:40]
    path.mkdir()
    return path


# The embedded server -------------------------------------------------------------------------------------------------


async def test_the_embedded_server_listens_to_no_network(database: Database, data_dir: Path) -> None:
    processes = server_processes(data_dir)

    assert await one(database, "SHOW listen_addresses") == ""
    assert processes
    assert [listening for process in processes for listening in process.net_connections("inet")] == []


async def test_nobody_else_may_enter_the_folder_of_the_data_and_its_socket(database: Database, data_dir: Path) -> None:
    assert await one(database, "SHOW unix_socket_directories") == str(data_dir / "postgres")
    assert (data_dir / "postgres").stat().st_mode & 0o077 == 0


async def test_the_server_knows_nothing_of_our_environment(database: Database, data_dir: Path) -> None:
    known = {name for process in server_processes(data_dir) for name in process.environ()}

    assert "PATH" in known
    assert not known & (os.environ.keys() - {"PATH", "LC_ALL", "TZ", "PWD", "OLDPWD", "SHLVL", "_", "LD_LIBRARY_PATH"})


async def test_two_processes_share_one_server_and_the_last_to_end_stops_it(folder: Path) -> None:
    with another_process(folder) as first, another_process(folder) as second:
        shared = postmaster(folder)
        end(first)
        still_there = postmaster(folder)
        end(second)

    assert still_there == shared
    assert server_processes(folder) == []
    assert not (folder / "postgres" / "postmaster.pid").exists()


async def test_processes_that_start_at_once_start_one_server(folder: Path) -> None:
    async def opened() -> object:
        async with open_database(Settings(data_dir=folder)) as database:
            await database.migrate()
            return await one(database, "SELECT pg_postmaster_start_time()")

    started = await asyncio.gather(*(opened() for _ in range(4)))

    assert len(started) == 4
    assert server_processes(folder) == []


async def test_a_command_says_nothing_about_the_machine_it_runs_on(folder: Path) -> None:
    with another_process(folder) as process:
        assert end(process) == ""


async def test_a_killed_process_does_not_keep_the_server_alive(folder: Path) -> None:
    with another_process(folder) as owner, another_process(folder) as other:
        owner.kill()
        owner.wait()
        end(other)

    assert server_processes(folder) == []


async def test_the_server_of_a_killed_process_is_found_and_stopped_by_the_next(folder: Path) -> None:
    with another_process(folder) as owner:
        left_behind = postmaster(folder)
        owner.kill()
        owner.wait()

    async with open_database(Settings(data_dir=folder)) as database:
        assert await one(database) == 1
        assert postmaster(folder) == left_behind
    assert server_processes(folder) == []


async def test_a_killed_server_is_started_again_while_its_users_live(folder: Path) -> None:
    async with open_database(Settings(data_dir=folder)) as database:
        await database.migrate()
        os.kill(postmaster(folder), signal.SIGKILL)
        await until(lambda: not server_processes(folder))  # which answer for a moment, and end amid what is asked

        assert await one(database, "SELECT version_num FROM alembic_version") == newest_revision()
    assert server_processes(folder) == []


async def test_what_was_committed_survives_when_everything_is_killed(folder: Path) -> None:
    with another_process(folder) as owner:
        for process in server_processes(folder):
            process.kill()
        owner.kill()

    async with open_database(Settings(data_dir=folder)) as database:
        assert await one(database, "SELECT version_num FROM alembic_version") == newest_revision()


async def test_a_query_that_outlives_its_killed_server_is_ended_before_the_next_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.embedded, "ORPHANS_END_WITHIN_S", 0.1)

    async with open_database(Settings(data_dir=folder)) as database:
        endless = asyncio.create_task(one(database, "SELECT count(*) FROM generate_series(1, 1e12)"))
        while not await one(database, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12)'"):
            pass
        before = {process.pid for process in server_processes(folder)}
        await database.engine.dispose()  # of what is not in use
        os.kill(postmaster(folder), signal.SIGKILL)

        assert await one(database) == 1
        assert not before & {process.pid for process in server_processes(folder)}
        await asyncio.gather(endless, return_exceptions=True)


async def test_a_cluster_half_made_is_made_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")

    async with open_database(Settings(data_dir=folder)) as database:
        assert await one(database) == 1


@pytest.mark.parametrize("name", ["long " + "x" * 120, "with 'quotes', \"and\" $HOME"])
async def test_any_path_will_do(folder: Path, name: str) -> None:
    async with open_database(Settings(data_dir=folder / name)) as database:
        socket_folder = Path(str(await one(database, "SHOW unix_socket_directories")))
        assert (socket_folder / ".s.PGSQL.5432").exists()

    assert not socket_folder.exists()


@pytest.mark.parametrize("account", [["nobody"], []] if os.geteuid() == 0 else [[]])
async def test_it_runs_as_root_and_as_a_plain_user(database: Database, folder: Path, account: Sequence[str]) -> None:
    if account:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)

    with another_process(folder, *account) as process:
        owner = (folder / "postgres").stat().st_uid
        assert {each.uids().real for each in server_processes(folder)} == {owner}
        assert owner != 0
        end(process)

    assert server_processes(folder) == []


async def test_folders_above_the_data_are_opened_for_passing_through_only(folder: Path) -> None:
    folder.chmod(0o700)

    async with open_database(Settings(data_dir=folder / "data")) as database:
        assert await one(database) == 1

    assert folder.stat().st_mode & 0o066 == 0


async def test_something_else_in_the_place_of_the_data_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "letter.txt").write_text("dear")

    with pytest.raises(DatabaseUnavailable, match="not empty"):
        async with open_database(Settings(data_dir=folder)):
            pass

    assert (folder / "postgres" / "letter.txt").read_text() == "dear"


async def test_data_of_a_postgresql_that_is_not_there_is_left_alone(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(DatabaseUnavailable, match="PostgreSQL 9"):
        async with open_database(Settings(data_dir=folder)):
            pass


async def test_a_data_directory_below_a_file_is_a_wrong_setting(folder: Path) -> None:
    (folder / "file").touch()

    with pytest.raises(InvalidSetting, match="RIG_OR_RENT_DATA_DIR"):
        async with open_database(Settings(data_dir=folder / "file" / "data")):
            pass


# DATABASE_URL --------------------------------------------------------------------------------------------------------


async def test_a_database_that_is_down_is_said_to_be_without_its_password() -> None:
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://me:hidden@127.0.0.1:{unused.getsockname()[1]}/prices"

        with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1") as error:
            async with open_database(Settings(database_url=url)):
                pass

    assert "hidden" not in str(error.value)


async def test_a_database_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.database, "CONNECT_TIMEOUT_S", 0.2)

    with socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/prices?sslmode=disable"

        with pytest.raises(DatabaseUnavailable, match="no answer"):
            async with open_database(Settings(database_url=url)):
                pass


@pytest.mark.parametrize("url", ["postgresql://user@/nowhere?host=/no/such/folder", "postgresql://h/n?sslmode=maybe"])
async def test_an_address_that_leads_nowhere_is_one_sentence(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as error:
        async with open_database(Settings(database_url=url)):
            pass

    assert "\n" not in str(error.value)


async def test_a_database_that_does_not_exist_is_named(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="nowhere"):
        async with open_database(Settings(database_url=database.url("nowhere"))):
            pass


async def test_a_connection_that_the_server_cut_is_replaced(fresh_database: Database) -> None:
    backend = await one(fresh_database, "SELECT pg_backend_pid()")
    with pytest.raises(Exception, match="terminat"):
        await one(fresh_database, f"SELECT pg_terminate_backend({backend})")

    assert await one(fresh_database) == 1


# Versions ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def empty_database(database: Database, name: str) -> AsyncIterator[Database]:
    async with database.engine.connect() as connection:
        outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await outside.execute(text(f"CREATE DATABASE {name}"))
        async with open_database(Settings(database_url=database.url(name))) as opened:
            yield opened
        await outside.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


async def test_processes_that_migrate_at_once_wait_for_each_other(database: Database) -> None:
    async with empty_database(database, "migrated_at_once") as empty:
        await asyncio.gather(*(empty.migrate() for _ in range(4)))

        assert await one(empty, "SELECT version_num FROM alembic_version") == newest_revision()


async def test_a_database_of_a_newer_version_is_left_alone(fresh_database: Database) -> None:
    async with fresh_database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseTooNew, match=f"9999.*{newest_revision()}"):
        await fresh_database.migrate()
    with pytest.raises(DatabaseTooNew):
        await fresh_database.prepare()


async def test_a_database_of_others_is_migrated_when_they_say_so(database: Database) -> None:
    async with empty_database(database, "of_others") as empty:
        with pytest.raises(DatabaseTooOld, match="rig-or-rent migrate"):
            await empty.prepare()
        await empty.migrate()
        await empty.prepare()


async def test_the_embedded_database_is_migrated_without_being_asked(folder: Path) -> None:
    async with open_database(Settings(data_dir=folder)) as database:
        await database.prepare()

        assert await one(database, "SELECT version_num FROM alembic_version") == newest_revision()


async def test_a_database_that_may_not_be_changed_says_so(database: Database) -> None:
    async with empty_database(database, "read_only") as empty:
        async with empty.engine.connect() as connection:
            outside = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await outside.execute(text("ALTER DATABASE read_only SET default_transaction_read_only = on"))
        await empty.engine.dispose()

        with pytest.raises(DatabaseUnavailable, match=r"cannot be migrated.*read-only"):
            await empty.migrate()
