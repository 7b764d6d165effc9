"""Every setting of the service: one frozen object, read from the environment here and nowhere else."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec
import platformdirs

API_KEY_FILE: Final = "api-key"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class InvalidSetting(Exception):
    """A variable has a value that cannot be used; the message names it and says what would be right."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable


def _set_by(variable: str, meaning: str) -> dict[str, str]:
    return {"variable": variable, "meaning": meaning}


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


def _data_dir() -> Path:
    return Path(platformdirs.user_data_dir("rig-or-rent", appauthor=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, with the variable that sets it and its meaning. Secrets are never shown by `repr`."""

    database_url: str | None = field(  # None: an embedded Postgres in the data directory
        default=None,
        repr=False,
        metadata=_set_by("DATABASE_URL", "the PostgreSQL database, postgresql://user:password@host/name"),
    )
    data_dir: Path = field(
        default_factory=_data_dir,
        metadata=_set_by("RIG_OR_RENT_DATA_DIR", "where the embedded database and the key live"),
    )
    api_key: str | None = field(  # None: made at first start and kept in the data directory
        default=None, repr=False, metadata=_set_by("RIG_OR_RENT_API_KEY", "key for writing calls")
    )
    scheduler: bool = field(
        default=True, metadata=_set_by("RIG_OR_RENT_SCHEDULER", "on or off: whether this process may run jobs")
    )
    origin_overrides: Mapping[str, str] = field(
        default_factory=_nothing,
        metadata=_set_by(
            "RIG_OR_RENT_ORIGIN_OVERRIDES", "JSON object from origin to origin, for mirrors and for tests"
        ),
    )
    smtp_url: str | None = field(  # None: mail is off
        default=None,
        repr=False,
        metadata=_set_by("RIG_OR_RENT_SMTP_URL", "the mail server, smtps://user:password@host:465 or smtp://host:25"),
    )
    private_destinations: bool = field(
        default=False,
        metadata=_set_by(
            "RIG_OR_RENT_PRIVATE_DESTINATIONS", "allow or refuse: reports may go to private and loopback addresses"
        ),
    )
    mail_from: str | None = field(  # None: the mail server's user, or a name at the public address
        default=None, metadata=_set_by("RIG_OR_RENT_MAIL_FROM", "the address that reports by mail come from")
    )
    keep_reports_days: int = field(
        default=365, metadata=_set_by("RIG_OR_RENT_KEEP_REPORTS_DAYS", "for how many days reports can be opened again")
    )
    public_url: str = field(
        default="http://localhost:8000",
        metadata=_set_by("RIG_OR_RENT_PUBLIC_URL", "address that links in reports start with"),
    )
    secrets: Mapping[str, str] = field(default_factory=_nothing, repr=False)  # the environment, where providers look

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings as the environment says; what is unset or empty has its default. Raises InvalidSetting."""
        read: dict[str, Any] = {}
        for each in fields(cls):
            variable = each.metadata.get("variable")
            if variable and (value := environ.get(variable, "").strip()):
                read[each.name] = _READERS[each.name](variable, value)
        return cls(**read, secrets=MappingProxyType(dict(environ)))

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The meaning of every variable, for the documentation and its tests."""
        described = (each.metadata for each in fields(cls) if each.metadata)
        return {metadata["variable"]: metadata["meaning"] for metadata in described}


# How each value is read ----------------------------------------------------------------------------------------------


def _path(variable: str, value: str) -> Path:
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise InvalidSetting(variable, f"{error}; give an absolute path") from error
    return Path(os.path.abspath(path))


def _database_url(variable: str, value: str) -> str:
    """The address in the form that asyncpg reads; the driver's name that SQLAlchemy users write is dropped."""
    scheme, separator, rest = value.partition("://")
    dialect, _, driver = scheme.lower().partition("+")
    if not separator or dialect not in ("postgres", "postgresql"):
        raise InvalidSetting(variable, f"{_shown(scheme)} is no PostgreSQL address, give postgresql://user@host/name")
    if driver not in ("", "asyncpg"):
        raise InvalidSetting(variable, f"the driver is asyncpg, not {driver}; give postgresql://user@host/name")
    if "," not in rest:  # several hosts are for the driver to read
        _split(variable, value)
    return f"postgresql://{rest}"


def _shown(scheme: str) -> str:
    """A scheme may be shown; anything else in its place may hold a password."""
    return repr(scheme) if scheme.replace("+", "").isalnum() and len(scheme) < 20 else "this"


def _text(variable: str, value: str) -> str:
    return value


def _switch(on: str, off: str) -> Any:
    def read(variable: str, value: str) -> bool:
        if value.lower() not in (on, off):
            raise InvalidSetting(variable, f"{value!r} is neither {on!r} nor {off!r}")
        return value.lower() == on

    return read


def _origins(variable: str, value: str) -> Mapping[str, str]:
    try:
        pairs = msgspec.json.decode(value, type=dict[str, str])
    except msgspec.DecodeError as error:
        example = '{"https://prices.example": "http://127.0.0.1:9000"}'
        raise InvalidSetting(
            variable, f"not a JSON object from origin to origin such as {example} ({error})"
        ) from error
    return MappingProxyType({origin(variable, here): origin(variable, there) for here, there in pairs.items()})


def origin(variable: str, value: str) -> str:
    """Scheme, host and port in one spelling: lower case, without the scheme's own port. Raises InvalidSetting."""
    parts = _split(variable, value)
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or extra:
        raise InvalidSetting(variable, f"{value!r} is not an origin such as https://prices.example or http://host:9000")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = parts.port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


def _days(variable: str, value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", value, flags=re.ASCII):
        raise InvalidSetting(variable, f"{value!r} is not a whole number of days from 1 to 99999")
    return int(value)


def _smtp_url(variable: str, value: str) -> str:
    parts = _split(variable, value)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise InvalidSetting(variable, "not a mail server such as smtps://user:password@host:465 or smtp://host:25")
    return value


def _mail_from(variable: str, value: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", value):
        raise InvalidSetting(variable, f"{value!r} is not an address such as reports@example.org")
    return value


def _public_url(variable: str, value: str) -> str:
    parts = _split(variable, value)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
        raise InvalidSetting(variable, f"{value!r} is not an address such as https://prices.example.org")
    return value.rstrip("/")


def _split(variable: str, value: str) -> SplitResult:
    """The parts of an address; a port that is no number is refused here, without showing what may be a password."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise InvalidSetting(variable, "not an address: its host or port cannot be read") from error
    return parts


_READERS: Final[Mapping[str, Any]] = {
    "data_dir": _path,
    "database_url": _database_url,
    "api_key": _text,
    "scheduler": _switch("on", "off"),
    "origin_overrides": _origins,
    "smtp_url": _smtp_url,
    "private_destinations": _switch("allow", "refuse"),
    "mail_from": _mail_from,
    "keep_reports_days": _days,
    "public_url": _public_url,
}


# What lives in the data directory ------------------------------------------------------------------------------------


def make_data_dir(settings: Settings) -> Path:
    """The data directory, made if need be. Others may pass through (root's database runs as another user), not look."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise _unusable(settings.data_dir, error) from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise InvalidSetting("RIG_OR_RENT_DATA_DIR", f"{settings.data_dir} is not writable; name a folder that is")
    return settings.data_dir


def _unusable(path: Path, error: OSError) -> InvalidSetting:
    return InvalidSetting("RIG_OR_RENT_DATA_DIR", f"{path} cannot be used ({error.strerror}); name a writable folder")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key for writing calls, and where it is kept."""

    value: str = field(repr=False)
    path: Path | None  # None: given by the environment
    is_new: bool = False  # made just now: its place is worth a line to the user


def api_key(settings: Settings) -> ApiKey:
    """The key of this installation; made once, however many processes start at the same time. Raises InvalidSetting."""
    return ApiKey(settings.api_key, None) if settings.api_key else kept_secret(settings, API_KEY_FILE)


def kept_secret(settings: Settings, name: str) -> ApiKey:
    """A secret in a file of the data directory, made the first time it is asked for. Raises InvalidSetting."""
    path = make_data_dir(settings) / name
    try:
        is_new = not path.exists() and _publish(path, secrets.token_urlsafe(32))
        path.chmod(0o600)
        return ApiKey(path.read_text(encoding="ascii").strip(), path, is_new)
    except OSError as error:
        raise _unusable(path, error) from error


def _publish(path: Path, content: str) -> bool:
    """Create the file whole or not at all, readable by its owner only; whether it was this call that made it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(content + "\n")
    try:
        os.link(draft, path)  # unlike a rename, this never replaces the key of another process
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
