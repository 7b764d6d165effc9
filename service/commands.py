"""What each command does: it composes what it needs, asks one question and prints the answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.ext.asyncio import AsyncSession

from providers import discover, recording
from providers.base import CredentialsRefused, PayloadChanged, Provider, ProviderUnavailable, each
from service import catalogue as known
from service import own_rig, store
from service.checks import CollectedRun
from service.collect import (
    AlreadyCollecting,
    Imported,
    NoHistory,
    Sessions,
    all_sources,
    as_json,
    body_of,
    check_payload,
    collect_bundled_if_needed,
    collect_first,
    collect_rates,
    make_client,
    quick_sources,
)
from service.collect import collect as collect_one
from service.collect import history as past
from service.database import Database, newest_revision, open_database
from service.estimation.estimate import Estimator
from service.estimation.logs import UnreadableLog
from service.estimation.several import explain_count
from service.market import RememberingEstimator, current_ranking, find_option, load_market
from service.parameters import InvalidParameters, Vocabulary, estimates_request, ranking_request, saved_workload
from service.presentation import terminal
from service.presentation.answers import (
    RejectionAnswer,
    machine_estimate,
    provider_answer,
    rejection_answer,
    source_of,
)
from service.ranking.rank import Option
from service.rates import EuropeanCentralBank
from service.settings import Settings, api_key
from service.this_machine import FoundMachine, NoCards, this_machine


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
    typed = {name: values for name, values in vars(options).items() if isinstance(values, list)}
    given, found = _own_cards(typed)
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
        request = own_rig.as_found(request, found)
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


def _own_cards(given: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[str]], tuple[FoundMachine, ...]]:
    try:
        return own_rig.with_own_cards(given, known.load())
    except NoCards as error:
        raise Failed(f"--rig auto: {error}") from error


def _refuse_early(given: Mapping[str, Sequence[str]], now: datetime) -> None:
    """What no database can make right is said before one is opened, and before prices are collected."""
    try:
        ranking_request(given, Vocabulary(catalogue=known.load()), now)
    except InvalidParameters as invalid:
        lasting = [error for error in invalid.errors if error.field not in STORE_KNOWS]
        if lasting:
            raise InvalidParameters(lasting) from invalid


STORE_KNOWS = frozenset({"workload", "provider", "region", "cloud_country"})  # values that may have been collected


TELLS_NO_PRICE_OF_NOW = {past.COLLECTOR, EuropeanCentralBank.slug}


async def _fill_if_empty(database: Database, settings: Settings, now: datetime) -> None:
    """The first ranking tries the sources that need no key; after that, collecting is the schedule's work."""
    catalogue = known.load()
    async with database.sessions() as session:
        is_filled = await store.knows_prices(session, besides=TELLS_NO_PRICE_OF_NOW)
    if is_filled:
        await collect_bundled_if_needed(database.sessions, catalogue, now)
        return
    sources = quick_sources(settings)
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
    return "; ".join(f"{_some(slugs)} ({reason})" for reason, slugs in by_reason.items())


def _some(slugs: Sequence[str]) -> str:
    return ", ".join(slugs) if len(slugs) <= SLUGS_SHOWN else f"{len(slugs)} sources"


SLUGS_SHOWN = 6  # `rig-or-rent status` has them all


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
    if options.log:
        _by_log(options, catalogue)
        return
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
        if options.explain and (sentence := explain_count(estimator, workload, machine)):
            terminal.print_line(f"  {sentence}")


def _by_log(options: argparse.Namespace, catalogue: known.Catalogue) -> None:
    """The owner's own steps, carried on to the tokens of a workload."""
    text = _content(options.log).decode(errors="replace")
    slug = options.workload or "nanochat-d32"
    if slug not in catalogue.workloads:
        raise BadInput(f"--workload {slug} is not known; known: {', '.join(catalogue.workloads)}")
    try:
        answer, estimated = own_rig.by_log(text, catalogue.workloads[slug])
    except UnreadableLog as error:
        raise BadInput(f"--log {options.log}: {error}") from error
    if options.json:
        print_json(answer)
        return
    terminal.print_estimate(f"{answer.workload} at the pace of {options.log}", estimated, options.explain)


def _body_of_request(options: argparse.Namespace) -> object:
    if options.request:
        try:
            return msgspec.json.decode(_content(options.request))
        except msgspec.DecodeError as error:
            raise BadInput(f"--request {options.request}: not JSON: {error}") from error
    if options.gpu and options.gpu.strip().lower() == own_rig.AUTO:
        return {"workload": options.workload or "nanochat-d32", "method": options.method, "machines": _machines_here()}
    if not options.gpu:
        raise BadInput("--gpu must name a GPU, such as RTX 4070; or give --request FILE")
    machine = {
        "gpu": options.gpu,
        "gpu_count": _number(options.gpus),
        "host_memory_gb": _number(options.host_memory_gb),
    }
    return {"workload": options.workload or "nanochat-d32", "method": options.method, "machines": [machine]}


