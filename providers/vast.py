"""Vast.ai: a marketplace of other people's machines; an ask is a number of GPUs of one machine at one price.

The instance type is the machine, not the ask: asks come and go, and the same machine is often asked for twice (then the
cheapest counts). A machine can be rented in parts, so several GPU counts of one machine are several offers. Hosts are
verified, unverified or deverified: that is the tier. `dph_total` is the price of the whole ask per hour; it includes
the smallest disk (8 GB, a fraction of a cent) and nobody gets the GPUs without it, so it is kept. `min_bid` is the
floor of an auction and no price, so there is no spot. `gpu_ram` is in MiB.

The list is cut at 64 asks unless a limit is given, and has no pages. So it is read in order of the machines, each
request starting from the last machine of the one before, until one brings nothing new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, get_json, narrow

LIMIT = 1000  # asks of one request
DEFAULT_LIMIT = 64  # where the server cuts when it does not know the limit (seen November 2026)


class Ask(msgspec.Struct):
    id: int
    machine_id: int
    gpu_name: str
    num_gpus: int
    gpu_ram: float
    dph_total: Decimal
    is_bid: bool  # true: the price is what an interruptible instance bids at least
    rentable: bool
    rented: bool | None
    verification: str | None
    geolocation: str | None  # "Washington, US"

    @property
    def available(self) -> bool:
        return self.rentable and not self.rented


class Bundles(msgspec.Struct):
    offers: list[Ask]


class Vast(Provider):
    name = "Vast.ai"
    pricing_page = "https://vast.ai/pricing"
    calls = {"bundles": Bundles}
    marketplace = True
    url = "https://console.vast.ai/api/v0/bundles/"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        answers: list[Answer] = []
        seen: set[int] = set()
        machine = 0
        while True:
            body = await get_json(client, self.url, json=asks_from(machine))
            asks: list[Ask] = narrow(body, Bundles).offers
            if seen.issuperset(ask.id for ask in asks):
                return answers or [Answer("bundles", body)]
            answers.append(Answer("bundles", body, {"machine_id": f">={machine}"}))
            seen.update(ask.id for ask in asks)
            machine = last_machine(asks)

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        asks = [ask for answer in answers for ask in narrow(answer.body, Bundles).offers if not ask.is_bid]
        cheapest: dict[tuple[int, str, int], Ask] = {}
        for ask in sorted(asks, key=lambda ask: (not ask.available, ask.dph_total)):
            cheapest.setdefault((ask.machine_id, ask.gpu_name, ask.num_gpus), ask)
        yield from map(offer_of, cheapest.values())


def asks_from(machine: int) -> dict[str, Any]:
    """The asks of the machines from this one on, verified or not, that can be rented now."""
    return {
        "type": "on-demand",
        "machine_id": {"gte": machine},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "external": {"eq": False},
        "order": [["machine_id", "asc"]],
        "limit": LIMIT,
    }


def last_machine(asks: Sequence[Ask]) -> int:
    """Where the next request starts. Raises PayloadChanged when asks are missing and nothing says which."""
    machines = [ask.machine_id for ask in asks]
    if machines != sorted(machines) and len(machines) in (LIMIT, DEFAULT_LIMIT):
        raise PayloadChanged(
            f"cut at {len(machines)} asks and not in the order asked for - at `$.offers[...].machine_id`"
        )
    return max(machines)


def offer_of(ask: Ask) -> Offer:
    country = re.search(r"\b([A-Z]{2})$", ask.geolocation or "")
    return Offer(
        instance_type=str(ask.machine_id),
        gpu=ask.gpu_name,
        gpu_count=ask.num_gpus,
        gpu_memory_gb=ask.gpu_ram / 1024,
        price_per_hour=ask.dph_total,
        currency="USD",
        region=ask.geolocation,
        country=country[1] if country else None,
        tier=ask.verification,
        available=ask.available,
    )
