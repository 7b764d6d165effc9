"""The command `rank`: every way to run a workload, or one of them explained."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime

from providers import discover
from service import catalogue as known
from service import own_rig, store
from service.commands.answering import BadInput, Failed, print_json, refuse_idle_model, typed
from service.commands.filling import fill_if_empty
from service.database import open_database
from service.estimation.estimate import Estimator
from service.market import Market, RememberingEstimator, current_ranking, find_option, load_market
from service.parameters import InvalidParameters, Vocabulary, ranking_request, saved_workload
from service.presentation import terminal
from service.ranking.option import Option
from service.ranking.request import RankingRequest
from service.settings import Settings
from service.this_machine import FoundMachine, NoCards

PRICES_KNOW = frozenset({"provider", "region", "cloud_country"})  # values that may have been collected


async def run(options: argparse.Namespace) -> None:
    """The ranking, or with --explain one option of it."""
    settings, catalogue, now = Settings.from_environment(), known.load(), datetime.now(UTC)
    given, found = _own_cards(typed(options))
    refuse_idle_model(given)
    _refuse_early(given, Vocabulary(catalogue=catalogue), now, {"workload"} | PRICES_KNOW)
    market, request = await _asked(settings, given, now)
    request = own_rig.as_found(request, found)
    estimator = RememberingEstimator(Estimator(catalogue.efficiencies, catalogue.runs))
    if options.explain:
        option = _explained(options.explain, market, request, estimator, now)
        print_json(option) if options.json else terminal.print_option(option)
        return
    ranking = current_ranking(market, request, estimator, now)
    print_json(ranking) if options.json else terminal.print_ranking(ranking, request, now)


def _explained(
    wanted: str, market: Market, request: RankingRequest, estimator: RememberingEstimator, now: datetime
) -> Option:
    """The option with this id, or with this place in the ranking."""
    if re.fullmatch(r"[1-9]\d{0,5}", wanted):  # no id is so short
        place = replace(request, offset=int(wanted) - 1, limit=1)
        wanted = next((option.id for option in current_ranking(market, place, estimator, now).options), wanted)
    found = find_option(market, request, estimator, now, wanted)
    if isinstance(found, Option):
        return found
    reason = found.detail if found else "no option has this id or place; `rig-or-rent rank --json` prints the ids"
    raise BadInput(f"--explain {wanted}: {reason}")


async def _asked(
    settings: Settings, given: Mapping[str, Sequence[str]], now: datetime
) -> tuple[Market, RankingRequest]:
    """The prices that are asked about, and the question in the words that they and the store know."""
    catalogue, providers = known.load(), discover()
    async with open_database(settings) as database:
        await database.prepare()
        async with database.sessions() as session:
            rows = await store.saved_workloads(session)
        saved = {row.slug: saved_workload(row.slug, row.body, catalogue) for row in rows}
        _refuse_early(given, Vocabulary(catalogue=catalogue, saved_workloads=saved), now, PRICES_KNOW)
        await fill_if_empty(database, settings, now)
        async with database.engine.connect() as connection:
            market = await load_market(connection, catalogue, now, providers)
            request = ranking_request(given, Vocabulary.of(catalogue, market.offers, providers, saved), now)
            if request.as_of is not None:
                market = await load_market(connection, catalogue, request.as_of, providers)
    return market, request


def _own_cards(given: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[str]], tuple[FoundMachine, ...]]:
    try:
        return own_rig.with_own_cards(given, known.load())
    except NoCards as error:
        raise Failed(f"--rig auto: {error}") from error


def _refuse_early(
    given: Mapping[str, Sequence[str]], vocabulary: Vocabulary, now: datetime, may_be_known_later: Set[str]
) -> None:
    """What no database can make right is said before one is opened; what no price can, before any are collected."""
    try:
        ranking_request(given, vocabulary, now)
    except InvalidParameters as invalid:
        lasting = [error for error in invalid.errors if error.field not in may_be_known_later]
        if lasting:
            raise InvalidParameters(lasting) from invalid
