"""CoreWeave: a price page with one table per region, per hour of the whole node; no price list to ask for.

Each row is twice in the page, as cells and for small screens. The number of GPUs can carry the mark of a footnote
("4^1" is 4). "Contact sales" and "N/A" are no prices. The last column, for customers of the inference platform, is per
GPU and not read. Sizes are binary: 1 TB is 1024 GB, as a footnote says. Tables of processors have another first column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get, narrow
from providers.pages import Element, dollars, number, read_page, text_of

GPU, COUNT, VRAM, VCPUS = "GPU Model", "GPU Count", "VRAM (GB)", "vCPUs"
RAM, DISK = "System RAM (GB)", "Local Storage (TB)"
ON_DEMAND, SPOT = "On-Demand Price (Per Hour)", "Spot Price (Per Hour)"
COLUMNS = (GPU, COUNT, VRAM, VCPUS, RAM, DISK, ON_DEMAND, SPOT)


class Table(msgspec.Struct):
    region: str
    columns: list[str]
    rows: list[list[str]]


class CoreWeave(Provider):
    name = "CoreWeave"
    pricing_page = "https://www.coreweave.com/pricing"
    calls = {"page": str, "table": Table}
    interval = timedelta(hours=1)  # it has spot prices

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("page", (await get(client, self.pricing_page)).text)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            tables = tables_of(answer.body) if answer.call == "page" else [narrow(answer.body, Table)]
            for table in tables:
                yield from offers_of(table)


def tables_of(html: object) -> list[Table]:
    sections = [table_of(section) for section in read_page(html).css(".section-content")]
    tables = [table for table in sections if table.columns[:1] == [GPU]]
    if not any(table.rows for table in tables):
        raise PayloadChanged(f"no table with the column {GPU!r}")
    return tables


def table_of(section: Element) -> Table:
    return Table(
        region=text_of(section, "h5").upper().removeprefix("REGION:").strip(),
        columns=[text_of(header) for header in section.css(".table-header-text")],
        rows=[[text_of(cell) for cell in row.css(".table-v2-cell")] for row in section.css(".table-row-v2")],
    )


def offers_of(table: Table) -> Iterator[Offer]:
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise PayloadChanged(f"no column {missing[0]!r} - at `$.columns`")
    for row in table.rows:
        yield from offers_in(dict(zip(table.columns, row, strict=False)), table.region)


def offers_in(row: Mapping[str, str], region: str) -> Iterator[Offer]:
    """What a row offers; a row that is cut off has no price in the cells that it lacks."""
    on_demand, spot = (dollars(row.get(column, "")) for column in (ON_DEMAND, SPOT))
    if on_demand:
        yield node(row, region, on_demand)
    if spot and spot != on_demand:
        yield replace(node(row, region, spot), pricing=PurchaseOption.SPOT)


def node(row: Mapping[str, str], region: str, price: Decimal) -> Offer:
    if missing := [column for column in (GPU, COUNT, VRAM, VCPUS, RAM, DISK) if column not in row]:
        raise PayloadChanged(f"a row without {missing[0]!r} - at `$.rows[...]`")
    gpu = row[GPU]
    return Offer(
        instance_type=gpu,
        gpu=gpu,
        gpu_count=int(number(re.sub(r"\^\d+$", "", row[COUNT]), "number of GPUs")),
        gpu_memory_gb=number(row[VRAM], "memory of a GPU"),
        price_per_hour=price,
        currency="USD",
        region=region,
        vcpus=number(row[VCPUS], "number of vCPUs"),
        host_memory_gb=number(row[RAM], "memory"),
        disk_gb=number(row[DISK], "size of a disk") * 1024,
        interconnect="nvlink" if re.search(r"\b(?:HGX|NVL\d+)\b", gpu) else None,
    )
