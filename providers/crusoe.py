"""Crusoe Cloud: prices per GPU stand on its page only, machines and their stock in an API without prices.

The page gives one row per GPU: its name, memory and form as tags ("80GB", "HGX"), on demand and current spot, or
"Contact sales". With the three CRUSOE_... variables set, the machine types are asked for too, and each is offered at
its number of GPUs times the price of its GPU, where the API knows it, free or not (of several numbers for one place the
largest counts). GPUs that no machine type has, and all of them without the variables, are offered singly. Requests to
the API are signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import (
    CALM,
    Answer,
    CredentialsRefused,
    Keys,
    Offer,
    PayloadChanged,
    Provider,
    PurchaseOption,
    bodies_of,
    get,
    get_json,
    narrow,
)
from providers.pages import Element, dollars, read_page, text_of
from providers.words import country_in

API = "https://api.crusoecloud.com"
VERSION = "/v1alpha5"
COLUMNS = ["GPU model", "On-demand", "Current spot"]
FORMS = {"HGX": "SXM", "NVL72": "NVL"}  # as the page writes them -> as the API does


class Table(msgspec.Struct):
    columns: list[str]
    rows: list[tuple[str, str, str, str, str]]  # name, memory, form or nothing, on demand, spot


class MachineType(msgspec.Struct):
    product_name: str
    num_gpu: int
    gpu_type: str  # "H100-SXM-80GB", "MI355X_288GB"
    cpu_cores: float | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None


class MachineTypes(msgspec.Struct):
    items: list[MachineType]


class Capacity(msgspec.Struct):
    type: str
    location: str
    quantity: int


class Capacities(msgspec.Struct):
    items: list[Capacity]


class Crusoe(Provider):
    name = "Crusoe Cloud"
    pricing_page = "https://www.crusoe.ai/cloud/pricing"
    calls = {"page": str, "table": Table, "types": MachineTypes, "capacities": Capacities}
    auth = Keys(("CRUSOE_ACCESS_KEY", "CRUSOE_SECRET_KEY", "CRUSOE_PROJECT_ID"))
    auth_is_optional = True
    interval = timedelta(hours=1)  # the page has a column for current spot prices

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        page = Answer("page", (await get(client, self.pricing_page)).text)
        if not all(self.secrets.get(variable) for variable in self.auth.variables):
            return [page]
        project = self.secrets["CRUSOE_PROJECT_ID"]
        try:
            types = await self.ask(client, f"{VERSION}/projects/{project}/compute/vms/types")
            return [page, Answer("types", types), Answer("capacities", await self.ask(client, f"{VERSION}/capacities"))]
        except CredentialsRefused as refused:
            raise CredentialsRefused(f"{refused}: {', '.join(self.auth.variables)}") from refused

    async def ask(self, client: httpx.AsyncClient, path: str) -> object:
        at = (self.now or datetime.now(UTC)).replace(microsecond=0).isoformat()
        signature = signed(self.secrets["CRUSOE_SECRET_KEY"], f"{path}\n\nGET\n{at}\n")
        headers = {
            "X-Crusoe-Timestamp": at,
            "Authorization": f"Bearer 1.0:{self.secrets['CRUSOE_ACCESS_KEY']}:{signature}",
        }
        return await get_json(client, f"{API}{path}", headers=headers)

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        tables = [
            table_in(answer.body) if answer.call == "page" else narrow(answer.body, Table)
            for answer in answers
            if answer.call in ("page", "table")
        ]
        if not tables:
            raise PayloadChanged("machine types and capacities hold no prices: the price page is missing")
        types = [item for listed in bodies_of(answers, "types", MachineTypes) for item in listed.items]
        places = places_by_type(answers)
        for table in tables:
            yield from offers_of([priced(row) for row in rows_of(table)], types, places)


def signed(secret: str, text: str) -> str:
    """HMAC-SHA256 with the decoded secret, both in base64 for addresses and without its padding."""
    try:
        key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except ValueError as error:
        raise CredentialsRefused("CRUSOE_SECRET_KEY is no base64") from error
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


# The page ------------------------------------------------------------------------------------------------------------


def table_in(html: object) -> Table:
    for section in read_page(html).css(".pricing-dd"):
        columns = [text_of(heading) for heading in section.css(".pricing-heading")]
        if columns[:1] == COLUMNS[:1]:
            return Table(columns, [row_of(item) for item in section.css(".pricing_gpu-item")])
    raise PayloadChanged(f"no table with the column {COLUMNS[0]!r}")


def row_of(item: Element) -> tuple[str, str, str, str, str]:
    tags = [text_of(tag) for tag in item.css(".pricing-tag")]
    prices = [text_of(price) for price in item.css(".pricing-rich")]
    if len(tags) != 2 or len(prices) != 2:
        raise PayloadChanged(f"a row with {len(tags)} tags and {len(prices)} prices: {text_of(item)[:60]!r}")
    return text_of(item, ".pricing-item-heading"), tags[0], tags[1], prices[0], prices[1]


def rows_of(table: Table) -> list[tuple[str, str, str, str, str]]:
    if table.columns != COLUMNS:
        raise PayloadChanged(f"the columns are {table.columns} - at `$.columns`")
    return table.rows


@dataclass(frozen=True, slots=True)
class Priced:
    """A GPU with its prices per hour."""

    name: str  # "NVIDIA H100"
    memory_gb: float
    form: str  # "HGX"; "": it has but one
    on_demand: Decimal | None
    spot: Decimal | None

    @property
    def spelling(self) -> str:
        return f"{self.name} {self.form}".strip()

    def is_in(self, machine: MachineType) -> bool:
        """Whether a machine type has this GPU: "H100-SXM-80GB" is an NVIDIA H100 of 80 GB as SXM."""
        words = re.split(r"[-_ ]", machine.gpu_type)
        return (
            words[0] == self.name.rpartition(" ")[2]
            and words[-1] == f"{self.memory_gb:g}GB"
            and (not self.form or len(words) < 3 or words[1] == FORMS.get(self.form, self.form))
        )


def priced(row: tuple[str, str, str, str, str]) -> Priced:
    name, memory, form, on_demand, spot = row
    size = re.fullmatch(r"(\d{1,4}) ?GB", memory)
    if size is None:
        raise PayloadChanged(f"{name[:60]!r} with a memory of {memory[:60]!r} - at `$.rows[...]`")
    prices = (dollars(text, "/GPU-hr") for text in (on_demand, spot))
    return Priced(name, float(size[1]), form, *prices)


# Machines ------------------------------------------------------------------------------------------------------------


def places_by_type(answers: Sequence[Answer]) -> Mapping[str, Mapping[str, int]] | None:
    """How many of each machine type are free in each place; None where it was not asked."""
    told = list(bodies_of(answers, "capacities", Capacities))
    free: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for listed in told:
        for capacity in listed.items:
            known = free[capacity.type]
            known[capacity.location] = max(known[capacity.location], capacity.quantity)
    return free if told else None


def offers_of(
    gpus: Sequence[Priced], types: Sequence[MachineType], places: Mapping[str, Mapping[str, int]] | None
) -> Iterator[Offer]:
    for gpu in gpus:
        machines = [machine for machine in types if machine.num_gpu and gpu.is_in(machine)]
        for machine in machines:
            yield from at_its_prices(gpu, machine_of(gpu, machine), places)
        if not machines:
            yield from at_its_prices(gpu, single(gpu), None)


def at_its_prices(gpu: Priced, machine: Offer, places: Mapping[str, Mapping[str, int]] | None) -> Iterator[Offer]:
    for price, pricing in ((gpu.on_demand, PurchaseOption.ON_DEMAND), (gpu.spot, PurchaseOption.SPOT)):
        if price and (pricing is PurchaseOption.ON_DEMAND or price != gpu.on_demand):
            yield from in_its_places(
                replace(machine, price_per_hour=CALM.multiply(price, machine.gpu_count), pricing=pricing), places
            )


def in_its_places(machine: Offer, places: Mapping[str, Mapping[str, int]] | None) -> Iterator[Offer]:
    free = (places or {}).get(machine.instance_type, {})
    for place, quantity in free.items():
        yield replace(machine, region=place, country=country_in(place), available=quantity > 0)
    if not free:
        yield machine if places is None else replace(machine, available=False)


def machine_of(gpu: Priced, machine: MachineType) -> Offer:
    return replace(
        single(gpu),
        instance_type=machine.product_name,
        gpu_count=machine.num_gpu,
        vcpus=machine.cpu_cores,
        host_memory_gb=machine.memory_gb,
        disk_gb=machine.disk_gb or None,
        count_is_derived=False,
    )


def single(gpu: Priced) -> Offer:
    return Offer(
        instance_type=f"{gpu.spelling} {gpu.memory_gb:g}GB",
        gpu=gpu.spelling,
        gpu_count=1,
        gpu_memory_gb=gpu.memory_gb,
        price_per_hour=Decimal(),
        currency="USD",
        count_is_derived=True,
    )
