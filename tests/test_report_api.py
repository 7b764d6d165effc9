"""Subscriptions and reports over HTTP: accepted, refused with their field, hidden, sent, shown and unsubscribed."""

from __future__ import annotations

import asyncio
import html
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builders import NOON
from reporting import h100s, spot_h100s
from serving import WITH_KEY, Client, client_of, copy_of, fill
from waiting import PATIENCE_S

from service.database import Database

SUBSCRIPTIONS = "/api/v1/subscriptions"
HOSTILE = '<b>"acme" & sons</b>'
S3 = {
    "kind": "s3",
    "bucket": "reports",
    "path": "d32/latest.html",
    "access_key_id": "AKIAEXAMPLE",
    "secret_access_key": "not told",
}
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
async def shop(database: Database, pristine: str) -> AsyncIterator[Database]:
    async with copy_of(database, pristine, "report_shop") as copied:
        for at, usd in ((NOON - timedelta(days=2), "20.00"), (NOON - timedelta(hours=1), "18.00")):
            seen = [h100s(usd, provider=HOSTILE, observed_at=at), spot_h100s("10", observed_at=at)]
            await fill(copied, at, seen)
        yield copied


@pytest.fixture(scope="module")
async def client(database: Database, shop: Database, data_dir: Path) -> AsyncIterator[Client]:
    async with client_of(database.url("report_shop"), data_dir / "report-api") as client:
        yield client


def body(**fields: Any) -> dict[str, Any]:
    return {
        "name": "d32",
        "ranking": {"workload": "nanochat-d32", "rig": ["RTX 4070"], "country": "ES"},
        "schedule": {"cron": "0 8 * * 1", "time_zone": "Europe/Madrid"},
        "destinations": [{"kind": "file", "path": "d32/latest.html"}],
    } | fields


async def create(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.post(SUBSCRIPTIONS, json=body(**fields), headers=WITH_KEY)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def sent(client: Client, subscription: dict[str, Any]) -> str:
    """The id of a report that was sent now."""
    answer = await client.post(f"{SUBSCRIPTIONS}/{subscription['id']}/send", headers=WITH_KEY)
    assert answer.status_code == 202, answer.text
    report_id: str = answer.json()["report_id"]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            deliveries = (await client.get(f"/api/v1/reports/{report_id}", headers=WITH_KEY)).json()["deliveries"]
            if all(each["state"] != "waiting" or each["error"] for each in deliveries):
                return report_id
            await asyncio.sleep(0.05)


# Made and changed ----------------------------------------------------------------------------------------------------


async def test_a_subscription_is_told_when_it_is_next_due(client: Client) -> None:
    created = await create(client)

    read = (await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)).json()

    assert read == created
    assert created["next_at"] == "2026-11-30T07:00:00Z"  # Monday, eight o'clock in Madrid
    assert created["last_sent_at"] is None


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ({"every": "daily"}, "0 8 * * *"),
        ({"every": "weekly", "at": "17:30"}, "30 17 * * 1"),
        ({"every": "monthly", "at": "7:05", "time_zone": "Asia/Kolkata"}, "5 7 1 * *"),
        ("daily", "0 8 * * *"),
    ],
)
async def test_a_preset_is_a_cron_expression(client: Client, schedule: object, cron: str) -> None:
    assert (await create(client, schedule=schedule))["schedule"]["cron"] == cron


async def test_secrets_are_told_once_if_we_made_them_and_never_else(client: Client) -> None:
    created = await create(
        client,
        destinations=[
            {"kind": "webhook", "url": "https://hooks.example.org/a/b?token=very-secret"},
            {"kind": "slack", "url": "https://hooks.slack.com/services/T/B/very-secret"},
            {"kind": "telegram", "token": "123456:very-secret-and-long-enough", "chat_id": 5},
            S3 | {"secret_access_key": "very-secret"},
        ],
    )

    read = await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)

    assert len(created["destinations"][0]["secret"]) >= 32
    assert "very-secret" not in read.text
    hidden = [{name: value for name, value in each.items() if name != "id"} for each in read.json()["destinations"]]
    assert hidden == [
        {"kind": "webhook", "url": "https://hooks.example.org/***", "secret": "***"},
        {"kind": "slack", "url": "***"},
        {"kind": "telegram", "token": "***", "chat_id": "5"},
        S3 | {"endpoint": "https://s3.us-east-1.amazonaws.com", "region": "us-east-1", "secret_access_key": "***"},
    ]


