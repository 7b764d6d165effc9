"""A report is delivered once and never lost: real mail over TLS, real HTTP, refusals, silence, several processes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

import httpx
import pytest
from reporting import (
    ELSEWHERE,
    PUBLIC,
    Bucket,
    Clock,
    MailServer,
    Posted,
    Receiver,
    World,
    answers,
    h100s,
    mail_server,
    object_storage,
    patience,
    spot_h100s,
    world,
)
from reporting import receiver as receiving

from service import catalogue, store
from service.app import jobs_of
from service.collector import Collector
from service.database import Database
from service.reports import keeping
from service.reports.addresses import make_sender
from service.reports.courier import GIVING_UP, next_attempt
from service.settings import Settings

SECRET = "a secret of the webhook"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as received:
        yield received


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(tmp_path) as served:
        yield served


@pytest.fixture
async def here(fresh_database: Database, tmp_path: Path, mail: MailServer) -> AsyncIterator[World]:
    async with world(
        fresh_database, tmp_path, Clock(), trusted=mail.trusted, smtp_url=mail.address, mail_from="reports@rig.example"
    ) as here:
        await here.see(h100s(), spot_h100s())
        yield here


def webhook(receiver: Receiver, path: str = "/hook", **others: str) -> dict[str, str]:
    return {"kind": "webhook", "url": f"{receiver.address}{path}", "secret": SECRET} | others


EMAIL = {"kind": "email", "to": "reader@example.org"}


async def due(here: World) -> None:
    """The next day at noon: every daily report is due."""
    here.clock.pass_by(timedelta(days=1))
    await here.desk.make_due()


# Mail ----------------------------------------------------------------------------------------------------------------


async def test_a_mail_has_text_page_and_picture_and_the_ways_out_of_it(here: World, mail: MailServer) -> None:
    await here.subscribe(destinations=[EMAIL], language="es")

    await due(here)
    await here.desk.courier.deliver_due()

    (message,) = mail.mail
    assert mail.recipients == ["reader@example.org"]
    assert message["Subject"].startswith("Tu primer informe: d32 cuesta")
    assert message["From"] == "Rig or Rent <reports@rig.example>"
    assert message["Content-Language"] == "es"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = message["List-Unsubscribe"].strip("<>")
    assert link.startswith(f"{PUBLIC}/unsubscribe/")
    text, page = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert link in text.get_content()
    html = page if page.get_content_type() == "text/html" else next(page.iter_parts())
    assert link in html.get_content()
    for form in (text, html):
        assert link.replace("/unsubscribe/", "/pause/") in form.get_content()
        assert ".invalid" not in form.get_content()
    assert len(bytes(html)) < 80_000
    assert max(len(line) for line in text.get_content().splitlines() if "http" not in line) <= 72


async def test_greylisting_is_waited_for_and_a_rejection_is_final(here: World, mail: MailServer) -> None:
    await here.subscribe(name="a grey list", destinations=[EMAIL])
    await here.subscribe(name="gone", destinations=[EMAIL | {"to": "nobody@example.org"}])
    mail.refusals["reader@example.org"] = ["451 4.7.1 Come again"]
    mail.refusals["nobody@example.org"] = ["550 5.1.1 Nobody of that name"]

    await due(here)
    await here.desk.courier.deliver_due()
    grey, gone = await here.deliveries()
    here.clock.pass_by(timedelta(seconds=5))
    await here.desk.courier.deliver_due()

    assert (grey.state, gone.state) == ("waiting", "failed")
    assert grey.next_attempt_at == here.clock.now
    assert "550" in (gone.error or "")
    assert [each.state for each in await here.deliveries()] == ["sent", "failed"]
    assert len(mail.mail) == 1


async def test_a_name_cannot_put_a_line_into_a_mail_s_head(here: World, mail: MailServer) -> None:
    evil = "x\r\nBcc: everybody@example.org"
    await here.see(h100s(), spot_h100s(seller=evil, provider=evil, collector="cloud"))
    await here.subscribe(destinations=[EMAIL], ranking={"workload": "nanochat-d32", "rig": ["none"]})

    await due(here)
    await here.desk.courier.deliver_due()

    (message,) = mail.mail
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]


async def test_mail_without_a_mail_server_waits_and_says_why(fresh_database: Database, tmp_path: Path) -> None:
    async with world(fresh_database, tmp_path, Clock()) as here:
        await here.see(h100s())
        await here.subscribe(destinations=[EMAIL])

        await due(here)
        await here.desk.courier.deliver_due()

        (delivery,) = await here.deliveries()
    assert delivery.state == "waiting"
    assert delivery.error == "mail is off: set RIG_OR_RENT_SMTP_URL"


async def mailed(database: Database, folder: Path, url: str, trusted: ssl.SSLContext | None) -> store.StoredDelivery:
    """What became of one mail."""
    settings = {"smtp_url": url, "mail_from": "reports@rig.example"}
    async with world(database, folder, Clock(), trusted=trusted, **settings) as here:
        await here.see(h100s())
        await here.subscribe(destinations=[EMAIL])
        await due(here)
        await here.desk.courier.deliver_due()
        (delivery,) = await here.deliveries()
        return delivery


@pytest.mark.parametrize("host", ["127.0.0.1", "user:secret@127.0.0.1", f"user:secret@{ELSEWHERE}"])
async def test_mail_is_encrypted_where_the_server_can(fresh_database: Database, tmp_path: Path, host: str) -> None:
    async with mail_server(tmp_path, "by STARTTLS") as mail:
        delivery = await mailed(fresh_database, tmp_path, f"smtp://{host}:{mail.port}", mail.trusted)

    assert (delivery.state, delivery.error) == ("sent", None)
    assert mail.were_encrypted == [True]
    assert mail.passwords == ([("user", "secret")] if "secret" in host else [])


async def test_a_password_goes_nowhere_in_clear(fresh_database: Database, tmp_path: Path) -> None:
    async with mail_server(tmp_path, "never") as mail:
        delivery = await mailed(fresh_database, tmp_path, f"smtp://user:secret@{ELSEWHERE}:{mail.port}", None)

    assert delivery.state == "waiting"
    assert "STARTTLS extension not supported" in (delivery.error or "")
    assert (mail.passwords, mail.mail) == ([], [])


async def test_a_password_goes_to_no_server_whose_name_nobody_vouches_for(
    fresh_database: Database, tmp_path: Path
) -> None:
    async with mail_server(tmp_path, "by STARTTLS") as mail:
        delivery = await mailed(fresh_database, tmp_path, f"smtp://user:secret@{ELSEWHERE}:{mail.port}", None)

    assert delivery.state == "waiting"
    assert "certificate verify failed" in (delivery.error or "")
    assert (mail.passwords, mail.mail) == ([], [])


@pytest.mark.parametrize(("encrypted", "was"), [("by STARTTLS", True), ("never", False)])
async def test_mail_without_a_password_is_as_secret_as_the_server_can(
    fresh_database: Database, tmp_path: Path, encrypted: Literal["by STARTTLS", "never"], was: bool
) -> None:
    async with mail_server(tmp_path, encrypted) as mail:
        delivery = await mailed(fresh_database, tmp_path, mail.address, None)

    assert (delivery.state, mail.were_encrypted) == ("sent", [was])


# Apprise -------------------------------------------------------------------------------------------------------------


async def test_apprise_hands_a_report_to_a_web_server(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[{"kind": "apprise", "url": f"{receiver.address.replace('http', 'json')}/hook"}])

    await due(here)
    await here.desk.courier.deliver_due()

    (posted,) = receiver.posted
    told = json.loads(posted.body)
    assert [each.state for each in await here.deliveries()] == ["sent"]
    assert posted.path == "/hook"
    assert told["title"].startswith("Your first report: d32 costs")
    assert "## The cheapest" in told["message"]


async def test_apprise_hands_a_report_to_a_mail_server(here: World, tmp_path: Path) -> None:
    async with mail_server(tmp_path, "never") as mail:
        url = f"mailto://127.0.0.1:{mail.port}/?from=rig@rig.example&to=reader@example.org&mode=insecure"
        await here.subscribe(destinations=[{"kind": "apprise", "url": url}], language="es")

        await due(here)
        await here.desk.courier.deliver_due()

    (message,) = mail.mail
    body = message.get_body(("html", "plain"))
    assert [each.state for each in await here.deliveries()] == ["sent"]
    assert mail.recipients == ["reader@example.org"]
    assert message["Subject"].startswith("Tu primer informe: d32 cuesta")
    assert body is not None
    assert "Lo más barato" in body.get_content()


async def test_what_apprise_cannot_hand_over_waits(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[{"kind": "apprise", "url": receiver.address.replace("http", "json")}])
    receiver.answer = answers(500)

    await due(here)
    await here.desk.courier.deliver_due()
    (failed,) = await here.deliveries()
    here.clock.pass_by(timedelta(seconds=5))
    await here.desk.courier.deliver_due()

    assert (failed.state, failed.error) == ("waiting", "Apprise could not deliver it")
    assert [each.state for each in await here.deliveries()] == ["sent"]


# Webhooks ------------------------------------------------------------------------------------------------------------


async def test_a_webhook_gets_the_report_signed_and_with_a_key(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[webhook(receiver)])

    await due(here)
    await here.desk.courier.deliver_due()

    (posted,) = receiver.posted
    (delivery,) = await here.deliveries()
    parts = dict(part.split("=", 1) for part in posted.headers["x-signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{parts['t']}.".encode() + posted.body, hashlib.sha256).hexdigest()
    assert parts == {"t": str(int(here.clock.now.timestamp())), "v1": expected}
    assert posted.headers["idempotency-key"] == delivery.idempotency_key
    assert json.loads(posted.body)["subject"].startswith("Your first report")


async def test_failures_are_tried_again_ever_later_for_twelve_hours_and_then_seen(
    here: World, receiver: Receiver
) -> None:
    await here.subscribe(destinations=[webhook(receiver)])
    receiver.answer = answers(then=500)
    waits: list[int] = []

    await due(here)
    began = here.clock.now
    while True:
        await here.desk.courier.deliver_due()
        (delivery,) = await here.deliveries()
        if delivery.state != "waiting":
            break
        waits.append(round((delivery.next_attempt_at - here.clock.now).total_seconds()))
        here.clock.now = delivery.next_attempt_at

    assert waits[:5] == [5, 30, 120, 600, 1800]
    assert here.clock.now == began + GIVING_UP
    assert delivery.state == "failed"
    assert "given up after 11 attempts: 127.0.0.1 answers 500" in (delivery.error or "")
    assert len(receiver.by_key()) == 1


async def test_whoever_asks_for_patience_gets_it(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[webhook(receiver)])
    receiver.answer = answers(429, headers={"Retry-After": "90"})

    await due(here)
    await here.desk.courier.deliver_due()

    (delivery,) = await here.deliveries()
    assert delivery.next_attempt_at == here.clock.now + timedelta(seconds=90)


async def test_an_address_that_says_it_is_gone_is_not_asked_again(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[webhook(receiver)])
    receiver.answer = answers(410)

    await due(here)
    await here.desk.courier.deliver_due()

    (delivery,) = await here.deliveries()
    assert delivery.state == "failed"


async def test_a_destination_that_hangs_holds_up_no_other(here: World, receiver: Receiver, mail: MailServer) -> None:
    async def hang(posted: Posted) -> tuple[int, Mapping[str, str]]:
        await asyncio.sleep(0 if posted.path == "/well" else 60)
        return 204, {}

    receiver.answer = hang
    for number in range(12):
        await here.subscribe(name=f"hangs {number}", destinations=[webhook(receiver)])
    await here.subscribe(name="then mail", destinations=[EMAIL])
    await due(here)

    with patience(here.desk.courier.senders.client, 1.0):
        await here.desk.courier.deliver_due()

    states = [each.state for each in await here.deliveries()]
    assert states == ["waiting"] * 12 + ["sent"]
    assert len(mail.mail) == 1


async def test_a_redirect_keeps_the_message_whole_or_ends_it(here: World, receiver: Receiver) -> None:
    async def redirect(posted: Posted) -> tuple[int, Mapping[str, str]]:
        there = {"/a": (308, "/b"), "/c": (302, "/b"), "/loop": (307, "/loop")}
        status, location = there.get(posted.path, (204, ""))
        return status, {"Location": location} if location else {}

    receiver.answer = redirect
    await here.subscribe(name="kept", destinations=[webhook(receiver, "/a")])
    await here.subscribe(name="lost", destinations=[webhook(receiver, "/c")])
    await here.subscribe(name="round and round", destinations=[webhook(receiver, "/loop")])
    await due(here)

    await here.desk.courier.deliver_due()

    assert [each.state for each in await here.deliveries()] == ["sent", "failed", "failed"]
    assert [each.path for each in receiver.posted if each.path == "/b"] == ["/b"]
    bodies = {each.body for each in receiver.posted if each.path in ("/a", "/b")}
    assert len(bodies) == 1


# Where nothing may go ------------------------------------------------------------------------------------------------


PRIVATE = (
    *("127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0"),
    *("[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    *("2130706433", "0x7f.1"),  # 127.0.0.1 as few write it
)


@pytest.mark.parametrize("host", PRIVATE)
async def test_a_private_address_is_refused_when_something_is_sent(host: str) -> None:
    async with make_sender(may_be_private=False, overrides={}) as client:
        with pytest.raises(httpx.TransportError, match=r"not a public address|cannot be resolved"):
            await client.post(f"http://{host}:9/", content=b"secret")


async def test_a_redirect_to_a_private_address_is_refused(
    fresh_database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    overrides = {"https://hooks.slack.com": receiver.address}
    async with world(fresh_database, tmp_path, Clock(), private_destinations=False, origin_overrides=overrides) as here:
        await here.see(h100s())
        receiver.answer = answers(307, headers={"Location": f"{receiver.address.replace('http', 'https')}/inside"})
        await here.subscribe(destinations=[{"kind": "slack", "url": "https://hooks.slack.com/services/T/B/X"}])

        await due(here)
        await here.desk.courier.deliver_due()

        (delivery,) = await here.deliveries()
    assert delivery.state == "failed"
    assert "127.0.0.1 is not a public address" in (delivery.error or "")
    assert [each.path for each in receiver.posted] == ["/services/T/B/X"]


# Chats and files -----------------------------------------------------------------------------------------------------


async def test_chats_get_their_own_form_in_which_nobody_is_mentioned(
    fresh_database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    hosts = ("https://hooks.slack.com", "https://discord.com", "https://api.telegram.org")
    async with world(
        fresh_database, tmp_path, Clock(), origin_overrides=dict.fromkeys(hosts, receiver.address)
    ) as here:
        await here.see(h100s(), spot_h100s(seller="<!channel> & @everyone *x*"))
        token = "123456:abcdefghijklmnopqrstuvwxyz"
        await here.subscribe(
            destinations=[
                {"kind": "slack", "url": "https://hooks.slack.com/services/T/B/X"},
                {"kind": "discord", "url": "https://discord.com/api/webhooks/1/x"},
                {"kind": "telegram", "token": token, "chat_id": "@rigs"},
            ]
        )

        await due(here)
        await here.desk.courier.deliver_due()

    by_path = {each.path: json.loads(each.body) for each in receiver.posted}
    slack, discord = by_path["/services/T/B/X"], by_path["/api/webhooks/1/x"]
    telegram = by_path[f"/bot{token}/sendMessage"]
    assert "<!channel>" not in json.dumps(slack)
    assert discord["allowed_mentions"] == {"parse": []}
    assert r"\*x\*" in discord["embeds"][0]["description"]
    cheapest = [line for line in discord["embeds"][0]["description"].splitlines() if line.startswith("1. ")]
    assert cheapest == [line for line in slack["blocks"][2]["text"]["text"].splitlines() if line.startswith("1. ")]
    assert (telegram["chat_id"], telegram["parse_mode"]) == ("@rigs", "HTML")
    assert "&lt;!channel&gt; &amp; @everyone" in telegram["text"]


async def test_a_file_is_replaced_and_a_folder_collects(here: World, tmp_path: Path) -> None:
    paths = ["d32/latest.md", "d32/latest.json", "d32/latest.txt", "all"]
    await here.subscribe(destinations=[{"kind": "file", "path": path} for path in paths])

    for _ in range(2):
        await due(here)
        await here.desk.courier.deliver_due()

    folder = tmp_path / "reports"
    assert (folder / "d32" / "latest.md").read_text().startswith("# d32 still")
    assert json.loads((folder / "d32" / "latest.json").read_text())["subscription"] == "d32"
    pages = [path.read_text() for path in (folder / "all").glob("*.html")]
    assert len(pages) == 2
    assert "unsubscribe" not in "".join([*pages, (folder / "d32" / "latest.txt").read_text()]).lower()
    assert not list(folder.rglob(".*"))


async def test_a_link_does_not_lead_files_out_of_their_folder(here: World, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "out").symlink_to(tmp_path)
    await here.subscribe(destinations=[{"kind": "file", "path": "out/x.html"}])

    await due(here)
    await here.desk.courier.deliver_due()

    (delivery,) = await here.deliveries()
    assert delivery.state == "failed"
    assert not (tmp_path / "x.html").exists()


# Object storage ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with object_storage() as bucket:
        yield bucket


async def test_an_object_is_replaced_and_a_folder_of_them_collects(here: World, bucket: Bucket) -> None:
    await here.subscribe(destinations=[bucket.destination(path) for path in ("d32/é *latest.md", "all")])

    for _ in range(2):
        await due(here)
        await here.desk.courier.deliver_due()

    objects = bucket.objects()
    assert [each.state for each in await here.deliveries()] == ["sent"] * 4
    assert objects.pop("d32/é *latest.md") == "text/markdown; charset=utf-8"
    assert list(objects.values()) == ["text/html; charset=utf-8"] * 2
    assert bucket.read("d32/é *latest.md").startswith("# d32 still")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_access_key": "another secret"}, "127.0.0.1 answers 403 SignatureDoesNotMatch"),
        ({"access_key_id": "AKIANOBODY"}, "127.0.0.1 answers 403 InvalidAccessKeyId"),
        ({"bucket": "nowhere"}, "127.0.0.1 answers 404 NoSuchBucket"),
    ],
)
async def test_what_a_store_refuses_waits_with_its_own_word(
    here: World, bucket: Bucket, wrong: dict[str, str], said: str
) -> None:
    await here.subscribe(destinations=[bucket.destination("latest.html", **wrong)])

    await due(here)
    await here.desk.courier.deliver_due()

    (delivery,) = await here.deliveries()
    assert (delivery.state, delivery.error) == ("waiting", said)
    assert bucket.objects() == {}


# Several processes ---------------------------------------------------------------------------------------------------


async def test_several_processes_make_and_send_each_report_once(
    fresh_database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    clock = Clock()
    async with (
        world(fresh_database, tmp_path, clock) as one,
        world(fresh_database, tmp_path, clock) as two,
        world(fresh_database, tmp_path, clock) as three,
    ):
        await one.see(h100s())
        await two.markets.refresh()
        await three.markets.refresh()
        for number in range(10):
            await one.subscribe(name=f"number {number}", destinations=[webhook(receiver, f"/{number}")])
        clock.pass_by(timedelta(hours=21))

        made = await asyncio.gather(*(each.desk.make_due() for each in (one, two, three)))
        await asyncio.gather(*(each.desk.courier.deliver_due() for each in (one, two, three)))

    assert sum(made) == 10
    assert sorted(each.path for each in receiver.posted) == sorted(f"/{number}" for number in range(10))


async def test_what_a_dead_process_had_claimed_is_sent_by_another(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[webhook(receiver)])
    await due(here)
    async with here.database.sessions.begin() as session:  # and then the process dies
        until = here.clock.now + timedelta(seconds=90)
        await store.outbox.claim(session, here.clock.now, until, limit=9, per_lane=9)

    await here.desk.courier.deliver_due()
    before = len(receiver.posted)
    here.clock.pass_by(timedelta(seconds=91))
    await here.desk.courier.deliver_due()

    assert before == 0
    assert len(receiver.posted) == 1


# What is old ---------------------------------------------------------------------------------------------------------


async def test_old_reports_go_with_their_deliveries_and_what_is_still_needed_stays(
    here: World, receiver: Receiver
) -> None:
    for name, path in (("told", "/well"), ("monthly", "/well"), ("waits", "/ill")):
        await here.subscribe(name=name, destinations=[webhook(receiver, path)])
    receiver.answer = lambda posted: answers(then=500 if posted.path == "/ill" else 204)(posted)
    await due(here)
    await here.desk.courier.deliver_due()
    async with here.database.sessions.begin() as session:
        for name in ("monthly", "waits"):
            (row,) = await store.subscriptions_named(session, name)
            row.next_at = here.clock.now + timedelta(days=500)
    here.clock.pass_by(timedelta(days=364))
    await due(here)  # "told" is told again
    before = await here.deliveries()
    here.clock.pass_by(timedelta(minutes=1))

    await here.desk.forget_old()

    after = await here.deliveries()
    assert len(before) == 4
    assert len(after) == 3
    assert {each.id for each in before} - {each.id for each in after} == {before[1].id}
    assert before[1].sent_at == min(each.sent_at for each in before if each.sent_at)


async def test_old_reports_are_looked_for_on_schedule(here: World) -> None:
    collector = Collector(Settings(), here.database, catalogue.load(), here.desk.courier.senders.client, here.clock, {})

    jobs = {job.name: job for job in await jobs_of(collector, here.desk)}

    assert jobs["old reports"].run == here.desk.forget_old
    assert jobs["old reports"].interval == timedelta(days=1)


# Who no longer wants it ----------------------------------------------------------------------------------------------


async def test_what_waits_for_somebody_who_unsubscribes_is_not_sent(here: World, receiver: Receiver) -> None:
    subscription = await here.subscribe(destinations=[webhook(receiver)])
    receiver.answer = answers(500)
    await due(here)
    await here.desk.courier.deliver_due()

    async with here.database.sessions.begin() as session:
        await keeping.unsubscribe(session, subscription.destinations[0]["id"], here.clock.now)
    here.clock.pass_by(timedelta(hours=1))
    await here.desk.courier.deliver_due()

    (delivery,) = await here.deliveries()
    assert delivery.state == "cancelled"
    assert len(receiver.posted) == 1


async def test_secrets_are_stored_sealed(here: World, receiver: Receiver) -> None:
    await here.subscribe(destinations=[webhook(receiver, "/very-secret")])

    async with here.database.sessions() as session:
        (row,) = (await store.subscriptions(session)).items
        stored = repr((row.destinations[0].shown, row.destinations[0].sealed))

    assert "very-secret" not in stored
    assert SECRET not in stored
    assert here.desk.sealer.unseal(row.destinations[0].sealed)["secret"] == SECRET


def test_the_waits_grow_to_four_hours_and_end_after_twelve() -> None:
    now = Clock().now

    assert next_attempt(1, now, now) == now + timedelta(seconds=5)
    assert next_attempt(9, now, now + timedelta(hours=9)) == now + GIVING_UP
    assert next_attempt(10, now, now + GIVING_UP) is None
