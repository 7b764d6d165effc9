"""A month of prices and reports, in minutes: `python tests/report_month.py` prints who was told what, and when.

The clocks of Madrid and New York are set back in it, a price flickers around a limit, a source falls silent for two
days, and nobody runs the service for three. With --kill, the process is killed at random moments and started again,
and must print the same table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import builders
from builders import observation, workload
from reporting import Clock, Posted, Receiver, World, h100s, receiver, spot_h100s, world

from service.checks import Observation
from service.database import open_database
from service.ranking.request import RankingRequest
from service.settings import Settings
from service.store import subscriptions

BEGIN: Final = datetime(2026, 10, 12, tzinfo=UTC)
END: Final = datetime(2026, 11, 12, tzinfo=UTC)
STEP: Final = timedelta(hours=6)  # how often the source is read

SILENT: Final = (datetime(2026, 11, 4, tzinfo=UTC), datetime(2026, 11, 6, tzinfo=UTC))
DOWN: Final = (datetime(2026, 10, 19, 3, tzinfo=UTC), datetime(2026, 10, 22, 3, tzinfo=UTC))  # our own service

# From when on what costs what: eight H100 on demand and spot, one H200
PRICES: Final = (
    ("2026-10-12", {"on_demand": 19.92, "spot": 12.00, "h200": 3.40}),
    ("2026-10-14", {"spot": 10.40}),
    ("2026-10-16", {"spot": 10.90}),  # flickers around the limit
    ("2026-10-17", {"spot": 10.60}),
    ("2026-10-18", {"spot": 10.82}),
    ("2026-10-20", {"h200": 3.60}),  # while nobody runs the service
    ("2026-10-24", {"spot": 12.40}),  # clearly over it
    ("2026-10-28", {"spot": 10.20}),  # and below again
    ("2026-11-02", {"on_demand": 17.60}),
    ("2026-11-08", {"spot": 9.10}),
)
LIMIT_PER_HOUR: Final = 10.78  # of the spot offer: what the limit and the rig cost the same as, in the whole run
RIG_PER_HOUR: Final = 11.20

RENTED: Final = {"workload": "nanochat-d32", "rig": ["none"]}
WHO: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Madrid, Mondays",
        "ranking": RENTED,
        "schedule": {"cron": "0 8 * * 1", "time_zone": "Europe/Madrid"},
        "language": "es",
    },
    {
        "name": "New York, what changed",
        "ranking": RENTED,
        "schedule": {"cron": "30 1 * * *", "time_zone": "America/New_York"},
        "only_changes": True,
    },
    {
        "name": "Kolkata, monthly",
        "ranking": {"workload": "nanochat-d32", "rig": ["RTX 4070"], "country": "IN"},
        "schedule": {"every": "monthly", "at": "09:00", "time_zone": "Asia/Kolkata"},
    },
    {"name": "below", "ranking": RENTED, "alerts": [{"kind": "total_below"}], "schedule": None},
    {"name": "ten percent", "ranking": RENTED, "alerts": [{"kind": "change", "percent": 10}], "schedule": None},
    {
        "name": "rig",
        "ranking": {"workload": "nanochat-d32", "rig": ["RTX 4070"]},
        "alerts": [{"kind": "cheaper_than_rig"}],
        "schedule": None,
    },
    {"name": "silence", "ranking": RENTED, "alerts": [{"kind": "source_down", "hours": 24}], "schedule": None},
)
ZONES: Final = {
    "Madrid, Mondays": "Europe/Madrid",
    "New York, what changed": "America/New_York",
    "Kolkata, monthly": "Asia/Kolkata",
}


def offers_at(at: datetime) -> list[Observation]:
    costs: dict[str, float] = {}
    for since, changed in PRICES:
        if datetime.fromisoformat(since).replace(tzinfo=UTC) <= at:
            costs |= changed
    return [
        h100s(costs["on_demand"]),
        spot_h100s(costs["spot"], provider="spotty"),
        observation("h200", costs["h200"], gpu="H200 SXM", gpu_memory_gb=141.0),
    ]


def moments() -> Iterable[datetime]:
    """When anything happens: the source is read, or a report is due."""
    steps = [BEGIN + STEP * number for number in range((END - BEGIN) // STEP + 1)]
    days = [BEGIN + timedelta(days=number) for number in range((END - BEGIN).days)]
    dues = [day + timedelta(hours=hours) for day in days for hours in (5.5, 6.5)]  # New York's 1:30
    mondays = [day + timedelta(hours=7) for day in days if day.weekday() == 0]  # Madrid's eight, in winter
    others = [datetime(2026, 11, 1, 3, 30, tzinfo=UTC), datetime(2026, 10, 22, 3, 30, tzinfo=UTC)]
    return sorted({*steps, *dues, *mondays, *others})


async def live(here: World, done: Path) -> None:
    """Live through the month from where it was left; every step may be the last."""
    begun = datetime.fromisoformat(done.read_text()) if done.exists() else BEGIN - STEP
    for at in moments():
        if at > begun:
            here.clock.now = at
            await step(here, at)
            _write(done, at.isoformat())
    here.clock.pass_by(timedelta(minutes=2))  # whatever a killed process had claimed
    await here.desk.courier.deliver_due()


async def step(here: World, at: datetime) -> None:
    is_read = (at - BEGIN) % STEP == timedelta(0) and not SILENT[0] <= at < SILENT[1]
    if is_read:
        await here.see(*offers_at(at))
    await subscribe(here)
    if DOWN[0] <= at < DOWN[1]:
        return
    await here.markets.refresh()
    await here.desk.make_due()
    await here.desk.check_alerts()
    await here.desk.courier.deliver_due()


async def subscribe(here: World) -> None:
    """Everybody, once."""
    async with here.database.sessions() as session:
        there = {row.name for row in (await subscriptions(session)).items}
    if len(there) == len(WHO):
        return
    limit_usd, usd_per_kwh = await limits(here)
    url = os.environ["MONTH_RECEIVER"]
    for fields in WHO:
        if fields["name"] not in there:
            hook = {"kind": "webhook", "url": url, "secret": "a secret of the month"}
            await here.subscribe(**_filled(fields, limit_usd, usd_per_kwh), destinations=[hook])


async def limits(here: World) -> tuple[float, float]:
    """The limits in dollars, whatever the hours are estimated at: of the run, and of a kWh at home."""
    rig = RankingRequest(workload=workload(), rigs=(builders.rig(usd_per_kwh=1.0, gpu_watts=200, host_watts=90),))
    ranking = await here.desk.maker.ranking(rig, here.clock.now)
    at_home = ranking.answer.rigs[0].cost_usd.p50
    spot = next(each for each in ranking.options if each.offer and each.offer.pricing == "spot")
    assert spot.offer is not None
    usd = spot.cost_usd.p50 / spot.offer.usd_per_hour
    return usd * LIMIT_PER_HOUR, usd * RIG_PER_HOUR / at_home


def _filled(fields: dict[str, Any], limit_usd: float, usd_per_kwh: float) -> dict[str, Any]:
    if fields["name"] == "below":
        return fields | {"alerts": [{"kind": "total_below", "usd": limit_usd}]}
    if fields["name"] == "rig":
        rig = {"gpu": "RTX 4070", "gpu_watts": 200, "host_watts": 90, "electricity_usd_per_kwh": usd_per_kwh}
        return fields | {"ranking": {"workload": "nanochat-d32", "rigs": [rig]}}
    return fields


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


# The table -----------------------------------------------------------------------------------------------------------


def table(received: Receiver) -> list[str]:
    """Who was told what, and when by their own clock; each message once, by its key."""
    reports = sorted((json.loads(each.body) for each in received.by_key().values()), key=_order)
    return [_line(report) for report in reports]


def _order(report: dict[str, Any]) -> tuple[str, str]:
    return report["made_at"], report["subscription"]


def _line(report: dict[str, Any]) -> str:
    zone = ZoneInfo(ZONES.get(report["subscription"], "UTC"))
    at = datetime.fromisoformat(report["made_at"]).astimezone(zone)
    return f"{at:%a %d %b %H:%M %Z} | {report['subscription']} | {report['subject']}".replace("\u00a0", " ")


# One process that lives through it, and one that kills it ------------------------------------------------------------


async def lived(database_url: str, folder: Path) -> None:
    async with (
        open_database(Settings(database_url=database_url)) as database,
        world(database, folder, Clock(BEGIN)) as here,
    ):
        await live(here, folder / "done")


async def survived(database_url: str, folder: Path, received: Receiver, kills: int, seed: int = 7) -> int:
    """The month in a process that is killed so often, at random moments; how often it was."""
    chance, killed = random.Random(seed), 0
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--database-url",
            database_url,
            "--folder",
            str(folder),
            env={**os.environ, "MONTH_RECEIVER": received.address},
            stdout=subprocess.DEVNULL,
        )
        wait = chance.uniform(0.05, 0.6) + STARTING_S if killed < kills else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), wait)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            killed += 1
        elif process.returncode == 0:
            return killed
        else:
            raise RuntimeError(f"the month ended with {process.returncode}")


STARTING_S: Final = 1.2  # before a process has done anything


@asynccontextmanager
async def _somewhere() -> AsyncIterator[tuple[str, Path]]:
    """An embedded database of one run."""
    with tempfile.TemporaryDirectory(prefix="month-") as name:
        async with open_database(Settings(data_dir=Path(name))) as database:
            await database.migrate()
            yield database.url(), Path(name)


async def main(options: argparse.Namespace) -> Sequence[str]:
    async with receiver() as received, _somewhere() as (url, folder):
        os.environ["MONTH_RECEIVER"] = received.address
        if options.kill:
            received.answer = _slowly
            killed = await survived(url, folder, received, options.kill)
            sys.stderr.write(f"killed {killed} times; {len(received.posted)} messages, some of them twice\n")
        else:
            await lived(url, folder)
        return table(received)


async def _slowly(posted: Posted) -> tuple[int, dict[str, str]]:
    """So that a kill may come between the sending and the noting."""
    await asyncio.sleep(0.02)
    return 204, {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kill", type=int, default=0, metavar="TIMES", help="kill the process so often")
    parser.add_argument("--database-url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.database_url:
        asyncio.run(lived(given.database_url, given.folder))
    else:
        sys.stdout.write("\n".join(asyncio.run(main(given))) + "\n")
