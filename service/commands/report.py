"""The command `report`: makes a report now and sends it, or shows what it would be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from providers import discover
from service import catalogue as known
from service import store
from service.collect import all_sources, collect_bundled_if_needed
from service.commands.answering import BadInput, Failed, flag, require_folder, write
from service.database import open_database
from service.estimation.estimate import Estimator
from service.market import Markets, RememberingEstimator
from service.parameters import DEFAULT_RIG, Vocabulary, ranking_request
from service.parameters.vocabulary import DEFAULT_WORKLOAD
from service.presentation import terminal
from service.presentation.answers import source_of
from service.reports.desk import Desk, NowhereToSend
from service.reports.files import standalone
from service.reports.keeping import report_answer
from service.reports.maker import Made
from service.reports.opening import open_desk
from service.reports.subscription import Subscription
from service.settings import Settings
from service.store import StoredSubscription

FORMS: Final = {".html": "html", ".md": "md", ".txt": "text", ".json": "json", "": "text"}  # by the end of a name


async def run(options: argparse.Namespace) -> None:
    """With --preview nothing is kept and nothing is sent."""
    form = _form(options)
    for name in ("output", "as_of", "language"):
        if getattr(options, name) and not options.preview:
            raise BadInput(f"{flag(name)} is for --preview")
    require_folder(options.output)
    async with _opened(Settings.from_environment(), _as_of(options)) as desk:
        if options.preview:
            _show(await _preview(desk, options.subscription, options.language), form, options.output)
        else:
            await _send(desk, options)


def _form(options: argparse.Namespace) -> str:
    if options.json:
        return "json"
    if options.format:
        return str(options.format)
    suffix = options.output.suffix if options.output else ""
    if suffix not in FORMS:
        raise BadInput(f"--output {options.output} must end in {', '.join(filter(None, FORMS))}; or name a --format")
    return FORMS[suffix]


def _as_of(options: argparse.Namespace) -> datetime | None:
    """Raises InvalidParameters."""
    if not options.as_of:
        return None
    return ranking_request({"as_of": [options.as_of]}, Vocabulary(catalogue=known.load()), datetime.now(UTC)).as_of


@asynccontextmanager
async def _opened(settings: Settings, as_of: datetime | None) -> AsyncIterator[Desk]:
    """What `serve` composes, without serving; with the clock of a moment in the past, where one is named."""
    catalogue, now = known.load(), datetime.now(UTC)

    def clock() -> datetime:
        return as_of or datetime.now(UTC)

    sources = {slug: source_of(module, settings.secrets) for slug, module in all_sources().items()}
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        await database.prepare()
        await collect_bundled_if_needed(database.sessions, catalogue, now)
        markets = Markets(database, catalogue, discover(), clock)
        await markets.refresh()
        yield await stack.enter_async_context(
            open_desk(
                settings,
                database=database,
                catalogue=catalogue,
                markets=markets,
                estimator=RememberingEstimator(Estimator(catalogue.efficiencies, catalogue.runs)),
                sources=sources,
                clock=clock,
            )
        )


# Showing -------------------------------------------------------------------------------------------------------------


async def _preview(desk: Desk, name: str | None, language: str | None) -> Made:
    """What would be sent now: since the last report, or where there is none since a week ago."""
    maker = desk.maker
    async with maker.database.sessions() as session:
        row = await _one(session, name) if name else None
        subscription = Subscription.of(row) if row else _unsubscribed(language or "en")
        now = maker.clock()
        before = await maker.last_shown(session, row) if row else None
        before = before or await maker.shown_a_week_ago(session, subscription, now)
        row_id = row.id if row else None
        return await maker.made(session, subscription, row_id, "preview", now, slot="preview", before=before)


def _unsubscribed(language: str) -> Subscription:
    """The question that `rank` asks when it is told nothing."""
    ranking = {"workload": DEFAULT_WORKLOAD, "rig": [DEFAULT_RIG]}
    return Subscription(name="preview", ranking=ranking, schedule=None, language=language)


async def _one(session: AsyncSession, name: str | None) -> StoredSubscription:
    """The subscription of this name or id; the only one there is, where none is named."""
    if name is None:
        rows: Sequence[StoredSubscription] = (await store.subscriptions(session, limit=2)).items
        missing = "there is no subscription yet: POST one to /api/v1/subscriptions, or look at report --preview"
        several = "name the subscription: there are several, see /api/v1/subscriptions"
    else:
        rows = await store.subscriptions_named(session, name)
        missing = f"there is no subscription {name!r}; see /api/v1/subscriptions"
        several = f"several subscriptions are called {name!r}: give the id of one"
    if len(rows) != 1:
        raise BadInput(several if rows else missing)
    return rows[0]


def _show(made: Made, form: str, output: Path | None) -> None:
    content = _content(made, form)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    write(output, content)
    terminal.print_line(f"{output}: {made.report.subject}")


def _content(made: Made, form: str) -> bytes:
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(made.report)) + b"\n"
    if form == "html":
        return standalone(made.html, made.chart).encode()
    return (made.markdown if form == "md" else f"{made.report.subject}\n\n{made.text}").encode()


# Sending -------------------------------------------------------------------------------------------------------------


async def _send(desk: Desk, options: argparse.Namespace) -> None:
    async with desk.maker.database.sessions() as session:
        subscription_id = (await _one(session, options.subscription)).id
    try:
        report_id = await desk.send_now(subscription_id)
    except NowhereToSend as error:
        raise Failed(str(error)) from error
    await desk.courier.deliver_due(report_id)
    async with desk.maker.database.sessions() as session:
        row = await store.report(session, report_id)
    assert row is not None, "it was made just now"
    answer = report_answer(row, desk.maker.public_url, with_errors=True)
    if options.json:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    else:
        terminal.print_line(f"{answer.subject}\n{answer.url}")
        terminal.print_table(
            ["To", "State", ""], [[each.kind, each.state, each.error or ""] for each in answer.deliveries]
        )
    if any(each.state != "sent" for each in answer.deliveries):
        raise Failed("not every destination took it; what waits is sent again by `rig-or-rent serve`")
