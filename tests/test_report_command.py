"""The command `report`: a preview in every form, a report sent now, and what cannot be done said in one sentence."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from builders import NOON
from reporting import Clock, h100s, world

from service import store
from service.database import Database, open_database
from service.settings import Settings


class Said:
    """What a command wrote, and how it ended."""

    def __init__(self, status: int, out: bytes, err: bytes) -> None:
        self.status, self.out, self.err = status, out.decode(), err.decode()


@pytest.fixture
def environment(environment: dict[str, str], fresh_database_url: str) -> dict[str, str]:
    return environment | {"DATABASE_URL": fresh_database_url, "RIG_OR_RENT_API_KEY": "the key"}


async def report(environment: dict[str, str], *arguments: str) -> Said:
    command = [sys.executable, "-m", "service", "report", *arguments]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return Said(process.returncode or 0, out, err)


async def test_a_preview_is_printed_or_written_and_nothing_is_kept(
    environment: dict[str, str], fresh_database_url: str, tmp_path: Path
) -> None:
    page = tmp_path / "week.html"

    text, told, written = await asyncio.gather(
        report(environment, "--preview", "--language", "es"),
        report(environment, "--preview", "--json"),
        report(environment, "--preview", "--output", str(page)),
    )

    assert text.out.startswith("Tu primer informe: d32") or "d32 sigue en" in text.out, text.err
    assert json.loads(told.out)["top"][0]["title"] == "1× RTX 4070 at home (US)"
    assert written.out.startswith(str(page))
    assert page.read_text().startswith("<!DOCTYPE html>")
    async with open_database(Settings(database_url=fresh_database_url)) as database:
        assert await kept(database) == 0


async def kept(database: Database) -> int:
    async with database.sessions() as session:
        return len((await store.reports(session)).items)


async def test_a_subscription_s_report_is_sent_now(
    environment: dict[str, str], fresh_database: Database, tmp_path: Path
) -> None:
    folder = Path(environment["RIG_OR_RENT_DATA_DIR"])
    async with world(fresh_database, folder, Clock(NOON)) as here:
        await here.see(h100s())
        await here.subscribe(name="mine", destinations=[{"kind": "file", "path": "mine.md"}])

    said = await report(environment, "mine", "--json")

    assert said.status == 0, said.err
    assert json.loads(said.out)["deliveries"][0]["state"] == "sent"
    assert "Cheapest" in (folder / "reports" / "mine.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], "there is no subscription 'nobody'"),
        ([], "there is no subscription yet"),
        (["--output", "x.html"], "--output is for --preview"),
        (["--preview", "--output", "x.pdf"], "--output x.pdf must end in .html, .md, .txt, .json"),
        (["--preview", "--as-of", "tomorrow"], "--as-of must be a date"),
    ],
)
async def test_what_cannot_be_understood_is_said_in_one_sentence(
    environment: dict[str, str], arguments: list[str], sentence: str
) -> None:
    said = await report(environment, *arguments)

    assert said.status == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
