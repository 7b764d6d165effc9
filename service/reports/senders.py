"""The ways out: one function for each kind of destination, which hands a report over or says how that failed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import msgspec

from service.reports.addresses import MOST_ANSWER_BYTES, MOST_REDIRECTS, SETTING, PrivateAddress
from service.reports.bucket import judge_put, signed_put
from service.reports.chats import discord_message, slack_message, telegram_message
from service.reports.destinations import APPRISE, is_known_to_apprise
from service.reports.files import write_file
from service.reports.mail import Mailer, message_of
from service.reports.outgoing import Outgoing, Refused, TryAgain

TOTAL_S: Final = 25.0  # for one attempt, whatever the other side does
LONGEST_WAIT: Final = timedelta(hours=1)  # that we let another side ask for
TELEGRAM: Final = "https://api.telegram.org"


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
            "s3": self._s3,
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

    async def _s3(self, outgoing: Outgoing) -> None:
        put = await asyncio.to_thread(signed_put, outgoing)
        judge_put(*await self._answer("PUT", httpx.URL(put.url), put.body, put.headers))

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
            answer, _ = await self._answer("POST", asked, body, headers)
            if answer.status_code not in (307, 308):
                return judge(answer)
            asked = _redirected(asked, answer)
        raise Refused(f"more than {MOST_REDIRECTS} redirects")

    async def _answer(
        self, method: str, url: httpx.URL, body: bytes, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, bytes]:
        """With the beginning of what is said."""
        try:
            async with self.client.stream(method, url, content=body, headers=dict(headers)) as answer:
                return answer, await _beginning(answer)
        except PrivateAddress as error:
            raise Refused(str(error)) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise TryAgain(f"{url.host} does not answer: {type(error).__name__}") from error


async def _beginning(answer: httpx.Response) -> bytes:
    """A receiver that never stops talking is not listened to."""
    read = b""
    async for chunk in answer.aiter_raw():
        read += chunk
        if len(read) > MOST_ANSWER_BYTES:
            break
    return read


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
