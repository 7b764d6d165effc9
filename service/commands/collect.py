"""The command `collect`: prices now, from the network or from a saved answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from providers.base import PayloadChanged, Provider, each
from service import catalogue as known
from service.checks import CollectedRun
from service.collect import (
    AlreadyCollecting,
    Sessions,
    as_json,
    body_of,
    check_payload,
    collect_bundled_if_needed,
    collect_rates,
    make_client,
    quick_sources,
)
from service.collect import collect as collect_one
from service.commands.answering import BadInput, Failed, content_of, print_json
from service.commands.naming import Source, sources_named
from service.database import open_database
from service.presentation import terminal
from service.rates import EuropeanCentralBank
from service.settings import Settings

PART_BYTES = 1024 * 1024
REJECTIONS_SHOWN = 5  # of one provider; `rig-or-rent status` and /api/v1/rejections have them all
AT_ONCE = 6  # sources; each holds up to two of the 15 connections that SQLAlchemy's pool opens at most


async def run(options: argparse.Namespace) -> None:
    """Prices now: from the network, or from a saved answer."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    unless_named: list[Source] = [*quick_sources(settings), EuropeanCentralBank]
    providers = sources_named(options.names) if options.names else unless_named
    payload = None
    if options.payload:
        if len(options.names) != 1:
            raise BadInput("--payload needs the one NAME whose answer it is")
        payload = _saved_answer(options.payload, providers[0])
        if payload is None:
            raise BadInput(f"--payload {options.payload}: null is no answer of a provider")
    if options.dry_run:
        runs = await _judged(providers, payload, settings, now)
    else:
        runs = await _collected(providers, payload, settings, now)
    if options.json:
        shown = [as_json(run, provider.interval) for provider, run in zip(providers, runs, strict=True)]
        print_json(shown[0] if len(options.names) == 1 else shown)
    else:
        terminal.print_table(["Provider", "Outcome", "Offers", "Believed", "Rejected"], [_summary(run) for run in runs])
        for run in runs:
            for rejection in run.rejections[:REJECTIONS_SHOWN]:
                offer = rejection.offer
                terminal.print_line(
                    f"{run.collector}: {offer.instance_type} ({offer.gpu}) {rejection.reason}: {rejection.detail}"
                )
    failed = [f"{run.collector}: {run.error}" for run in runs if run.error_kind]
    if failed and (options.names or len(failed) == len(runs)):
        raise Failed("; ".join(failed))


async def _judged(
    providers: Sequence[Source], payload: object, settings: Settings, now: datetime
) -> list[CollectedRun]:
    """What runs would come to, without a database."""
    async with make_client(settings) as client:
        return await each(providers, partial(_collect, client, None, settings, now, payload), at_once=AT_ONCE)


async def _collected(
    providers: Sequence[Source], payload: object, settings: Settings, now: datetime
) -> list[CollectedRun]:
    async with open_database(settings) as database, make_client(settings) as client:
        await database.prepare()
        await collect_bundled_if_needed(database.sessions, known.load(), now)
        collect_from = partial(_collect, client, database.sessions, settings, now, payload)
        try:
            return await each(providers, collect_from, at_once=AT_ONCE)
        except AlreadyCollecting as busy:
            raise Failed(str(busy)) from busy


async def _collect(
    client: httpx.AsyncClient,
    sessions: Sessions | None,
    settings: Settings,
    now: datetime,
    payload: object,
    source: Source,
) -> CollectedRun:
    if not issubclass(source, Provider):
        return await collect_rates(client=client, sessions=sessions, now=now, payload=payload)
    catalogue = known.load()
    if payload is not None and sessions is None:
        return check_payload(source, payload, catalogue, now)
    return await collect_one(
        source,
        client=client,
        secrets=settings.secrets,
        sessions=sessions,
        catalogue=catalogue,
        now=now,
        payload=payload,
    )


def _saved_answer(file: str, source: type) -> object:
    """The answer in a file, read in parts: a source may narrow a long one on the way."""
    if not issubclass(source, Provider):
        return body_of(content_of(file))
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as content:
            return source().read_saved(iter(partial(content.read, PART_BYTES), b""))
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error
    except PayloadChanged as changed:
        raise Failed(f"{source.slug}: {changed}") from changed


def _summary(run: CollectedRun) -> list[str]:
    outcome = run.error or (f"set aside: {run.set_aside}" if run.set_aside else "ok")
    return [run.collector, outcome, f"{run.offers:,}", f"{len(run.observations):,}", f"{len(run.rejections):,}"]
