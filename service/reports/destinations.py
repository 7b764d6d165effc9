"""Where a report goes: what a destination may say, which of it is secret, and how it is shown."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from service.parameters.reader import Reader, nearest, shown
from service.reports.bucket import NEEDED, can_sign
from service.reports.files import FORMATS

Kind = Literal["email", "webhook", "slack", "discord", "telegram", "file", "s3", "apprise"]
KINDS: Final = get_args(Kind)
HIDDEN: Final = "***"
MOST_DESTINATIONS: Final = 10
MOST_URL: Final = 2000
SLACK: Final = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
AWS: Final = "https://s3.{}.amazonaws.com"  # where no endpoint is named
DISCORD: Final = frozenset({"discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"})

# Services that Apprise knows and whose address is the service's own: nobody can point them elsewhere.
# The rest of its hundred may go anywhere, so they need private destinations to be allowed.
APPRISE: Final = frozenset({"pover", "pbul", "prowl", "pagerduty", "opsgenie", "twilio", "line", "spush"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One way out. What is secret is kept apart from what may be shown."""

    kind: Kind
    shown: Mapping[str, Any]
    lane: str  # what it may hold up if it hangs: others of the same lane, nobody else
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str | None = field(default=None, repr=False)  # to be judged by its address; None: nothing to judge
    url_field: str = "url"  # as whose fault a refusal is told


def destinations_of(reader: Reader) -> tuple[Destination, ...]:
    """The destinations of a subscription; what is wrong is told to the reader."""
    given = reader.objects("destinations", MOST_DESTINATIONS)
    if given is None:
        if not reader.has("destinations"):
            reader.wrong("destinations", 'must list where to, such as {"kind": "email", "to": "you@example.org"}')
        return ()
    if not given:
        reader.wrong("destinations", "must list at least one")
    return tuple(found for nested in given if (found := _destination(nested)))


def _destination(reader: Reader) -> Destination | None:
    kind = reader.given.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = nearest(kind, KINDS) if isinstance(kind, str) else ""
        reader.wrong("kind", f"must be one of {', '.join(KINDS)}{near}, not {shown(kind)}")
        return None
    for name, value in reader.given.items():
        if isinstance(value, str) and HIDDEN in value:
            reader.wrong(name, f"{HIDDEN} hides a secret that is not known here; write it again")
            return None
    return READERS[kind](reader)


# One reader for each kind --------------------------------------------------------------------------------------------


def _email(reader: Reader) -> Destination | None:
    reader.missing("to", "must be an address such as you@example.org")
    to = reader.text("to")
    if to is None:
        return None
    if not re.fullmatch(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,255}", to):
        reader.wrong("to", f"must be one address such as you@example.org, not {shown(to)}")
        return None
    return Destination(kind="email", shown={"to": to}, lane="mail")


def _webhook(reader: Reader) -> Destination | None:
    secret = reader.text("secret")
    if secret is not None and len(secret) < 16:
        reader.wrong("secret", "must have at least 16 characters; leave it out to have one made")
    url = _url(reader, {"http", "https"})
    if url is None:
        return None
    parts = urlsplit(url)
    kept = {"url": url} | ({"secret": secret} if secret else {})
    hidden = {"url": f"{parts.scheme}://{_host(parts)}/{HIDDEN}", "secret": HIDDEN}
    return Destination(kind="webhook", shown=hidden, secrets=kept, lane=_host(parts), url=url)


def _slack(reader: Reader) -> Destination | None:
    url = _url(reader, {"https"}, SLACK, "https://hooks.slack.com/services/…")
    if url is None:
        return None
    return Destination(kind="slack", shown={"url": HIDDEN}, secrets={"url": url}, lane="slack", url=url)


def _discord(reader: Reader) -> Destination | None:
    url = _url(reader, {"https"}, DISCORD, "https://discord.com/api/webhooks/…")
    if url is None:
        return None
    if not urlsplit(url).path.startswith("/api/"):
        reader.wrong("url", "must be a webhook such as https://discord.com/api/webhooks/…")
        return None
    return Destination(kind="discord", shown={"url": HIDDEN}, secrets={"url": url}, lane="discord", url=url)


def _telegram(reader: Reader) -> Destination | None:
    reader.missing("token", "must be the bot's token, such as 123456:ABC…")
    reader.missing("chat_id", "must be the chat's number or @name")
    token, chat = reader.text("token"), reader.given.get("chat_id")
    if token is not None and not re.fullmatch(r"\d{3,20}:[\w-]{20,100}", token, flags=re.ASCII):
        reader.wrong("token", "must be a bot's token, such as 123456:ABC…")
        token = None
    if chat is not None and not re.fullmatch(r"-?\d{1,20}|@\w{3,64}", str(chat), flags=re.ASCII):
        reader.wrong("chat_id", f"must be a number or @name, not {shown(chat)}")
        chat = None
    if token is None or chat is None:
        return None
    hidden = {"chat_id": str(chat), "token": HIDDEN}
    return Destination(kind="telegram", shown=hidden, secrets={"token": token}, lane="telegram")


def _file(reader: Reader) -> Destination | None:
    path = _path(reader, "inside the data directory's folder reports")
    return None if path is None else Destination(kind="file", shown={"path": path}, lane="file")


def _s3(reader: Reader) -> Destination | None:
    if not can_sign():
        reader.wrong("kind", f"s3 {NEEDED}")
        return None
    for name in ("bucket", "access_key_id", "secret_access_key"):
        reader.missing(name, "must be given: a bucket, and a key that may write there")
    bucket, key_id, region = (_word(reader, name) for name in ("bucket", "access_key_id", "region"))
    region = region or "us-east-1"
    endpoint = _url(reader, {"http", "https"}, name="endpoint") if reader.has("endpoint") else AWS.format(region)
    if endpoint and "?" in endpoint:
        reader.wrong("endpoint", "must hold no query")
    path, secret = _path(reader, "inside the bucket"), reader.text("secret_access_key")
    if not (bucket and key_id and endpoint and path and secret):
        return None
    told = {"endpoint": endpoint, "region": region, "bucket": bucket, "path": path, "access_key_id": key_id}
    return Destination(
        kind="s3",
        shown=told | {"secret_access_key": HIDDEN},
        secrets={"secret_access_key": secret},
        lane=_host(urlsplit(endpoint)),
        url=endpoint,
        url_field="endpoint",
    )


def _word(reader: Reader, name: str) -> str | None:
    """It becomes part of an address or of a signature."""
    text = reader.text(name)
    if text is None or re.fullmatch(r"[a-z0-9][\w.-]*", text, flags=re.ASCII | re.IGNORECASE):
        return text
    reader.wrong(name, f"must be made of letters, digits, dots and hyphens, not {shown(text)}")
    return None


def _path(reader: Reader, where: str) -> str | None:
    reader.missing("path", f"must be a path {where}, such as d32/latest.html")
    text = reader.text("path")
    if text is None:
        return None
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or not text.isprintable() or not path.parts:
        reader.wrong("path", f"must be relative, {where}, without ..")
    elif path.suffix and path.suffix not in FORMATS:
        reader.wrong("path", f"must be a folder or end in {', '.join(FORMATS)}, not {path.suffix}")
    else:
        return str(path)
    return None


def _apprise(reader: Reader) -> Destination | None:
    reader.missing("url", "must be an Apprise address, such as pover://user@token")
    url = reader.given.get("url")
    if url is None:
        return None
    scheme = url.partition("://")[0].lower() if isinstance(url, str) and len(url) <= MOST_URL else ""
    if not scheme or not url.isprintable() or not is_known_to_apprise(url):
        reader.wrong("url", "must be an Apprise address, such as pover://user@token")
        return None
    return Destination(kind="apprise", shown={"url": f"{scheme}://{HIDDEN}"}, secrets={"url": url}, lane=scheme)


def is_known_to_apprise(url: str) -> bool:
    """Whether one of its services reads this address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what its hundred services import is not ours to mend
        import apprise  # only who uses one of them waits for all

        return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None


READERS: Final[Mapping[str, Callable[[Reader], Destination | None]]] = {
    "email": _email,
    "webhook": _webhook,
    "slack": _slack,
    "discord": _discord,
    "telegram": _telegram,
    "file": _file,
    "s3": _s3,
    "apprise": _apprise,
}


def _url(
    reader: Reader, schemes: set[str], hosts: frozenset[str] = frozenset(), example: str = "", name: str = "url"
) -> str | None:
    example = example or "https://example.org/hook"
    reader.missing(name, f"must be an address such as {example}")
    url = reader.given.get(name)
    if url is None:
        return None
    parts = _split(url)
    if parts is None or parts.scheme not in schemes or not parts.hostname:
        reader.wrong(name, f"must be an address such as {example}")
    elif parts.username is not None or parts.password is not None or parts.fragment:
        reader.wrong(name, "must hold no user, password or fragment")
    elif hosts and parts.hostname not in hosts:
        reader.wrong(name, f"must be an address such as {example}")
    else:
        return str(url)
    return None


def _split(url: object) -> SplitResult | None:
    """None where it is no address at all, or one that programs read differently."""
    if not isinstance(url, str) or len(url) > MOST_URL or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2].lower()


# Secrets that are not written again ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A destination that is there already."""

    id: int
    kind: str
    shown: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)


def with_kept_secrets(body: object, kept: Sequence[Kept]) -> object:
    """The body with what it left hidden filled in: from the destination of the same id, or of the same looks."""
    if not isinstance(body, dict) or not isinstance(body.get("destinations"), list):
        return body
    return body | {"destinations": [_filled(given, kept) for given in body["destinations"]]}


def _filled(given: object, kept: Sequence[Kept]) -> object:
    if not isinstance(given, dict):
        return given
    same = next((each for each in kept if _is_same(given, each)), None)
    fields = {name: value for name, value in given.items() if name not in ("id", "unsubscribed_at", "problem")}
    if same is None:
        return fields
    is_hidden = {name: isinstance(value, str) and HIDDEN in value for name, value in fields.items()}
    written = {name: value for name, value in fields.items() if not is_hidden[name]}
    again = {name: value for name, value in same.secrets.items() if is_hidden.get(name) or name not in fields}
    return written | (again if any(is_hidden.values()) else {})


def _is_same(given: Mapping[str, Any], kept: Kept) -> bool:
    if given.get("kind") != kept.kind:
        return False
    return (
        given.get("id") == kept.id
        if "id" in given
        else all(given.get(name, value) == value for name, value in kept.shown.items())
    )
