"""What the embedded server needs of the operating system: locks, accounts, processes and permissions."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

SERVER_ACCOUNT: Final = "rig-or-rent"
TIMEOUT_S: Final = 120.0  # making a cluster takes half a second, on a very slow disk half a minute


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    uid: int
    gid: int


def locked(path: Path, operation: int) -> IO[bytes]:
    """The file, open and locked; closing it unlocks it. Raises BlockingIOError when told not to wait."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "rb+", buffering=0)
    try:
        if os.geteuid() == 0:  # the owner of the folder must be able to use it, too
            os.fchown(file.fileno(), path.parent.stat().st_uid, path.parent.stat().st_gid)
        fcntl.flock(file, operation)
    except OSError:
        file.close()
        raise
    return file


def run_as(account: Account | None, command: list[str], folder: Path, keep: Sequence[int] = ()) -> None:
    """Run a program as an account, or as ourselves, with nothing of our environment but where its libraries are."""
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:  # a pipe would wait for the server
        try:
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=TIMEOUT_S,
                cwd=folder,
                pass_fds=keep,
                start_new_session=True,  # Ctrl-C in our terminal is not meant for the server
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **libraries},
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except subprocess.CalledProcessError as error:
            output.seek(0)
            error.stdout = output.read()
            raise


def works_in(cluster: Path, pid: int) -> bool:
    """Whether this process is a server with this data; one that ended and was not reaped has no folder any more."""
    import psutil  # seldom needed, and not quick to import

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return pid != 0 and process.name() == "postgres" and process.cwd() == str(cluster.resolve())
    return False


def processes_in(cluster: Path) -> list[int]:
    """Every process of a server with this data."""
    import psutil

    return [pid for pid in psutil.pids() if works_in(cluster, pid)]


def account_of_its_own() -> Account:
    """An account for nothing but the server; `nobody` where none can be made."""
    return _account(SERVER_ACCOUNT) or _made(SERVER_ACCOUNT) or Account(*pwd.getpwnam("nobody")[2:4])


def _account(name: str) -> Account | None:
    with contextlib.suppress(KeyError):
        return Account(*pwd.getpwnam(name)[2:4])  # uid and gid
    return None


def _made(name: str) -> Account | None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(command, check=True, capture_output=True)
    return _account(name)


def let_through(data_dir: Path, programs: Path) -> None:
    """Let the server's account reach its data and programs: through the folders above, without reading those."""
    for folder in {data_dir, *data_dir.resolve().parents, *programs.resolve().parents}:
        _allow(folder, stat.S_IXOTH)
    package = programs.parent.parent
    if not programs.stat().st_mode & stat.S_IROTH:  # installed with a narrow umask
        for part in package.parent.glob(f"{package.name}*"):  # its libraries stand beside it
            for path in (part, *part.rglob("*")):
                executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                _allow(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _allow(path: Path, permission: int) -> None:
    mode = path.stat().st_mode
    if mode & permission != permission:
        path.chmod(stat.S_IMODE(mode) | permission)
