"""Reports as files: a path is replaced, a folder collects; the end of the name says in which form."""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from service.reports import mail_page, plain
from service.reports.mail_page import CHART
from service.reports.outgoing import Outgoing, Refused

FORMATS: Final = {".html": "html", ".md": "md", ".txt": "text", ".json": "json"}


def path_of(outgoing: Outgoing) -> PurePosixPath:
    """What its destination says; in a folder, a name of its own."""
    path = PurePosixPath(str(outgoing.shown["path"]))
    return path if path.suffix else path / f"{outgoing.made_at:%Y-%m-%dT%H%M}Z-{outgoing.report_id}.html"


def write_file(folder: Path, outgoing: Outgoing) -> None:
    """Whole or not at all, and inside the folder whatever links stand in it."""
    path = path_of(outgoing)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = folder / path
    there.parent.mkdir(parents=True, exist_ok=True)
    if not there.parent.resolve().is_relative_to(folder.resolve()):
        raise Refused("the path leads out of the folder of reports")
    draft = there.with_name(f".{there.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content(path, outgoing))
        os.replace(draft, there)
    finally:
        draft.unlink(missing_ok=True)


def content(path: PurePosixPath, outgoing: Outgoing) -> bytes:
    """In the form that the end of its name asks for; whoever reads it cannot unsubscribe others by it."""
    form = FORMATS[path.suffix]
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(outgoing.value)) + b"\n"
    if form == "html":
        return standalone(mail_page.for_everybody(outgoing.html), outgoing.chart).encode()
    return (outgoing.markdown if form == "md" else plain.for_everybody(outgoing.text)).encode()


def standalone(page: str, chart: bytes | None) -> str:
    """The page with its picture inside: a file has no attachments."""
    picture = base64.b64encode(chart).decode() if chart else ""
    return (
        page.replace(CHART, f"data:image/png;base64,{picture}") if chart else re.sub(r"<img[^>]+cid:[^>]+>", "", page)
    )
