"""What a currency was worth on a day: the table that ships, the feed that is read over it, and what is made of both."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from builders import NOON, collected_run, observation
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from test_collect import Reply, Server, server

from providers.base import PayloadChanged
from service import catalogue, store
from service.checks import CollectedRun
from service.collect import collect_rates, make_client, rates_at
from service.market import load_market
from service.rates import EuropeanCentralBank, PublishedRate, UnknownCurrency, believable, shipped_rates
from service.settings import Settings

Sessions = async_sessionmaker[AsyncSession]

RECORDED = (Path(__file__).parent / "feeds" / "eurofxref-daily.xml").read_text(encoding="utf-8")
FRIDAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def xml(day: date = FRIDAY, **rates: str) -> str:
    cubes = "".join(f"<Cube currency='{currency}' rate='{rate}'/>" for currency, rate in rates.items())
    return f'<Envelope xmlns="http://www.ecb.int/vocabulary"><Cube><Cube time="{day}">{cubes}</Cube></Cube></Envelope>'


# The feed's contract -------------------------------------------------------------------------------------------------


def test_the_recorded_file_parses_to_the_rates_of_its_day() -> None:
    rates = {rate.currency: rate for rate in EuropeanCentralBank.parse(RECORDED)}

    assert len(rates) == 29
    assert rates["USD"] == PublishedRate("USD", date(2026, 10, 2), Decimal("1.1225"))
    assert rates["GBP"].units_per_eur == Decimal("0.85033")
    assert {rate.day for rate in rates.values()} == {date(2026, 10, 2)}


def test_a_file_of_several_days_is_read_whole() -> None:
    both = xml(USD="1.12").replace("</Cube></Envelope>", "") + xml(FRIDAY - DAY, USD="1.11").split("<Cube>", 1)[1]

    assert [(rate.day, rate.units_per_eur) for rate in EuropeanCentralBank.parse(both)] == [
        (FRIDAY, Decimal("1.12")),
        (FRIDAY - DAY, Decimal("1.11")),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>Just a moment...</body>",
        "<html/>",
        '{"rates": {"USD": 1.1}}',
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        "<x>" + " " * 2_000_000 + "</x>",
        RECORDED.replace("currency=", "code="),
        RECORDED.replace("rate=", "value="),
        RECORDED.replace("time=", "date="),
        RECORDED.replace("2026-10-02", "2 October"),
        RECORDED.replace("'USD'", "'dollar'"),
        RECORDED.replace("currency='USD'", "currency='XTS'"),
        *(RECORDED.replace("1.1225", wrong) for wrong in ("-1.1", "0", "NaN", "Infinity", "1e400", "one", "")),
    ],
)
def test_a_file_of_another_shape_is_a_changed_payload(text: str) -> None:
    with pytest.raises(PayloadChanged):
        EuropeanCentralBank.parse(text)


@given(st.integers(0, len(RECORDED)), st.integers(0, 60), st.text(max_size=12))
def test_whatever_a_file_says_it_is_read_or_refused(place: int, length: int, instead: str) -> None:
    try:
        rates = EuropeanCentralBank.parse(RECORDED[:place] + instead + RECORDED[place + length :])
    except PayloadChanged:
        return
    assert rates
    assert all(rate.units_per_eur > 0 for rate in rates)


# Belief --------------------------------------------------------------------------------------------------------------


def doubted(day: date = FRIDAY, **rates: str) -> list[str]:
    published = EuropeanCentralBank.parse(xml(day, **rates))
    believed, doubts = believable(published, shipped_rates(), NOON)
    assert len(believed) + len(doubts) == len(published)
    return [rate.currency for rate, _ in doubts]


def test_a_rate_near_the_last_one_is_believed() -> None:
    assert doubted(USD="1.15", GBP="0.86", XTS="7") == []


def test_a_currency_that_doubled_or_halved_is_doubted_alone() -> None:
    assert doubted(USD="1.15", GBP="8.6", CHF="0.3") == ["GBP", "CHF"]


def test_without_a_believable_dollar_nothing_of_the_day_is_believed() -> None:
    assert doubted(USD="11.5", GBP="0.86") == ["USD", "GBP"]


def test_a_day_to_come_is_doubted() -> None:
    assert doubted(NOON.date() + 3 * DAY, USD="1.15") == ["USD"]


# What is made of it --------------------------------------------------------------------------------------------------


def test_the_newest_rate_not_after_a_time_counts_and_the_table_that_ships_is_the_floor() -> None:
    rates = shipped_rates().with_published([("USD", FRIDAY, Decimal("1.20")), ("GBP", FRIDAY, Decimal("0.80"))])

    assert rates.usd_per_unit("EUR", NOON) == Decimal("1.20")
    assert rates.usd_per_unit("GBP", NOON) == Decimal("1.5")
    assert rates.usd_per_unit("EUR", NOON - 30 * DAY) == shipped_rates().usd_per_unit("EUR", NOON - 30 * DAY)
    assert rates.usd_per_unit("JPY", NOON) == shipped_rates().usd_per_unit("JPY", NOON)
    assert rates.usd_per_unit("USD", NOON) == 1


def test_a_currency_that_nobody_quotes_is_not_known() -> None:
    with pytest.raises(UnknownCurrency, match="XTS"):
        shipped_rates().usd_per_unit("XTS", NOON)


# A run ---------------------------------------------------------------------------------------------------------------


def asked(told: Server) -> httpx.AsyncClient:
    return make_client(Settings(origin_overrides={"https://www.ecb.europa.eu": told.origin}), patient=False)


async def read(sessions: Sessions, *replies: Reply, at: datetime = NOON) -> CollectedRun:
    async with server(*replies) as told, asked(told) as client:
        return await collect_rates(client=client, sessions=sessions, now=at)


def file(day: date = FRIDAY, **rates: str) -> Reply:
    return Reply(body=xml(day, **rates).encode(), headers={"Content-Type": "text/xml"})


async def test_the_rates_of_the_day_are_remembered_with_their_run(sessions: Sessions) -> None:
    await read(sessions, file(USD="1.20", GBP="0.80"))

    async with sessions() as session:
        (run,) = (await store.runs(session, collector="ecb")).items
        kept = (await session.scalars(select(store.ExchangeRate).order_by(store.ExchangeRate.currency))).all()
    assert (run.source, run.outcome, run.offers, run.observations, run.opened) == ("rates", "ok", 2, 2, 2)
    assert run.bytes_fetched > 100
    assert [(rate.currency, rate.day, rate.units_per_eur) for rate in kept] == [
        ("GBP", FRIDAY, Decimal("0.80")),
        ("USD", FRIDAY, Decimal("1.20")),
    ]


async def test_the_same_day_read_again_adds_nothing(sessions: Sessions) -> None:
    await read(sessions, file(USD="1.20"))
    await read(sessions, file(USD="1.20"), at=NOON + DAY)

    async with sessions() as session:
        newest = (await store.runs(session, collector="ecb")).items[0]
    assert (newest.outcome, newest.opened) == ("ok", 0)


async def test_a_rate_in_doubt_is_set_aside_with_its_reason_and_the_rest_counts(sessions: Sessions) -> None:
    await read(sessions, file(USD="1.20", GBP="8.0"))

    async with sessions() as session:
        (rejection,) = (await store.rejections(session, collector="ecb")).items
        rates = await rates_at(session, NOON)
    assert rejection.offer == {"currency": "GBP", "day": "2026-11-20", "units_per_eur": "8.0"}
    assert "half or double" in rejection.detail
    assert rates.usd_per_unit("EUR", NOON) == Decimal("1.20")
    assert rates.usd_per_unit("GBP", NOON) == shipped_rates().usd_per_unit("GBP", NOON)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(503), "provider_unavailable"),
        (Reply(403), "credentials_refused"),
        (Reply(body=b"<html>"), "payload_changed"),
    ],
)
async def test_a_feed_that_fails_is_a_failed_run_and_prices_go_on(sessions: Sessions, reply: Reply, kind: str) -> None:
    await read(sessions, file(USD="1.20"))
    run = await read(sessions, reply, at=NOON + DAY)

    async with sessions() as session:
        await store.save_run(session, collected_run([observation(usd="2.00", currency="EUR")]))
        market = await load_market(await session.connection(), catalogue.load(), NOON + DAY)
    assert run.error_kind == kind
    assert [offer.usd_per_hour for offer in market.offers.rows] == [pytest.approx(2.40)]


async def test_a_price_is_read_at_the_rate_of_its_day(sessions: Sessions) -> None:
    for days, dollar in ((0, "1.20"), (3, "1.10")):
        await read(sessions, file(FRIDAY + days * DAY, USD=dollar), at=NOON)
    async with sessions.begin() as session:
        seen = observation(usd="2.00", currency="EUR", observed_at=NOON - 30 * DAY)
        await store.save_run(session, collected_run([seen], at=NOON - 30 * DAY))

    async with sessions() as session:
        loaded = [await load_market(await session.connection(), catalogue.load(), at) for at in (NOON - 3 * DAY, NOON)]
    assert [market.offers.rows[0].usd_per_hour for market in loaded] == [pytest.approx(2.40), pytest.approx(2.20)]
    assert loaded[0].version != loaded[1].version
