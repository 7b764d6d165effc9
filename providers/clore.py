"""Clore.ai: a marketplace of other people's servers, each rented as a whole, at a price per DAY.

Per day is how the tools read it that really rent there; one collector takes the same numbers as hourly (seen 2026-09).
Hosts choose the coins they are paid in: the price is what they ask in "USD-Blockchain", and a host who takes no dollars
has none. Answers without `on_demand` give the price in dollars under `usd`. `spot` is what a bid starts from and no
price. Names of GPUs begin with a space. A server with different GPUs ("mixed") is left out. Opening an order costs 0.10
USD once, which is not in the price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Header, Offer, Provider, get_json, narrow, spread

HOURS_PER_DAY = 24


class OnDemand(msgspec.Struct, rename={"dollars": "USD-Blockchain"}):
    dollars: Decimal | None = None


class InDollars(msgspec.Struct):
    on_demand_usd: Decimal | None = None


class Price(msgspec.Struct):
    on_demand: OnDemand | None = None
    usd: InDollars | None = None

    @property
    def per_day(self) -> Decimal | None:
        if self.on_demand:
            return self.on_demand.dollars
        return self.usd.on_demand_usd if self.usd else None


class Network(msgspec.Struct):
    cc: str | None = None  # country


class Specs(msgspec.Struct):
    gpu: str = ""  # "8x NVIDIA H100 80GB HBM3"
    gpuram: float | None = None  # of one GPU, in whole GB as its driver reports it
    net: Network | None = None


class Server(msgspec.Struct):
    id: int
    rented: bool
    gpu_array: list[str]
    price: Price
    specs: Specs | None = None


class Marketplace(msgspec.Struct):
    servers: list[Server]


class Clore(Provider):
    name = "Clore.ai"
    pricing_page = "https://clore.ai/marketplace"
    calls = {"marketplace": Marketplace}
    auth = Header("CLORE_API_KEY", "auth")
    auth_is_optional = True  # several tools read the marketplace without one
    interval = timedelta(minutes=30)
    marketplace = True
    url = "https://api.clore.ai/v1/marketplace"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        headers = self.auth.headers(self.secrets)
        return [Answer("marketplace", await get_json(client, self.url, headers=headers))]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            for server in narrow(answer.body, Marketplace).servers:
                gpu = only_kind(server)
                if gpu and server.price.per_day:
                    yield offer_of(server, gpu, server.price.per_day)


def only_kind(server: Server) -> str | None:
    """The GPU of a server whose GPUs are all alike."""
    kinds = {gpu.strip() for gpu in server.gpu_array}
    is_mixed = len(kinds) != 1 or (server.specs is not None and "mixed" in server.specs.gpu.lower())
    return None if is_mixed else kinds.pop()


def offer_of(server: Server, gpu: str, per_day: Decimal) -> Offer:
    specs = server.specs or Specs()
    country = ((specs.net and specs.net.cc) or "").upper() or None
    return Offer(
        instance_type=str(server.id),
        gpu=specs.gpu or gpu,  # it says how many there are, which has to be the number in the other list
        gpu_count=len(server.gpu_array),
        gpu_memory_gb=specs.gpuram,
        price_per_hour=spread(per_day, HOURS_PER_DAY),
        currency="USD",
        region=country,
        country=country,
        available=not server.rented,
    )
