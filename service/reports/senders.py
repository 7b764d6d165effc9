"""The ways out: one function for each kind of destination, which hands a report over or says how that failed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import html
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import httpx
import msgspec

from service.reports.addresses import MOST_ANSWER_BYTES, MOST_REDIRECTS, SETTING, PrivateAddress
from service.reports.destinations import APPRISE, FORMATS, is_known_to_apprise
from service.reports.mail import Mailer, message_of
from service.reports.mail_page import CHART
from service.reports.outgoing import Outgoing, Refused, TryAgain
from service.reports.plain import escaped

TOTAL_S: Final = 25.0  # for one attempt, whatever the other side does
LONGEST_WAIT: Final = timedelta(hours=1)  # that we let another side ask for
TELEGRAM: Final = "https://api.telegram.org"
TOP_LINES: Final = 5
MOST_TEXT: Final = 3500  # of a chat message; Telegram ends at 4096, Discord's embeds at 4096, Slack's sections at 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """All ways out, with what they need."""

    client: httpx.AsyncClient
    mailer: Mailer | None
    folder: Path  # of files
    may_be_private: bool
    clock: Callable[[], datetime]
    kinds: Mapping[str, Callable[[Outgoing], Awaitable[None]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_kind = {
            "email": self._email,
            "webhook": self._webhook,
            "slack": self._slack,
            "discord": self._discord,
            "telegram": self._telegram,
            "file": self._file,
            "apprise": self._apprise,
        }
        object.__setattr__(self, "kinds", by_kind)

    async def send(self, outgoing: Outgoing) -> None:
        """Hand it over, within a bounded time. Raises TryAgain, Refused."""
        try:
            async with asyncio.timeout(TOTAL_S):
                await self.kinds[outgoing.kind](outgoing)
        except TimeoutError as error:
            raise TryAgain(f"no answer within {TOTAL_S:.0f} s") from error

    # Each kind -------------------------------------------------------------------------------------------------------

    async def _email(self, outgoing: Outgoing) -> None:
        if self.mailer is None:
            raise TryAgain("mail is off: set RIG_OR_RENT_SMTP_URL")
        await self.mailer.send(message_of(outgoing, self.mailer), str(outgoing.shown["to"]))

    async def _webhook(self, outgoing: Outgoing) -> None:
        body = msgspec.json.encode(outgoing.value)
        signed_at = int(self.clock().timestamp())
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": outgoing.idempotency_key,
            "X-Signature": signature(outgoing.secrets["secret"], signed_at, body),
        }
        await self._post(outgoing.secrets["url"], body, headers)

    async def _slack(self, outgoing: Outgoing) -> None:
        await self._post_json(outgoing, outgoing.secrets["url"], slack_message(outgoing))

    async def _discord(self, outgoing: Outgoing) -> None:
        await self._post_json(outgoing, outgoing.secrets["url"], discord_message(outgoing))

    async def _telegram(self, outgoing: Outgoing) -> None:
        url = f"{TELEGRAM}/bot{outgoing.secrets['token']}/sendMessage"
        await self._post_json(outgoing, url, telegram_message(outgoing))

    async def _file(self, outgoing: Outgoing) -> None:
        try:
            await asyncio.to_thread(write_file, self.folder, outgoing)
        except OSError as error:
            raise TryAgain(f"the file cannot be written: {error.strerror}") from error

    async def _apprise(self, outgoing: Outgoing) -> None:
        import apprise

        url = outgoing.secrets["url"]
        if not self.may_be_private and url.partition("://")[0].lower() not in APPRISE:
            raise Refused(f"Apprise may take this anywhere; {SETTING} permits it")
        if not is_known_to_apprise(url):
            raise Refused("Apprise no longer knows this address")
        notifier = apprise.Apprise()
        notifier.add(url)
        form = apprise.NotifyFormat.MARKDOWN
        tell = partial(notifier.notify, title=outgoing.subject, body=outgoing.markdown, body_format=form)
        if not await asyncio.to_thread(tell):
            raise TryAgain("Apprise could not deliver it")

    # HTTP ------------------------------------------------------------------------------------------------------------

    async def _post_json(self, outgoing: Outgoing, url: str, message: object) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": outgoing.idempotency_key}
        await self._post(url, msgspec.json.encode(message), headers)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """POST, and again where a redirect asks for the same; every hop is judged by its address."""
        asked = httpx.URL(url)
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._answer(asked, body, headers)
            if answer.status_code not in (307, 308):
                return judge(answer)
            asked = _redirected(asked, answer)
        raise Refused(f"more than {MOST_REDIRECTS} redirects")

    async def _answer(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        try:
            async with self.client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                await _read_little(answer)
                return answer
        except PrivateAddress as error:
            raise Refused(str(error)) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise TryAgain(f"{url.host} does not answer: {type(error).__name__}") from error


async def _read_little(answer: httpx.Response) -> None:
    """A receiver that never stops talking is not listened to: its status is all that counts."""
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read > MOST_ANSWER_BYTES:
            return


def judge(answer: httpx.Response) -> None:
    """Nothing for a success. Raises TryAgain; Refused where the address says that it is no more."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    said = f"{answer.request.url.host} answers {status}"  # the path may be the secret
    if status == 410:
        raise Refused(f"{said}: it is gone")
    if 300 <= status < 400:
        raise Refused(f"{said}: only redirects 307 and 308 keep a message whole")
    raise TryAgain(said, _retry_after(answer))


def _redirected(url: httpx.URL, answer: httpx.Response) -> httpx.URL:
    try:
        there = url.join(answer.headers["Location"])
    except (KeyError, httpx.InvalidURL, ValueError) as error:
        raise Refused(f"{url.host} redirects to nowhere") from error
    if there.scheme not in ("http", "https") or not there.host or (url.scheme == "https" and there.scheme == "http"):
        raise Refused(f"{url.host} redirects to where no report may go")
    return there


def _retry_after(answer: httpx.Response) -> timedelta | None:
    given = answer.headers.get("Retry-After", "").strip()
    if given.isdecimal() and len(given) < 9:
        return min(timedelta(seconds=int(given)), LONGEST_WAIT)
    with contextlib.suppress(ValueError, TypeError):
        at = parsedate_to_datetime(given)
        return min(max(at.astimezone(UTC) - datetime.now(UTC), timedelta(0)), LONGEST_WAIT)
    return None


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=1764072000,v1=…`: HMAC-SHA256 of `t.body`, so that an old message cannot be sent again as a new one."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


# Chat messages -------------------------------------------------------------------------------------------------------


def slack_message(outgoing: Outgoing) -> dict[str, Any]:
    """A header, the answer, what changed, and a button; names cannot mention anybody."""
    header = {"type": "header", "text": {"type": "plain_text", "text": outgoing.subject[:150]}}
    texts = filter(None, (_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)))
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": _slack(text)[:3000]}} for text in texts]
    blocks = [header, *sections, _slack_links(outgoing)]
    return {"text": _slack(outgoing.subject), "blocks": blocks, "unfurl_links": False}


def _slack_links(outgoing: Outgoing) -> dict[str, Any]:
    url = str(outgoing.value["report_url"])
    text = f"<{url.replace('>', '%3E').replace('|', '%7C')}|{_slack(_open(outgoing))}>"
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def discord_message(outgoing: Outgoing) -> dict[str, Any]:
    parts = [_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)]
    description = "\n\n".join(escaped(part) for part in parts if part)
    embed = {
        "title": outgoing.subject[:250],
        "url": outgoing.value["report_url"],
        "description": _cut(description),
        "timestamp": outgoing.made_at.isoformat(),
        "color": 0x0B57A4,
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def telegram_message(outgoing: Outgoing) -> dict[str, Any]:
    parts = [_lines(outgoing, "sentences"), _changes(outgoing), _top(outgoing)]
    body = html.escape(_cut("\n\n".join(filter(None, parts))), quote=False)
    url = html.escape(str(outgoing.value["report_url"]))
    text = f'<b>{html.escape(outgoing.subject, quote=False)}</b>\n\n{body}\n\n<a href="{url}">{_open(outgoing)}</a>'
    return {
        "chat_id": outgoing.shown["chat_id"],
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rsplit(chr(10), 1)[0].rstrip(chr(92))}\n…"


def _lines(outgoing: Outgoing, name: str) -> str:
    return "\n".join(str(line) for line in outgoing.value[name])


def _changes(outgoing: Outgoing) -> str:
    marks = {"cheaper": "▼", "dearer": "▲"}
    return "\n".join(f"{marks.get(change['direction'], '●')} {change['text']}" for change in outgoing.value["changes"])


def _top(outgoing: Outgoing) -> str:
    rows = outgoing.value["top"][:TOP_LINES]
    return "\n".join(f"{row['rank']}. {row['title']}: {row['cost_text']}, {row['days_text']}" for row in rows)


def _open(outgoing: Outgoing) -> str:
    from service.reports.language import words

    return words(outgoing.language).say("as_sent")


# Files ---------------------------------------------------------------------------------------------------------------


def write_file(folder: Path, outgoing: Outgoing) -> None:
    """Whole or not at all, and inside the folder whatever links stand in it. A folder collects, a file is replaced."""
    path = PurePosixPath(str(outgoing.shown["path"]))
    if not path.suffix:
        path = path / f"{outgoing.made_at:%Y-%m-%dT%H%M}Z-{outgoing.report_id}.html"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = folder / path
    there.parent.mkdir(parents=True, exist_ok=True)
    if not there.parent.resolve().is_relative_to(folder.resolve()):
        raise Refused("the path leads out of the folder of reports")
    draft = there.with_name(f".{there.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(_content(FORMATS[path.suffix], outgoing))
        os.replace(draft, there)
    finally:
        draft.unlink(missing_ok=True)


def _content(form: str, outgoing: Outgoing) -> bytes:
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(outgoing.value)) + b"\n"
    if form == "html":
        return standalone(outgoing.html, outgoing.chart).encode()
    return (outgoing.markdown if form == "md" else outgoing.text).encode()


def standalone(page: str, chart: bytes | None) -> str:
    """The page with its picture inside: a file has no attachments."""
    picture = base64.b64encode(chart).decode() if chart else ""
    return (
        page.replace(CHART, f"data:image/png;base64,{picture}") if chart else re.sub(r"<img[^>]+cid:[^>]+>", "", page)
    )
