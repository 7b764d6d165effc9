"""What each command does: it composes what it needs, asks one question and prints the answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from providers import discover, recording
from providers.base import CredentialsRefused, PayloadChanged, Provider, ProviderUnavailable
from service import catalogue as known
from service import store
from service.checks import CollectedRun
from service.collect import (
    AlreadyCollecting,
    as_json,
    body_of,
    check_payload,
    collect_bundled_if_needed,
    collect_first,
    make_client,
    sources_to_try,
)
from service.collect import collect as collect_one
from service.database import Database, newest_revision, open_database
from service.estimation.estimate import Estimator
from service.market import RememberingEstimator, current_ranking, find_option, load_market
from service.parameters import InvalidParameters, Vocabulary, estimates_request, ranking_request, saved_workload
from service.presentation import terminal
from service.presentation.answers import machine_estimate, provider_answer, source_of
from service.ranking.rank import Option
from service.settings import Settings, api_key


class BadInput(Exception):
    """What was typed can't be understood: one sentence, exit status 2."""


class Failed(Exception):
    """What was asked can't be done now: one sentence, exit status 1."""


def print_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")


# rank ---------------------------------------------------------------------------------------------------------------


async def rank(options: argparse.Namespace) -> None:
    """The ranking, or with --explain one option of it."""
    settings, catalogue, now = Settings.from_environment(), known.load(), datetime.now(UTC)
    given = {name: values for name, values in vars(options).items() if isinstance(values, list)}
    _refuse_early(given, now)
    async with open_database(settings) as database:
        await database.prepare()
        await _fill_if_empty(database, settings, now)
        async with database.engine.connect() as connection:
            market = await load_market(connection, catalogue, now, discover())
        async with database.sessions() as session:
            saved = {
                row.slug: saved_workload(row.slug, row.body, catalogue) for row in await store.saved_workloads(session)
            }
        request = ranking_request(given, Vocabulary.of(catalogue, market.offers, discover(), saved), now)
        if request.as_of is not None:
            async with database.engine.connect() as connection:
                market = await load_market(connection, catalogue, request.as_of, discover())
    estimator = RememberingEstimator(Estimator(catalogue.efficiencies, catalogue.runs))
    if options.explain:
        option = find_option(market, request, estimator, now, options.explain)
        if not isinstance(option, Option):
            reason = option.detail if option else "no option has this id; `rig-or-rent rank --json` prints the ids"
            raise BadInput(f"--explain {options.explain}: {reason}")
        print_json(option) if options.json else terminal.print_option(option)
        return
    ranking = current_ranking(market, request, estimator, now)
    print_json(ranking) if options.json else terminal.print_ranking(ranking, request, now)


def _refuse_early(given: Mapping[str, Sequence[str]], now: datetime) -> None:
    """What no database can make right is said before one is opened, and before prices are collected."""
    try:
        ranking_request(given, Vocabulary(catalogue=known.load()), now)
    except InvalidParameters as invalid:
        lasting = [error for error in invalid.errors if error.field not in STORE_KNOWS]
        if lasting:
            raise InvalidParameters(lasting) from invalid


STORE_KNOWS = frozenset({"workload", "provider", "region", "cloud_country"})  # values that may have been collected


async def _fill_if_empty(database: Database, settings: Settings, now: datetime) -> None:
    """The first ranking tries the sources that need no key; after that, collecting is the schedule's work."""
    catalogue = known.load()
    async with database.sessions() as session:
        is_empty = not await store.collectors(session)
    if not is_empty:
        await collect_bundled_if_needed(database.sessions, catalogue, now)
        return
    sources = sources_to_try(settings)
    with _progress(f"Collecting prices from {len(sources)} sources", len(sources)) as advance:
        first = await collect_first(
            settings=settings,
            sessions=database.sessions,
            catalogue=catalogue,
            now=now,
            on_done=lambda slug, run: advance(),
        )
    offers = sum(len(run.observations) for run in first.runs)
    missed = f"; not reached: {_reasons(first.not_reached)}" if first.not_reached else ""
    sys.stderr.write(f"First prices: {offers:,} offers from {len(first.runs)} sources{missed}.\n")