async def test_a_destination_that_is_written_back_hidden_stays_what_it_is(client: Client) -> None:
    created = await create(client, destinations=[{"kind": "slack", "url": "https://hooks.slack.com/services/T/B/X"}])
    there = f"{SUBSCRIPTIONS}/{created['id']}"
    mail = {"kind": "email", "to": "a@example.org"}

    changed = await client.patch(there, json={"destinations": [*created["destinations"], mail]}, headers=WITH_KEY)
    whole = await client.put(there, json=changed.json() | {"name": "another"}, headers=WITH_KEY)

    assert changed.status_code == 200, changed.text
    assert changed.json()["destinations"][0] == created["destinations"][0]
    assert whole.json()["destinations"] == changed.json()["destinations"]
    assert whole.json()["name"] == "another"


async def test_what_is_paused_is_not_due_until_it_is_resumed(client: Client) -> None:
    there = f"{SUBSCRIPTIONS}/{(await create(client))['id']}"

    paused = (await client.post(f"{there}/pause", headers=WITH_KEY)).json()
    resumed = (await client.post(f"{there}/resume", headers=WITH_KEY)).json()

    assert (paused["paused"], paused["next_at"]) == (True, None)
    assert (resumed["paused"], resumed["next_at"]) == (False, "2026-11-30T07:00:00Z")


async def test_a_removed_subscription_is_gone_and_its_reports_stay(client: Client) -> None:
    created = await create(client)
    report_id = await sent(client, created)

    removed = await client.delete(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)
    again = await client.delete(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)

    assert (removed.status_code, again.status_code) == (204, 404)
    assert (await client.get(f"/api/v1/reports/{report_id}")).status_code == 200


async def test_subscriptions_come_in_pages(client: Client) -> None:
    for _ in range(3):
        await create(client)

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(SUBSCRIPTIONS, params={"limit": 2, "cursor": cursor}, headers=WITH_KEY)).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]

    assert len(seen) == len(set(seen)) >= 3


# Refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_without_the_key_nothing_is_told(client: Client, method: str) -> None:
    assert (await client.request(method, SUBSCRIPTIONS, json=body())).status_code == 401
    assert (await client.request(method, f"{SUBSCRIPTIONS}/x/send")).status_code in (401, 405)


async def test_every_field_at_fault_is_named_at_once(client: Client) -> None:
    answer = await client.post(
        SUBSCRIPTIONS,
        headers=WITH_KEY,
        json={
            "name": "two\nlines",
            "ranking": {"workload": "nanochat-d99", "as_of": "2026-11-01", "min_gpus": 0},
            "schedule": {"cron": "61 8 * * 1", "time_zone": "Europe/Madird"},
            "alerts": [{"kind": "total_below", "usd": -1}, {"kind": "change"}, {"kind": "moon"}],
            "destinations": [
                {"kind": "fax"},
                {"kind": "webhook", "url": "http://169.254.169.254/latest"},
                {"kind": "email", "to": "a@example.org\r\nBcc: b@example.org"},
                {"kind": "file", "path": "../../etc/passwd"},
                {"kind": "slack", "url": "https://hooks.slack.com.evil.example/x"},
                {"kind": "webhook", "url": "https://u:p@example.org/"},
                {"kind": "apprise", "url": "json://127.0.0.1"},
                S3 | {"endpoint": "http://169.254.169.254/latest"},
                S3 | {"bucket": "../etc", "path": "../x"},
            ],
            "language": "fr",
            "threshold_percent": "much",
            "schedul": {},
        },
    )

    assert answer.status_code == 400
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {
        *("name", "ranking.workload", "ranking.as_of", "ranking.min_gpus", "schedule.cron", "schedule.time_zone"),
        *("alerts[0].usd", "alerts[1].percent", "alerts[2].kind", "language", "threshold_percent", "schedul"),
        *("destinations[0].kind", "destinations[1].url", "destinations[2].to", "destinations[3].path"),
        *("destinations[4].url", "destinations[5].url", "destinations[6].url"),
        *("destinations[7].endpoint", "destinations[8].bucket", "destinations[8].path"),
    }
    messages = {each["field"]: each["message"] for each in answer.json()["errors"]}
    assert "nearest: Europe/Madrid" in messages["schedule.time_zone"]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("schedule", {"schedule": None}),
        ("schedule.cron", {"schedule": {"cron": "0 8 30 2 *"}}),
        ("schedule.cron", {"schedule": {"cron": "every day"}}),
        ("schedule.every", {"schedule": {"every": "hourly"}}),
        ("schedule.every", {"schedule": {}}),
        ("schedule.at", {"schedule": {"every": "daily", "at": "25:00"}}),
        ("destinations", {"destinations": []}),
        ("destinations[0].to", {"destinations": [{"kind": "email", "to": "nobody"}]}),
        ("destinations[0].url", {"destinations": [{"kind": "slack", "url": "***"}]}),
        (
            "destinations[0].secret",
            {"destinations": [{"kind": "webhook", "url": "https://a.example", "secret": "short"}]},
        ),
        ("alerts[0].kind", {"ranking": {"rig": ["none"]}, "alerts": [{"kind": "cheaper_than_rig"}]}),
        ("ranking", {"ranking": "cheapest"}),
        ("ranking", {"ranking": {"workload": {"name": "x" * 20_000}}}),
        ("name", {"name": "x" * 101}),
    ],
)
async def test_nonsense_is_refused_by_its_field(client: Client, field: str, fields: dict[str, Any]) -> None:
    answer = await client.post(SUBSCRIPTIONS, json=body(**fields), headers=WITH_KEY)

    assert answer.status_code == 400, answer.text
    assert field in {each["field"] for each in answer.json()["errors"]}


