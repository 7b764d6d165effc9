"""One report on its way to one destination, and the two ways in which that can fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


class TryAgain(Exception):
    """It did not work now; it may later."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after  # as the other side says; None: it does not


class Refused(Exception):
    """It will never work: nobody tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Everything that a sender needs."""

    idempotency_key: str
    kind: str
    shown: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    pause_url: str = field(repr=False)
    unsubscribe_url: str = field(repr=False)
    report_id: str
    made_at: datetime
    language: str
    subject: str
    value: Mapping[str, Any]
    html: str = field(repr=False)  # as kept: lines.PAUSE and UNSUBSCRIBE where a mail has its reader's own links
    text: str = field(repr=False)  # likewise
    markdown: str = field(repr=False)
    chart: bytes | None = field(repr=False)
