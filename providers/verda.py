"""Verda (formerly DataCrunch): one price per machine type everywhere; stock by location, in a call of its own.

Prices are text. A spot price of "0" is none. `max_dynamic_price` is the ceiling of a contract whose price floats, and
`serverless_price` is for containers: neither is what a machine costs. `gpu_memory` is the memory of all GPUs of the
machine together; a B300 is listed with 262 or 268 GB. Types without a GPU are in the list too.

The price list is asked for without a key, and with one when VERDA_CLIENT_ID and VERDA_CLIENT_SECRET are set. Where the
locations were told, each type is offered in each, available or not; otherwise once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    Answer,
    ClientCredentials,
    CredentialsRefused,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    bodies_of,
    get_json,
    narrow,
)


class Gpus(msgspec.Struct):
    description: str  # "8x H100 SXM5 80GB"
    number_of_gpus: int


class Memory(msgspec.Struct):
    size_in_gigabytes: float


class InstanceType(msgspec.Struct):
    instance_type: str
    price_per_hour: Decimal
    spot_price: Decimal
    currency: str
    gpu: Gpus
    gpu_memory: Memory


class Availability(msgspec.Struct):
    location_code: str
    availabilities: list[str]  # instance types


class Location(msgspec.Struct):
    code: str
    country_code: str


class Token(msgspec.Struct):
    access_token: str


class Verda(Provider):
    name = "Verda"
    pricing_page = "https://verda.com/pricing"
    calls = {
        "instance_types": list[InstanceType],
        "availabilities": list[Availability],
        "locations": list[Location],
    }
    auth = ClientCredentials("VERDA_CLIENT_ID", "VERDA_CLIENT_SECRET")
    auth_is_optional = True
    url = "https://api.verda.com/v1"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        try:
            headers = await self.headers(client)
            prices = Answer("instance_types", await get_json(client, f"{self.url}/instance-types", headers=headers))
        except CredentialsRefused as refused:
            raise CredentialsRefused(f"{refused}: {' and '.join(self.auth.variables)}") from refused
        try:
            return [prices, *await self.stock(client, headers)]
        except CredentialsRefused:
            return [prices]  # the price list may be open where the stock is not

    async def headers(self, client: httpx.AsyncClient) -> dict[str, str]:
        """A token for the client's id and secret where both are set."""
        client_id, client_secret = (self.secrets.get(variable) for variable in self.auth.variables)
        if not client_id or not client_secret:
            return {}
        asked = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        token: Token = narrow(await get_json(client, f"{self.url}/oauth2/token", json=asked), Token)
        return {"Authorization": f"Bearer {token.access_token}"}

    async def stock(self, client: httpx.AsyncClient, headers: dict[str, str]) -> list[Answer]:
        answers = [Answer("locations", await get_json(client, f"{self.url}/locations", headers=headers))]
        for is_spot in ("false", "true"):
            asked = {"is_spot": is_spot}
            body = await get_json(client, f"{self.url}/instance-availability", params=asked, headers=headers)
            answers.append(Answer("availabilities", body, asked))
        return answers

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        told = {answer.call for answer in answers}
        if told not in ({"instance_types"}, set(self.calls)):
            raise PayloadChanged(f"no {' and '.join(sorted(set(self.calls) - told))}: stock and places come together")
        machines = [
            machine for listed in bodies_of(answers, "instance_types", list[InstanceType]) for machine in listed
        ]
        if not machines:
            raise PayloadChanged("the price list is empty - at `$`")
        locations = [place for listed in bodies_of(answers, "locations", list[Location]) for place in listed]
        free = {pricing: free_machines(answers, pricing) for pricing in (PurchaseOption.ON_DEMAND, PurchaseOption.SPOT)}
        for machine in machines:
            for pricing, price in prices_of(machine):
                yield from offers_of(machine, pricing, price, locations, free[pricing])


def free_machines(answers: Sequence[Answer], pricing: PurchaseOption) -> set[tuple[str, str]] | None:
    """Location and type of what can be had now; None where it was not asked. Unless said, on demand is meant."""
    is_spot = "true" if pricing is PurchaseOption.SPOT else "false"
    told = [
        answer
        for answer in answers
        if answer.call == "availabilities" and answer.parameters.get("is_spot", "false") == is_spot
    ]
    places = [place for listed in bodies_of(told, "availabilities", list[Availability]) for place in listed]
    return {(place.location_code, machine) for place in places for machine in place.availabilities} if told else None


def prices_of(machine: InstanceType) -> Iterator[tuple[PurchaseOption, Decimal]]:
    if not machine.gpu.number_of_gpus:
        return
    yield PurchaseOption.ON_DEMAND, machine.price_per_hour
    if machine.spot_price not in (0, machine.price_per_hour):
        yield PurchaseOption.SPOT, machine.spot_price


def offers_of(
    machine: InstanceType,
    pricing: PurchaseOption,
    price: Decimal,
    locations: Sequence[Location],
    free: set[tuple[str, str]] | None,
) -> Iterator[Offer]:
    count = machine.gpu.number_of_gpus
    anywhere = Offer(
        instance_type=machine.instance_type,
        gpu=re.sub(r"^\d+x ", "", machine.gpu.description),
        gpu_count=count,
        gpu_memory_gb=machine.gpu_memory.size_in_gigabytes / count,
        price_per_hour=price,
        currency=machine.currency.upper(),
        pricing=pricing,
    )
    for place in locations:
        available = None if free is None else (place.code, machine.instance_type) in free
        yield replace(anywhere, region=place.code, country=place.country_code, available=available)
    if not locations:
        available = None if free is None else machine.instance_type in {name for _, name in free}
        yield replace(anywhere, available=available)