def _reasons(not_reached: Mapping[str, str]) -> str:
    """`aws, azure (no network); lambda (…)`: sources by why they gave nothing."""
    by_reason: dict[str, list[str]] = {}
    for slug, reason in not_reached.items():
        by_reason.setdefault(reason, []).append(slug)
    return "; ".join(f"{', '.join(slugs)} ({reason})" for reason, slugs in by_reason.items())


@contextmanager
def _progress(title: str, total: int) -> Iterator[Any]:
    """A bar on a terminal, a line of text elsewhere; yields what moves it on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        sys.stderr.write(f"{title}, for at most 20 s …\n")
        yield lambda: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


# estimate -----------------------------------------------------------------------------------------------------------


def estimate(options: argparse.Namespace) -> None:
    """Hours on one machine, or for a file of machines."""
    catalogue = known.load()
    body = _body_of_request(options)
    try:
        request = estimates_request(body, Vocabulary(catalogue=catalogue))
    except InvalidParameters as invalid:
        raise invalid if options.request else BadInput(_as_typed(invalid)) from invalid
    estimator = Estimator(catalogue.efficiencies, catalogue.runs)
    answers = [estimator.estimate(workload, machine, request.method) for workload, machine in request.questions]
    if options.json:
        print_json(
            [machine_estimate(machine, answer) for (_, machine), answer in zip(request.questions, answers, strict=True)]
        )
        return
    for (workload, machine), answer in zip(request.questions, answers, strict=True):
        title = f"{workload.name} on {machine.gpu_count}× {machine.gpu.name}"
        terminal.print_estimate(title, answer, options.explain)


def _body_of_request(options: argparse.Namespace) -> object:
    if options.request:
        try:
            return msgspec.json.decode(_content(options.request))
        except msgspec.DecodeError as error:
            raise BadInput(f"--request {options.request}: not JSON: {error}") from error
    if not options.gpu:
        raise BadInput("--gpu must name a GPU, such as RTX 4070; or give --request FILE")
    machine = {
        "gpu": options.gpu,
        "gpu_count": _number(options.gpus),
        "host_memory_gb": _number(options.host_memory_gb),
    }
    return {"workload": options.workload or "nanochat-d32", "method": options.method, "machines": [machine]}


def _as_typed(invalid: InvalidParameters) -> str:
    typed = {
        "machines[0].gpu": "--gpu",
        "machines[0].gpu_count": "--gpus",
        "machines[0].host_memory_gb": "--host-memory-gb",
    }
    return "; ".join(f"{typed.get(error.field, '--' + error.field)} {error.message}" for error in invalid.errors)


def _number(text: str | None) -> object:
    """A number as JSON has it; anything else stays as it was typed, and is refused by name."""
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error


# collect ------------------------------------------------------------------------------------------------------------


async def collect(options: argparse.Namespace) -> None:
    """Prices now: from the network, or from a saved answer."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    providers = _named(options.names) if options.names else sources_to_try(settings)
    payload = None
    if options.payload:
        if len(options.names) != 1:
            raise BadInput("--payload needs the one NAME whose answer it is")
        payload = body_of(_content(options.payload))
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


REJECTIONS_SHOWN = 5  # of one provider; `rig-or-rent status` and /api/v1/rejections have them all


async def _judged(
    providers: Sequence[type[Provider]], payload: object, settings: Settings, now: datetime
) -> list[CollectedRun]:
    """What runs would come to, without a database."""
    catalogue = known.load()
    if payload is not None:
        return [check_payload(provider, payload, catalogue, now) for provider in providers]
    async with make_client(settings) as client:
        secrets = settings.secrets
        return [
            await collect_one(provider, client=client, secrets=secrets, sessions=None, catalogue=catalogue, now=now)
            for provider in providers
        ]