async def test_object_storage_without_its_extra_is_refused_with_its_name(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)

    answer = await client.post(SUBSCRIPTIONS, json=body(destinations=[S3]), headers=WITH_KEY)

    (error,) = answer.json()["errors"]
    assert error == {"field": "destinations[0].kind", "message": "s3 needs the extra rig-or-rent[s3]"}


@pytest.mark.parametrize("path", ["/nobody", "/%00", "/x.y", "/nobody/send", "/nobody/pause"])
async def test_what_is_not_there_is_a_404(client: Client, path: str) -> None:
    method = "POST" if path.count("/") == 2 else "GET"

    assert (await client.request(method, f"{SUBSCRIPTIONS}{path}", headers=WITH_KEY)).status_code == 404
    assert (await client.get(f"/api/v1/reports{path}")).status_code == 404


# Sent and shown ------------------------------------------------------------------------------------------------------


async def test_a_report_is_shown_as_it_was_sent_in_every_form(client: Client, data_dir: Path) -> None:
    created = await create(client, language="es")

    report_id = await sent(client, created)

    there = f"/api/v1/reports/{report_id}"
    told = (await client.get(there)).json()
    page = await client.get(there, headers={"Accept": "text/html"})
    text = await client.get(there, headers={"Accept": "text/plain"})
    markdown = await client.get(there, headers={"Accept": "text/markdown"})
    file = (data_dir / "report-api" / "reports" / "d32" / "latest.html").read_text()
    cost = told["top"][0]["cost_text"]
    assert told["subject"].startswith("Tu primer informe")
    assert told["report_url"] == f"http://localhost:8000/reports/{report_id}"
    assert told["ranking"]["options"][0]["title"] == "1x RTX 4070 at home (ES)"
    assert told["deliveries"][0]["state"] == "sent"
    assert all(cost in html.unescape(form) for form in (page.text, text.text, markdown.text, file))
    assert (await client.get(f"/reports/{report_id}")).text == page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert (await client.get(there, headers={"Accept": "image/gif"})).status_code == 406


async def test_names_from_outside_stay_text_in_every_form(client: Client) -> None:
    few = {"pricing": ["on_demand"], "gpu": ["H100 SXM"], "min_gpus": 8}
    report_id = await sent(client, await create(client, name='<i>"mine"</i>', ranking=few))

    there = f"/api/v1/reports/{report_id}"
    page = (await client.get(there, headers={"Accept": "text/html"})).text
    markdown = (await client.get(there, headers={"Accept": "text/markdown"})).text

    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;" in page
    assert r"\<b\>" in markdown


async def test_the_way_out_belongs_to_the_reader_alone(client: Client) -> None:
    created = await create(client)

    report_id = await sent(client, created)

    for form in ("application/json", "text/html", "text/plain", "text/markdown"):
        answer = await client.get(f"/api/v1/reports/{report_id}", headers={"Accept": form})
        assert "/unsubscribe/" not in answer.text
        assert "/pause/" not in answer.text
        assert ".invalid" not in answer.text


async def test_unsubscribing_needs_a_button_and_works_twice(client: Client) -> None:
    created = await create(client, destinations=[{"kind": "email", "to": "a@example.org"}])
    services = client.app.state.services
    link = f"/unsubscribe/{services.reports.sealer.token(created['destinations'][0]['id'])}"

    page = await client.get(link)
    before = (await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)).json()
    first = await client.post(link, content="List-Unsubscribe=One-Click")
    second = await client.post(link, content="List-Unsubscribe=One-Click")
    after = (await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)).json()

    assert 'method="post"' in page.text
    assert not before["paused"]
    assert (first.status_code, second.status_code) == (200, 200)
    assert after["paused"]
    assert after["destinations"][0]["unsubscribed_at"] == "2026-11-24T12:00:00Z"
    assert (await client.post(f"{SUBSCRIPTIONS}/{created['id']}/send", headers=WITH_KEY)).status_code == 409
    assert (await client.post(link[:-1] + ("x" if link[-1] != "x" else "y"))).status_code == 404


