"""The price lists that the SkyPilot project publishes, one CSV per cloud (github.com/skypilot-org/skypilot-catalog).

Prices are of whole machines per hour. The columns differ from list to list in order and presence, and are read by
name. Left out are rows without a GPU, and rows with a fraction of one (an eighth of an A10): no machine that we can
estimate. A spot price of 0, or equal to the price, is none. Rows that differ only in zone are one machine, at the
cheapest. No row says when its price was seen, so it counts from the day it is read.

`GpuInfo` is a Python literal, or JSON, or a mixture of both, or a bare name; it gives memory in MiB, or in GB under
that name, or 0 where it is not known, and in some lists the machine's instead of the GPU's. The form factor stands in
the instance type where the name lacks it.

A list does not say whose it is: an answer is kept under its cloud's folder, and a bare list is told by its instance
types and columns.
"""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, each, get, narrow
from providers.skypilot.clouds import CLOUDS, Cloud, country_of, seller_of
from providers.words import in_usual_form

COLUMNS = {"InstanceType", "AcceleratorName", "AcceleratorCount", "GpuInfo", "Price", "SpotPrice", "Region"}
CUT_OFF = "\0"  # in the place of columns that a row lacks
FORM_FACTOR = re.compile(r"sxm\d?|pci|nvl(?!ink)", re.IGNORECASE)


class Row(msgspec.Struct, rename="pascal"):
    """What is read of a row; an empty field is absent."""

    instance_type: str
    accelerator_name: str
    accelerator_count: Decimal
    gpu_info: str | None = None
    price: Decimal | None = None
    spot_price: Decimal | None = None
    region: str | None = None
    provider: str | None = None  # whose machine it is: Spheron's list only
    upstream_cloud_id: str | None = None  # what its owner calls it: Prime Intellect's and Verda's lists only


class MemoryInfo(msgspec.Struct, rename={"size": "SizeInMiB"}):
    size: float


class GpuModel(msgspec.Struct, rename="pascal"):
    name: str
    memory_info: MemoryInfo


class GpuInfo(msgspec.Struct, rename="pascal"):
    gpus: list[GpuModel]


class SkyPilot(Provider):
    name = "SkyPilot catalogue"
    pricing_page = "https://github.com/skypilot-org/skypilot-catalog"
    calls = dict.fromkeys(CLOUDS, str)
    source = "catalogue"
    interval = timedelta(hours=12)
    url = "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs/v8/{folder}/vms.csv"
    page = "https://github.com/skypilot-org/skypilot-catalog/blob/master/catalogs/v8/{folder}/vms.csv"

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        async def read(cloud: Cloud) -> Answer | None:
            """A cloud's list; None where it is no longer, or not yet, part of the catalogue."""
            response = await get(client, self.url.format(folder=cloud.folder), accept={404})
            return None if response.status_code == 404 else Answer(cloud.folder, response.text)

        lists = await each([cloud for cloud in CLOUDS.values() if cloud.priced], read)
        return [answer for answer in lists if answer]

    def saved_answers(self, body: Any) -> list[Answer]:
        return [Answer(cloud_of(body).folder, body)] if isinstance(body, str) else super().saved_answers(body)

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            cloud = CLOUDS[answer.call]
            offers = offers_of(cloud, rows_of(answer.call, answer.body)) if cloud.priced else ()
            yield from cheapest(offers)


def rows_of(call: str, text: str) -> list[Row]:
    """The rows with a whole number of GPUs. Raises PayloadChanged with the row and the column."""
    try:
        with_gpu = [row for row in table_of(text) if row["AcceleratorName"]]
        if any(CUT_OFF in row.values() for row in with_gpu):
            raise PayloadChanged("a row is cut off, and so may be the price in it - at `$[...]`")
        filled = [{name: value for name, value in row.items() if name and value} for row in with_gpu]
        rows: list[Row] = narrow(filled, list[Row])
    except PayloadChanged as mismatch:
        raise PayloadChanged(f"{call}: {mismatch}") from mismatch
    return [row for row in rows if row.accelerator_count and row.accelerator_count % 1 == 0]


def table_of(text: str) -> csv.DictReader[str]:
    """The rows by column. Raises PayloadChanged when a column that is read is missing."""
    table = csv.DictReader(io.StringIO(text), restval=CUT_OFF)
    if lacking := COLUMNS - set(table.fieldnames or ()):
        raise PayloadChanged(f"Table missing required column `{min(lacking)}` - at `$[0]`")
    return table


