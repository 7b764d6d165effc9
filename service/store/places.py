"""Cursors of lists that are ordered by a moment: where a page ended, as an opaque word."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from service.store.runs import InvalidCursor


def cursor_at(moment: datetime, name: str) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {name}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> tuple[datetime, str]:
    """The moment and name that the page comes after. Raises InvalidCursor."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, _, name = text.partition(" ")
        at = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error) as error:
        raise InvalidCursor(f"{cursor!r} is no cursor of this list") from error
    if at.tzinfo is None or not name.isascii() or not name.isalnum():
        raise InvalidCursor(f"{cursor!r} is no cursor of this list")
    return at, name
