"""A report as a message, and the way to the mail server."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from service.reports.lines import PAUSE, UNSUBSCRIBE
from service.reports.outgoing import Outgoing, Refused, TryAgain
from service.settings import Settings

TIMEOUT_S: Final = 20.0
LOOPBACK_NAMES: Final = ("localhost", "localhost.localdomain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """The mail server of this installation."""

    host: str
    port: int
    tls_from_the_start: bool
    sender: str
    public_host: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted: ssl.SSLContext | None = None  # None: what the system trusts

    @classmethod
    def of(cls, settings: Settings, trusted: ssl.SSLContext | None = None) -> Mailer | None:
        """None: mail is off."""
        if settings.smtp_url is None:
            return None
        parts = urlsplit(settings.smtp_url)
        is_tls = parts.scheme == "smtps"
        public_host = urlsplit(settings.public_url).hostname or "localhost"
        user = unquote(parts.username) if parts.username else None
        return cls(
            host=parts.hostname or "",
            port=parts.port or (465 if is_tls else 25),
            tls_from_the_start=is_tls,
            sender=settings.mail_from or (user if user and "@" in user else f"rig-or-rent@{public_host}"),
            public_host=public_host,
            user=user,
            password=unquote(parts.password) if parts.password else None,
            trusted=trusted,
        )

    async def send(self, message: EmailMessage, to: str) -> None:
        """Hand over one message. Raises TryAgain, Refused."""
        try:
            await aiosmtplib.send(
                message,
                sender=self.sender,
                recipients=[to],
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                use_tls=self.tls_from_the_start,
                start_tls=True if self._must_be_secret() and not self.tls_from_the_start else None,  # None: if offered
                tls_context=self._context(),
                timeout=TIMEOUT_S,
                local_hostname=self.public_host,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code, error.recipients[0].message) from error
        except aiosmtplib.SMTPAuthenticationError as error:
            raise TryAgain(f"the mail server refuses our user: {error.code} {_one_line(error.message)}") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            reason = _one_line(str(error) or type(error).__name__)
            raise TryAgain(f"the mail server cannot be used: {reason}") from error

    def _must_be_secret(self) -> bool:
        """A password never goes in clear over a network."""
        return self.password is not None and not _is_loopback(self.host)

    def _context(self) -> ssl.SSLContext:
        if self.trusted:
            return self.trusted
        context = ssl.create_default_context()
        if not self.tls_from_the_start and not self._must_be_secret():  # encrypted if possible, as between mail servers
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def message_of(outgoing: Outgoing, mailer: Mailer) -> EmailMessage:
    """multipart/alternative: the text; and the page with its picture. Only here stands the reader's own way out."""
    message = EmailMessage(policy=SMTP)
    to, host = str(outgoing.shown["to"]), mailer.public_host
    message["Subject"] = _one_line(outgoing.subject)
    message["From"] = Address("Rig or Rent", addr_spec=mailer.sender)
    message["To"] = to
    message["Date"] = format_datetime(outgoing.made_at)
    message["Message-ID"] = f"<{outgoing.idempotency_key}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Id"] = f"<reports.{host}>"
    message["List-Unsubscribe"] = f"<{outgoing.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text, page = (
        kept.replace(PAUSE, outgoing.pause_url).replace(UNSUBSCRIBE, outgoing.unsubscribe_url)
        for kept in (outgoing.text, outgoing.html)
    )
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    message["Content-Language"] = outgoing.language  # now: setting a content clears what begins so
    shown = message.get_payload()[1]  # type: ignore[index]
    if outgoing.chart and isinstance(shown, EmailMessage):
        shown.add_related(
            outgoing.chart,
            maintype="image",
            subtype="png",
            cid="<chart@rig-or-rent>",
            filename="medians.png",
            disposition="inline",
        )
    return message


def _refusal(code: int, said: str) -> Exception:
    """Mail servers say by the first digit whether it pays to come again."""
    text = f"the mail server says {code} {_one_line(said)}"
    return Refused(text) if 500 <= code < 600 else TryAgain(text)


def _one_line(text: str) -> str:
    """No control character: neither a header nor a log line can be made to end."""
    return "".join(character if character.isprintable() else " " for character in text).strip()[:300]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES
