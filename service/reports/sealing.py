"""Secrets of destinations as they are kept: encrypted, with a key beside the API key; and links only we can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from service.settings import Settings, kept_secret

KEY_FILE: Final = "reports-key"


class Unreadable(Exception):
    """What was sealed cannot be read: it was sealed with another key."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and signs with the key of this installation."""

    key: bytes = field(repr=False)

    def seal(self, secrets: object) -> bytes:
        return self._fernet().encrypt(msgspec.json.encode(secrets))

    def unseal(self, sealed: bytes) -> dict[str, str]:
        """Raises Unreadable."""
        try:
            return msgspec.json.decode(self._fernet().decrypt(sealed), type=dict[str, str])
        except InvalidToken as error:
            raise Unreadable("its secret was sealed with another key: write the destination again") from error

    def token(self, destination_id: int) -> str:
        """A word for links in mails that stands for this destination, and that nobody can guess."""
        text = str(destination_id).encode()
        return f"{destination_id}.{_word(hmac.digest(self._derived(b'unsubscribe'), text, hashlib.sha256)[:18])}"

    def destination_of(self, token: str) -> int | None:
        """The destination that a word stands for; None where we did not make it."""
        number = token.partition(".")[0]
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            return None
        expected = self.token(int(number))
        return int(number) if hmac.compare_digest(token.encode(), expected.encode()) else None

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derived(b"destinations")))

    def _derived(self, purpose: bytes) -> bytes:
        """A key for one purpose (HKDF's extract and one block of its expand, RFC 5869)."""
        root = hmac.digest(b"rig-or-rent reports", self.key, hashlib.sha256)
        return hmac.digest(root, purpose + b"\x01", hashlib.sha256)


def sealer(settings: Settings) -> Sealer:
    """Where the API key is set by the environment, ours follows from it: several machines then share it too.

    Raises InvalidSetting.
    """
    if settings.api_key:
        return Sealer(settings.api_key.encode())
    return Sealer(kept_secret(settings, KEY_FILE).value.encode())


def _word(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
