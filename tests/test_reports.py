"""What a report says: the answer, what changed and by how much, in two languages and four forms; and when it is due."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from builders import NOON, observation
from reporting import Clock, World, h100s, spot_h100s, world
from sqlalchemy import update

from service import store
from service.database import Database
from service.ranking.option import Ranking
from service.reports.alerts import AlertState, Seen, check
from service.reports.given import Fired, SourceState
from service.reports.language import MESSAGES, Words
from service.reports.maker import Made
from service.reports.shown import Middle
from service.reports.subscription import Alert, Schedule, Subscription
from service.store import StoredSubscription

PNG = b"\x89PNG\r\n\x1a\n"
RENTED = {"workload": "nanochat-d32", "rig": ["none"]}
WEEK = timedelta(days=7)


@pytest.fixture
async def here(fresh_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with world(fresh_database, tmp_path, Clock(NOON - WEEK)) as here:
        yield here


async def a_week_later(here: World, *seen: Any, language: str = "en", ranking: Any = RENTED, **others: Any) -> Made:
    """The report of what is seen now, compared with a week ago."""
    here.clock.now = NOON
    await here.see(*seen)
    subscription = Subscription(name="d32", ranking=ranking, schedule=None, language=language, **others)
    maker = here.desk.maker
    async with here.database.sessions() as session:
        before = await maker.shown_a_week_ago(session, subscription, NOON)
        return await maker.made(session, subscription, "id", "schedule", NOON, slot="x", before=before)


# What changed --------------------------------------------------------------------------------------------------------


async def test_a_fall_of_the_cheapest_is_the_subject_with_its_cause(here: World) -> None:
    await here.see(spot_h100s("12.00"), h100s("20", provider="dear"))

    made = await a_week_later(here, spot_h100s("10.56"), h100s("20", provider="dear"))

    assert re.fullmatch(r"d32 fell 12% to \$\d+: 8× H100 SXM spot", made.report.subject)
    (change,) = made.report.changes
    assert change.direction == "cheaper"
    assert "(8× H100 SXM at Cloud One, spot: $12.00 → $10.56/h)" in change.text
    assert made.report.since == NOON - WEEK


async def test_the_same_in_spanish_says_the_same(here: World) -> None:
    await here.see(spot_h100s("12.00"))

    made = await a_week_later(here, spot_h100s("10.56"), language="es")

    assert re.fullmatch(r"d32 baja un 12\u00a0% a \d+\u00a0US\$: 8× H100 SXM spot", made.report.subject)
    assert "12,00\u00a0US$ → 10,56\u00a0US$/h" in made.report.changes[0].text


async def test_nothing_new_is_said_in_one_line(here: World) -> None:
    await here.see(spot_h100s("12.00"))

    made = await a_week_later(here, spot_h100s("12.00"))

    assert re.fullmatch(r"d32 still \$\d+; no price moved", made.report.subject)
    assert not made.report.has_news
    assert made.chart is None
    assert "NO LONGER OFFERED" not in made.text
    assert made.report.sentences[-1] == "Nothing to report since 17 Nov 2026."


async def test_a_price_that_moves_less_than_the_threshold_is_no_news(here: World) -> None:
    await here.see(spot_h100s("12.00"), h100s("20.00", provider="dear"))

    made = await a_week_later(here, spot_h100s("12.00"), h100s("19.00", provider="dear"), threshold_percent=10)

    assert made.report.subject.endswith("no price moved")


async def test_a_price_that_moved_is_told_with_what_it_does_to_the_reader_s_run(here: World) -> None:
    await here.see(spot_h100s("12.00"), h100s("20.00", provider="dear"))

    made = await a_week_later(here, spot_h100s("12.00"), h100s("25.00", provider="dear"))

    same, moved = (change.text for change in made.report.changes)
    assert same == "The cheapest way and what it costs are the same"
    assert re.fullmatch(
        r"8× H100 SXM at Dear: \$20\.00 → \$25\.00/h \(\+25%\); the run would cost \$\d+ there, 2nd", moved
    )


async def test_every_form_names_the_run_and_the_day(here: World) -> None:
    made = await a_week_later(here, spot_h100s("12.00"), time_zone="Pacific/Auckland")  # where it is tomorrow

    assert made.report.about == "nanochat d32, 25 Nov 2026"
    assert all(made.report.about in form for form in (made.html, made.text, made.markdown))


async def test_whom_a_licence_says_to_name_is_named(here: World) -> None:
    made = await a_week_later(here, spot_h100s("12.00", attribution="Prices by Somebody, CC BY 4.0"))

    assert made.report.credits == ("Some of these prices: Prices by Somebody, CC BY 4.0",)
    assert all("Prices by Somebody" in form for form in (made.html, made.text, made.markdown))


@pytest.mark.parametrize(
    ("fired", "said"),
    [
        (Fired(kind="total_below", limit_usd=400), "the run costs less than $400"),
        (Fired(kind="cheaper_than_rig", limit_usd=406), "renting costs less than your machine"),
        (Fired(kind="change", change_percent=-12.4), "the cheapest way moved by −12%"),
        (Fired(kind="source_down", hours=30, sources=("Cloud One", "Two")), "Cloud One, Two silent for 30 h"),
    ],
)
async def test_an_alert_says_which_of_them_it_is(here: World, fired: Fired, said: str) -> None:
    await here.see(spot_h100s("12.00"))
    subscription = Subscription(name="d32", ranking=RENTED, schedule=None)
    async with here.database.sessions() as session:
        made = await here.desk.maker.made(session, subscription, "id", "alert", NOON, slot="x", fired=fired)

    assert made.report.why == f"You get this because an alert of the subscription “d32” fired: {said}."


@pytest.mark.parametrize(
    ("language", "disk"),
    [
        ("en", "(105.2 GB are stored; an assumption: what most charge)"),
        ("es", "(se guardan 105,2 GB; una suposición: lo que cobra la mayoría)"),
    ],
)
async def test_every_form_has_the_bill_of_the_first_rented_option_with_its_sources(
    here: World, language: str, disk: str
) -> None:
    await here.see(spot_h100s("12.00"))

    made = await a_week_later(here, spot_h100s("9.00"), language=language)

    assert [line for line in made.report.bill if line.endswith(disk)]
    assert sum("https://cloud.example/pricing" in line for line in made.report.bill) == 1
    for form in (made.text, made.html, made.markdown):
        assert disk in " ".join(html.unescape(form).split())


async def test_a_total_that_moved_at_the_same_price_says_so(here: World) -> None:
    await here.see(spot_h100s("12.00"))
    here.clock.now = NOON
    await here.see(spot_h100s("12.00"))
    maker = here.desk.maker
    subscription = Subscription(name="d32", ranking=RENTED, schedule=None, language="en")

    async with here.database.sessions() as session:
        before = await maker.shown_a_week_ago(session, subscription, NOON)
        assert before is not None
        assert before.cheapest is not None
        cheaper = msgspec.structs.replace(before.cheapest, cost_usd=Middle(before.cheapest.cost_usd.p50 * 0.95))
        before = replace(before, cheapest=cheaper)
        made = await maker.made(session, subscription, "id", "schedule", NOON, slot="x", before=before)

    assert "at the same price per hour" in made.report.changes[0].text


async def test_new_and_vanished_offers_are_listed(here: World) -> None:
    await here.see(spot_h100s("12.00"), h100s("20.00", provider="gone"))
    for day in (3, 2, 1):  # the third believed run without it closes it
        here.clock.now = NOON - timedelta(days=day)
        await here.see(spot_h100s("12.00"))

    made = await a_week_later(here, spot_h100s("12.00"), h100s("22.00", provider="fresh"))

    assert [line.title for line in made.report.appeared.lines] == ["8× H100 SXM at Fresh"]
    assert [line.title for line in made.report.vanished.lines] == ["8× H100 SXM at Gone"]


async def test_a_rig_that_loses_the_first_place_is_the_subject(here: World) -> None:
    await here.see(spot_h100s("12.00"))
    ranking = {"workload": "nanochat-d32", "rig": ["RTX 4070"], "electricity_usd_per_kwh": 0.45}

    made = await a_week_later(here, spot_h100s("3.00"), ranking=ranking)

    assert made.report.subject == "Your RTX 4070 is now 2nd for d32"
    assert made.report.top[1].was_rank == 1
    assert made.report.top[1].is_yours
    assert made.report.break_even is not None
    assert "(was $" in made.report.break_even


async def test_a_rig_that_stays_cheapest_leaves_the_subject_to_renting(here: World) -> None:
    await here.see(spot_h100s("12.00"))
    ranking = {"workload": "nanochat-d32", "rig": ["RTX 4070"]}

    made = await a_week_later(here, spot_h100s("10.80"), ranking=ranking)

    assert made.report.subject.startswith("Renting for d32 fell 10% to $")


async def test_no_subject_is_longer_than_sixty_characters(here: World) -> None:
    await here.see(spot_h100s("12.00"))
    ranking: Any = {"workload": {"name": "a workload whose name goes on and on " * 4, "reference": REFERENCE}} | {
        "rig": []
    }

    made = await a_week_later(here, spot_h100s("10.00"), ranking=ranking)

    assert len(made.report.subject) <= 60


REFERENCE = {"gpu": "H100 SXM", "gpu_count": 8, "hours": 33}


async def test_sources_that_fail_are_named_with_their_age(here: World) -> None:
    await here.see(spot_h100s("12.00"))
    here.clock.now = NOON - timedelta(hours=60)
    await here.see(spot_h100s("12.00"))
    here.clock.now = NOON

    subscription = Subscription(name="d32", ranking=RENTED, schedule=None)
    await here.markets.refresh()
    async with here.database.sessions() as session:
        made = await here.desk.maker.made(session, subscription, "id", "schedule", NOON, slot="x")

    assert [line.text for line in made.report.sources] == ["Cloud One is old: last read 2 days old"]
    assert made.report.warnings == ("The price behind this answer is 2 days old.",)


# Its forms -----------------------------------------------------------------------------------------------------------


async def test_all_forms_tell_the_same_numbers(here: World) -> None:
    gpus = ("A100 SXM 80GB", "RTX 4090", "H200 SXM")
    others = [observation(gpu, 2.0 + n, gpu=gpu, provider=f"p{n}") for gpu in gpus for n in range(4)]
    await here.see(spot_h100s("12.00"), *others)

    cheaper = [observation(each.instance_type, "1.90", gpu=each.gpu, provider=each.provider) for each in others]
    made = await a_week_later(here, spot_h100s("9.00"), *cheaper)

    page, text, markdown = html.unescape(made.html), made.text, made.markdown
    for row in made.report.top:
        for form in (page, text, markdown):
            assert row.cost_text in form
    for change in made.report.changes:
        assert change.text in page
        assert change.text in " ".join(text.split())
    assert made.chart is not None
    assert made.chart.startswith(PNG)
    assert "A100 SXM 80GB: $" in page[page.index('alt="') :]


async def test_the_page_needs_nothing_that_mail_programs_lack(here: World) -> None:
    await here.see(spot_h100s("12.00"))

    made = await a_week_later(here, spot_h100s("9.00"), language="es")

    body = made.html[made.html.index("<body") :]
    assert not re.search(r"<(script|svg|form|link)|flex|grid-|var\(|background-image|url\(|data:", body)
    assert not re.search(r'class="(button|answer)"(?! style=)', body)
    assert len(made.html.encode("utf-8")) < 80_000
    for cell in re.findall(r"<t[dh][^>]*>", body):
        assert "color:" in cell
        assert "background-color:" in cell
    assert body.index(html.escape(made.report.preheader)) < 400


async def test_the_text_keeps_to_72_columns(here: World) -> None:
    long = "a provider whose name is so long that it would not fit into any column of any table that was ever printed"
    await here.see(spot_h100s("12.00", provider=long))

    made = await a_week_later(here, spot_h100s("9.00", provider=long), language="es")

    assert max(len(line) for line in made.text.splitlines() if "http" not in line) <= 72


def test_both_languages_say_the_same_things() -> None:
    slots = {
        code: {key: set(re.findall(r"{(\w+)}", text)) for key, text in said.items()} for code, said in MESSAGES.items()
    }

    assert slots["en"] == slots["es"]


def test_numbers_are_written_as_each_language_writes_them() -> None:
    english, spanish = Words("en"), Words("es")

    assert (english.usd(1285.4), spanish.usd(1285.4)) == ("$1,285", "1.285\u00a0US$")
    assert (english.usd_rate(0.169), spanish.usd_rate(3.44)) == ("$0.17", "3,44\u00a0US$")
    assert (english.signed_percent(-12.2), spanish.signed_percent(3.44)) == ("−12%", "+3,4\u00a0%")
    assert english.signed_usd(-0.001, 300) == ""


# When it is due ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 8 * * 1", "Europe/Madrid", "2026-10-24T12:00+00:00", "2026-10-26T07:00+00:00"),  # after the change
        ("0 8 * * 1", "Europe/Madrid", "2026-10-18T12:00+00:00", "2026-10-19T06:00+00:00"),  # before it
        ("30 2 * * *", "Europe/Madrid", "2026-03-28T12:00+00:00", "2026-03-29T01:00+00:00"),  # that hour is skipped
        ("30 2 * * *", "Europe/Madrid", "2026-03-29T01:00+00:00", "2026-03-30T00:30+00:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01T04:00+00:00", "2026-11-01T05:30+00:00"),  # comes twice
        ("30 1 * * *", "America/New_York", "2026-11-01T05:30+00:00", "2026-11-02T06:30+00:00"),  # is told once
        ("0 9 * * 0", "UTC", "2026-11-24T12:00+00:00", "2026-11-29T09:00+00:00"),  # 0 is Sunday
        ("0 9 * * 7", "UTC", "2026-11-24T12:00+00:00", "2026-11-29T09:00+00:00"),  # and 7 is too
        ("0 8 1 * *", "Australia/Lord_Howe", "2026-11-24T12:00+00:00", "2026-11-30T21:00+00:00"),
    ],
)
def test_a_schedule_keeps_to_the_reader_s_clock(cron: str, zone: str, after: str, expected: str) -> None:
    schedule = Schedule(cron=cron, time_zone=zone)

    assert schedule.next_after(datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 8 * * *", "every day at 08:00 (UTC)"),
        ("30 7 * * 1", "every Monday at 07:30 (UTC)"),
        ("0 9 1 * *", "on day 1 of every month at 09:00 (UTC)"),
        ("*/5 * * * *", "cron */5 * * * * (UTC)"),
    ],
)
def test_a_schedule_is_said_in_words(cron: str, words: str) -> None:
    assert Schedule(cron=cron).in_words(Words("en")) == words


async def test_a_schedule_that_was_missed_is_made_up_for_once(here: World) -> None:
    await here.see(spot_h100s())
    await here.subscribe(destinations=[{"kind": "file", "path": "x.html"}], schedule={"cron": "0 * * * *"})
    here.clock.pass_by(timedelta(days=3, minutes=10))

    made = [await here.desk.make_due() for _ in range(3)]

    assert made == [1, 0, 0]


async def test_what_cannot_be_made_is_told_and_holds_up_no_other(here: World) -> None:
    await here.see(spot_h100s())
    for name in ("one", "two", "three"):
        await here.subscribe(name=name, destinations=[{"kind": "file", "path": f"{name}.html"}])
    async with here.database.sessions.begin() as session:
        broken = update(StoredSubscription).where(StoredSubscription.name == "two")
        await session.execute(broken.values(ranking={"workload": "no-longer-there"}))
    here.clock.pass_by(timedelta(days=1))

    made = await here.desk.make_due()

    async with here.database.sessions() as session:
        problems = {row.name: row.problem for row in (await store.subscriptions(session)).items}
    assert made == 2
    assert problems["one"] is None
    assert "workload: 'no-longer-there' is not known" in (problems["two"] or "")


# Alerts --------------------------------------------------------------------------------------------------------------


class Priced(msgspec.Struct):
    """As much of a ranking as alerts look at."""

    answer: Any
    options: tuple[Any, ...] = ()


class Named(msgspec.Struct):
    p50: float


class Cheapest(msgspec.Struct):
    cost_usd: Named
    offer: Any = None


class Answered(msgspec.Struct):
    cheapest: Cheapest
    rigs: tuple[Any, ...] = ()


def fires(alert: Alert, totals: list[float], every: timedelta = timedelta(hours=6)) -> list[int]:
    """At which of these totals, one after the other, the alert fires."""
    states: dict[str, AlertState] = {}
    fired = []
    for number, total in enumerate(totals):
        ranking = cast(Ranking, Priced(answer=Answered(cheapest=Cheapest(cost_usd=Named(p50=total)))))
        found, states = check([alert], states, Seen(ranking=ranking, sources=(), now=NOON + number * every))
        fired += [number] if found else []
    return fired


def test_a_price_that_flickers_around_the_limit_is_one_alert() -> None:
    alert = Alert(kind="total_below", usd=400, cool_down_hours=0)

    assert fires(alert, [410, 399, 401, 398, 405, 399, 400]) == [1]


def test_a_price_that_went_clearly_over_the_limit_may_fall_below_again() -> None:
    assert fires(Alert(kind="total_below", usd=400, cool_down_hours=0), [399, 413, 399]) == [0, 2]


def test_an_alert_cools_down() -> None:
    assert fires(Alert(kind="total_below", usd=400), [399, 500, 399, 500, 399]) == [0, 4]


def test_a_change_is_measured_from_what_was_last_told() -> None:
    assert fires(Alert(kind="change", percent=10, cool_down_hours=0), [100, 95, 91, 90, 85, 99]) == [3, 5]


def test_a_source_that_stays_silent_is_told_once_until_it_is_back() -> None:
    def seen(hours: int, last_success: int) -> Seen:
        at = NOON + timedelta(hours=last_success)
        state = SourceState(slug="cloud", name="Cloud One", state="stale", detail=None, last_success=at)
        return Seen(ranking=cast(Ranking, None), sources=(state,), now=NOON + timedelta(hours=hours))

    alert = Alert(kind="source_down", hours=24, cool_down_hours=0)
    states: dict[str, AlertState] = {}
    fired = []
    for hours, last in ((10, 0), (24, 0), (48, 0), (50, 49), (80, 49)):
        found, states = check([alert], states, seen(hours, last))
        fired += [hours] if found else []

    assert fired == [24, 80]