async def test_pausing_needs_a_button_and_can_be_undone(client: Client) -> None:
    created = await create(client, destinations=[{"kind": "email", "to": "a@example.org"}])
    token = client.app.state.services.reports.sealer.token(created["destinations"][0]["id"])

    async def is_paused() -> bool:
        paused: bool = (await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)).json()["paused"]
        return paused

    page = await client.get(f"/pause/{token}")
    assert f'method="post" action="/pause/{token}"' in page.text
    assert not await is_paused()

    for _ in range(2):
        paused = await client.post(f"/pause/{token}")
        assert f'method="post" action="/resume/{token}"' in paused.text
        assert await is_paused()

    await client.post(f"/resume/{token}")
    assert not await is_paused()
    assert (await client.post(f"/pause/{token}x")).status_code == 404


async def test_nobody_pauses_what_others_read_too(client: Client) -> None:
    both = [{"kind": "email", "to": f"{name}@example.org"} for name in "ab"]
    created = await create(client, destinations=both)
    first, second = (client.app.state.services.reports.sealer.token(each["id"]) for each in created["destinations"])

    refused = await client.post(f"/pause/{first}")
    after = (await client.get(f"{SUBSCRIPTIONS}/{created['id']}", headers=WITH_KEY)).json()
    await client.post(f"/unsubscribe/{second}")
    alone = await client.post(f"/pause/{first}")
    gone = await client.post(f"/resume/{second}")

    assert "Others get these reports too" in refused.text
    assert not after["paused"]
    assert f'action="/resume/{first}"' in alone.text
    assert "You get nothing any more" in gone.text


async def test_why_a_delivery_failed_is_told_to_whoever_has_the_key(client: Client) -> None:
    report_id = await sent(client, await create(client, destinations=[{"kind": "email", "to": "a@example.org"}]))

    with_key = (await client.get("/api/v1/reports", params={"limit": 1000}, headers=WITH_KEY)).json()["items"]
    without = (await client.get("/api/v1/reports", params={"limit": 1000})).json()["items"]

    errors = [
        each["deliveries"][0]["error"] for items in (with_key, without) for each in items if each["id"] == report_id
    ]
    assert errors == ["mail is off: set RIG_OR_RENT_SMTP_URL", None]
    assert "a@example.org" not in str(without)


# The feed ------------------------------------------------------------------------------------------------------------


async def test_the_feed_tells_a_price_that_moved_and_is_fetched_once(client: Client) -> None:
    answer = await client.get("/feeds/prices.atom", params={"gpu": "H100 SXM"})

    again = await client.get(
        "/feeds/prices.atom", params={"gpu": "H100 SXM"}, headers={"If-None-Match": answer.headers["etag"]}
    )

    feed = ElementTree.fromstring(answer.content)
    (entry,) = feed.findall(f"{ATOM}entry")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    assert feed.findtext(f"{ATOM}id") == "tag:localhost,2026:prices?gpu=H100+SXM"
    assert "$2.50 → $2.25/h (−10%)" in (entry.findtext(f"{ATOM}title") or "")
    assert (entry.findtext(f"{ATOM}id") or "").startswith("tag:localhost,2026-11-24:price/")
    assert entry.findtext(f"{ATOM}published") == "2026-11-24T11:00:00+00:00"
    assert [each.get("term") for each in entry.findall(f"{ATOM}category")] == ["H100 SXM", "on_demand"]
    content = entry.findtext(f"{ATOM}content") or ""
    assert "<b>" not in content
    assert "Seen 24 Nov 2026, 11:00 (UTC): <a href=" in content
    assert "<th>Before, per GPU</th><td>$2.50/h</td>" in content
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("parameters", "entries"),
    [({"threshold_percent": "11"}, 0), ({"pricing": "spot"}, 0), ({"gpu": "RTX 4090"}, 0), ({"lang": "es"}, 1)],
)
async def test_the_feed_can_be_narrowed(client: Client, parameters: dict[str, str], entries: int) -> None:
    answer = await client.get("/feeds/prices.atom", params=parameters)

    assert len(ElementTree.fromstring(answer.content).findall(f"{ATOM}entry")) == entries


@pytest.mark.parametrize("field", ["threshold_percent", "lang", "gpu", "provider"])
async def test_the_feed_refuses_nonsense(client: Client, field: str) -> None:
    answer = await client.get("/feeds/prices.atom", params={field: "nonsense"})

    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]