async def _collected(
    providers: Sequence[type[Provider]], payload: object, settings: Settings, now: datetime
) -> list[CollectedRun]:
    catalogue = known.load()
    async with open_database(settings) as database, make_client(settings) as client:
        await database.prepare()
        await collect_bundled_if_needed(database.sessions, catalogue, now)
        try:
            return [
                await collect_one(
                    provider,
                    client=client,
                    secrets=settings.secrets,
                    sessions=database.sessions,
                    catalogue=catalogue,
                    now=now,
                    payload=payload,
                )
                for provider in providers
            ]
        except AlreadyCollecting as busy:
            raise Failed(str(busy)) from busy


def _named(names: Sequence[str]) -> list[type[Provider]]:
    known_slugs = discover()
    for name in names:
        if name not in known_slugs:
            near = get_close_matches(name, known_slugs)
            hint = f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(known_slugs)}"
            raise BadInput(f"there is no provider {name!r}{hint}")
    return [known_slugs[name] for name in names]


def _summary(run: CollectedRun) -> list[str]:
    outcome = run.error or (f"set aside: {run.set_aside}" if run.set_aside else "ok")
    return [run.collector, outcome, f"{run.offers:,}", f"{len(run.observations):,}", f"{len(run.rejections):,}"]


# serve, migrate, record, status, fit --------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> None:
    """API, pages and schedule, until interrupted."""
    settings = Settings.from_environment()
    key = api_key(settings)
    if key.is_new:
        sys.stderr.write(f"A key for writing calls was made: {key.path}\n")
    sys.stderr.write(f"Rig or Rent on http://{options.host}:{options.port}\n")
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    Server(
        "service.app:create_app",
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGI,
        workers=options.workers,
        factory=True,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=options.workers > 1,
    ).serve()


async def migrate(options: argparse.Namespace) -> None:
    """Whatever the database's version, it is the newest afterwards; or newer than this software, and left alone."""
    async with open_database(Settings.from_environment()) as database:
        await database.migrate()
    print_json({"revision": newest_revision()}) if options.json else terminal.print_line(
        f"The database is at version {newest_revision()}, the newest."
    )


async def record(options: argparse.Namespace) -> None:
    """Live answers, cut down and without secrets, and what they parse to; side by side for review."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    (provider_class,) = _named([options.name])
    if variable := provider_class.missing(settings.secrets):
        raise Failed(f"{options.name} needs {variable}")
    if not options.into.is_dir():
        raise BadInput(f"--into {options.into} is no folder")
    provider = provider_class(settings.secrets)
    async with make_client(settings) as client:
        try:
            made = await recording.record(provider, client, now)
            offers = list(provider.parse([each.answer for each in made.answers]))
        except (ProviderUnavailable, CredentialsRefused, PayloadChanged) as error:
            raise Failed(f"{options.name}: {error}") from error
    for name, content in (
        (f"{options.name}.json", recording.to_text(made)),
        (f"{options.name}.offers.json", recording.offers_to_text(offers)),
    ):
        (options.into / name).write_text(content, encoding="utf-8")
        terminal.print_line(f"{options.into / name}")
    terminal.print_line(f"{len(offers)} offers; read them, then run the tests.")


async def status(options: argparse.Namespace) -> None:
    """The database and every price source."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    async with open_database(settings) as database:
        await database.prepare()
        async with database.sessions() as session:
            states = await store.collectors(session)
    sources = [source_of(provider, settings.secrets) for provider in discover().values()]
    answers = [provider_answer(source, states.get(source.slug), now) for source in sources]
    if options.json:
        print_json({"items": answers, "next_cursor": None})
        return
    terminal.print_status(answers, now)


def fit(options: argparse.Namespace) -> None:
    """The fit again, with its residuals; a file only where asked for."""
    try:
        from service import fit as fitting  # needs SciPy, which only this command does
    except ModuleNotFoundError as missing:
        raise Failed("fitting needs SciPy: pip install 'rig-or-rent[fit]'") from missing
    report = fitting.report(known.load().runs)
    if options.write:
        options.write.write_text(fitting.as_toml(report.efficiencies), encoding="utf-8")
    if options.json:
        print_json(report)
        return
    sys.stdout.write(fitting.as_text(report) + "\n")