def _machines_here() -> list[dict[str, object]]:
    """The cards of this machine as a body describes them."""
    try:
        found = this_machine(known.load())
    except NoCards as error:
        raise Failed(f"--gpu auto: {error}") from error
    own_rig.say(found)
    return [
        {
            "gpu": one.machine.gpu.name,
            "gpu_count": one.machine.gpu_count,
            "interconnect": one.machine.interconnect,
            "host_memory_gb": one.machine.host_memory_gb,
        }
        for one in found
    ]


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


def _saved_answer(file: str, source: type) -> object:
    """The answer in a file, read in parts: a source may narrow a long one on the way."""
    if not issubclass(source, Provider):
        return body_of(_content(file))
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as content:
            return source().read_saved(iter(partial(content.read, PART_BYTES), b""))
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from error
    except PayloadChanged as changed:
        raise Failed(f"{source.slug}: {changed}") from changed


PART_BYTES = 1024 * 1024


# collect ------------------------------------------------------------------------------------------------------------


async def collect(options: argparse.Namespace) -> None:
    """Prices now: from the network, or from a saved answer."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    unless_named: list[Source] = [*quick_sources(settings), EuropeanCentralBank]
    providers = _sources_named(options.names) if options.names else unless_named
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


REJECTIONS_SHOWN = 5  # of one provider; `rig-or-rent status` and /api/v1/rejections have them all


Source = type[Provider] | type[EuropeanCentralBank]


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


AT_ONCE = 6  # sources; each holds up to two of the 15 connections that SQLAlchemy's pool opens at most


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


def _sources_named(names: Sequence[str]) -> list[Source]:
    """The sources of these names; of none, all."""
    every = all_sources()
    for name in names:
        if name not in every:
            raise BadInput(f"there is no provider {name!r}{_hint(name, every)}")
    return [every[name] for name in names] if names else list(every.values())


def _named(names: Sequence[str]) -> list[type[Provider]]:
    known_slugs = discover()
    for name in names:
        if name not in known_slugs:
            raise BadInput(f"there is no provider {name!r}{_hint(name, known_slugs)}")
    return [known_slugs[name] for name in names]


def _hint(name: str, known_slugs: Iterable[str]) -> str:
    near = get_close_matches(name, list(known_slugs))
    return f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(known_slugs)}"


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
    chosen = _sources_named(options.names)
    async with open_database(settings) as database:
        await database.prepare()
        async with database.sessions() as session:
            states = await store.collectors(session)
            rejected = await _quarantine(session, options)
    sources = [source_of(module, settings.secrets) for module in chosen]
    answers = [provider_answer(source, states.get(source.slug), now) for source in sources]
    if options.json:
        print_json({"items": rejected if options.rejections else answers, "next_cursor": None})
        return
    if not options.rejections:
        terminal.print_status(answers, now)
    if options.rejections or options.names:
        terminal.print_line()
        terminal.print_rejections(rejected)


async def _quarantine(session: AsyncSession, options: argparse.Namespace) -> list[RejectionAnswer]:
    """What the newest runs set aside, of all sources or of those that are named."""
    found: list[RejectionAnswer] = []
    for slug in options.names or ([None] if options.rejections else []):
        cursor: str | None = None
        while True:
            page = await store.rejections(session, collector=slug, newest=True, limit=1000, cursor=cursor)
            found += [rejection_answer(each, known.load()) for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    return found


async def import_history(options: argparse.Namespace) -> None:
    """Prices of the past from a file; what is known already stays as it is."""
    settings, now = Settings.from_environment(), datetime.now(UTC)
    given = {"source_url": options.source_url, "attribution": options.attribution}
    content = _content(options.file).decode("utf-8", errors="replace")
    try:
        past.read_history(content, now.date())  # what no database can make right is said before one is opened
    except NoHistory as error:
        raise BadInput(f"{options.file}: {error}") from error
    async with open_database(settings) as database:
        await database.prepare()
        try:
            done = await past.import_history(
                content,
                sessions=database.sessions,
                catalogue=known.load(),
                now=now,
                **{name: value for name, value in given.items() if value},
            )
        except AlreadyCollecting as busy:
            raise Failed(str(busy)) from busy
    for row in done.bad_rows:
        sys.stderr.write(f"{options.file}: line {row.line}: {row.message}\n")
    print_json(done) if options.json else terminal.print_line(_imported(done))


def _imported(done: Imported) -> str:
    bad = f", {len(done.bad_rows):,} cannot be read" if done.bad_rows else ""
    return (
        f"{done.opened:,} prices of the past are new, of {done.providers} providers from {done.first_day} to "
        f"{done.last_day}. Of {done.rows:,} rows {done.left_out:,} rent no machine{bad}; "
        f"{done.rejected:,} kinds of offers were set aside."
    )


def fit(options: argparse.Namespace) -> None:
    """The fit again, with its residuals; a file only where asked for."""
    try:
        from service import fit as fitting  # needs SciPy, which only this command does
    except ModuleNotFoundError as missing:
        raise Failed("fitting needs SciPy: pip install 'rig-or-rent[fit]'") from missing
    report = fitting.report(known.load().runs)
    if options.write:
        options.write.write_text(fitting.as_toml(report.efficiencies), encoding="utf-8")
    if options.plot:
        options.plot.write_text(fitting.scatter(report.points), encoding="utf-8")
    if options.json:
        print_json(report)
        return
    sys.stdout.write(fitting.as_text(report) + "\n")