def cloud_of(text: str) -> Cloud:
    """Whose list this is, by its instance types and columns. Raises PayloadChanged where that is not clear."""
    table = table_of(text)
    names = [row["InstanceType"] for row in table if row["AcceleratorName"]]
    fitting = [cloud for cloud in CLOUDS.values() if names and fits(cloud, names, table.fieldnames or ())]
    fitting = [cloud for cloud in fitting if cloud.column] or fitting
    if len(fitting) != 1:
        known = ", ".join(cloud.folder for cloud in fitting) or "none that is known"
        raise PayloadChanged(f'not clear whose price list this is ({known}); say so: {{"<cloud>": "<the list>"}}')
    return fitting[0]


def fits(cloud: Cloud, names: Sequence[str], columns: Sequence[str]) -> bool:
    has_column = cloud.column is None or cloud.column in columns
    return has_column and all(re.fullmatch(cloud.machines, name) for name in names)


def offers_of(cloud: Cloud, rows: Sequence[Row]) -> Iterator[Offer]:
    for row in rows:
        if row.price:
            yield offer_of(cloud, row, row.price, PurchaseOption.ON_DEMAND)
        if row.spot_price and row.spot_price != row.price:
            yield offer_of(cloud, row, row.spot_price, PurchaseOption.SPOT)


def offer_of(cloud: Cloud, row: Row, price: Decimal, pricing: PurchaseOption) -> Offer:
    count = int(row.accelerator_count)
    name, memory_gb = gpu_info(row.gpu_info or row.accelerator_name)
    tier = re.search(r"_(SECURE|COMMUNITY)$", row.instance_type)
    region = None if row.region == "default" else row.region
    seller = seller_of(cloud, row.instance_type, row.provider)
    return Offer(
        instance_type=row.instance_type,
        gpu=in_usual_form(with_form_factor(name, cloud, row), seller or cloud.slug),
        gpu_count=count,
        gpu_memory_gb=memory_gb / count if memory_gb and cloud.memory == "machine" else memory_gb,
        price_per_hour=price,
        currency=cloud.currency,
        pricing=pricing,
        region=region,
        country=country_of(cloud, region) if region else None,
        tier=tier[1].lower() if tier else None,
        provider=cloud.slug,
        seller=seller,
        source_url=SkyPilot.page.format(folder=cloud.folder),
    )


@cache
def gpu_info(text: str) -> tuple[str, float | None]:
    """Name and memory in GB of the first GPU; a bare name has no memory."""
    if not text.startswith("{"):
        return text, None
    try:
        literal = ast.literal_eval(text.replace("null", "None"))
    except (SyntaxError, ValueError) as error:
        raise PayloadChanged(f"neither Python nor JSON: {text} - at `$[...].GpuInfo`") from error
    try:
        info: GpuInfo = narrow(literal, GpuInfo)
    except PayloadChanged as mismatch:
        raise PayloadChanged(f"{mismatch} in `$[...].GpuInfo`") from mismatch
    size = info.gpus[0].memory_info.size
    return info.gpus[0].name, (size / 1024 if size >= 1024 else size) or None


def with_form_factor(name: str, cloud: Cloud, row: Row) -> str:
    """The GPU as written, with the form factor from the instance type where the name has none."""
    if cloud.gpu and (found := re.fullmatch(cloud.gpu, row.instance_type)):
        return found[1].replace("_", " ")
    called = f"{row.instance_type} {row.upstream_cloud_id or ''}"
    form_factor = FORM_FACTOR.search("PCIe" if row.instance_type in cloud.pcie else called)
    if not form_factor or FORM_FACTOR.search(name):
        return name
    return f"{name} {form_factor[0].upper().replace('PCI', 'PCIe')}"


def cheapest(offers: Iterable[Offer]) -> Iterator[Offer]:
    """One offer of each machine, region and purchase option, in the order of the list."""
    best: dict[tuple[str, str | None, PurchaseOption], Offer] = {}
    for offer in offers:
        key = (offer.instance_type, offer.region, offer.pricing)
        if key not in best or offer.price_per_hour < best[key].price_per_hour:
            best[key] = offer
    yield from best.values()
