"""Civo: a price page with one table per GPU; on demand and, hidden beside it, committed for 6 to 36 months.

The page shows one term at a time and holds them all, hourly and monthly, under the same ids: hourly is what is read.
Prices are per hour of the whole size. The caption names the GPU with its form ("NVIDIA H100 SXM GPU pricing"), the row
how many of it and its memory ("8 x NVIDIA H100 - 80GB"). "N/A" is no price. The API lists sizes without prices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get, narrow
from providers.pages import Element, dollars, number, read_page, text_of

PER_HOUR = "(?:per hour)?"
NO_PRICE = Decimal()
CAPTION = re.compile(r"(.+) GPU pricing")
DETAIL = re.compile(r"(\d{1,3}) ?x .+ - (\d{1,4}) ?GB\b.*")


class Row(msgspec.Struct):
    size: str
    detail: str  # "8 x NVIDIA H200 - 141GB HBM3e"
    ram: str
    vcpu: str
    on_demand_hourly: str
    commitment_hourly: dict[str, str]  # "12_months" -> price
    storage: str = ""


class Table(msgspec.Struct):
    caption: str
    rows: list[Row]


class Civo(Provider):
    name = "Civo"
    pricing_page = "https://www.civo.com/pricing"
    calls = {"page": str, "table": Table}

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("page", (await get(client, self.pricing_page)).text)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            tables = tables_of(answer.body) if answer.call == "page" else [narrow(answer.body, Table)]
            for table in tables:
                for row in table.rows:
                    yield from offers_of(table, row)


# The page ------------------------------------------------------------------------------------------------------------


def tables_of(html: object) -> list[Table]:
    tables = [
        Table(caption, [row_of(row) for row in table.css("tbody tr")])
        for table in read_page(html).css("table")
        if CAPTION.fullmatch(caption := text_of(table, "caption"))
    ]
    if not any(table.rows for table in tables):
        raise PayloadChanged("no table with the caption 'NVIDIA ... GPU pricing'")
    return tables


def row_of(row: Element) -> Row:
    size = cell(row, "Size")
    return Row(
        size=text_of(size, deep=False),
        detail=text_of(size, ".product-detail"),
        ram=text_of(cell(row, "RAM")),
        vcpu=text_of(cell(row, "vCPU")),
        storage=text_of(cell(row, "Storage")),
        on_demand_hourly=hourly(cell(row, "On-demand price")),
        commitment_hourly={
            str(term.id): hourly(term) for term in cell(row, "Commitment price").css('div[id$="_months"]')
        },
    )


def cell(row: Element, title: str) -> Element:
    found = row.css_first(f'td[data-title="{title}"]')
    if found is None:
        raise PayloadChanged(f"a row without the cell {title!r}: {text_of(row)[:60]!r}")
    return found


def hourly(part: Element) -> str:
    return text_of(part, 'div[data-option="hourly"]')


# Prices --------------------------------------------------------------------------------------------------------------


def offers_of(table: Table, row: Row) -> Iterator[Offer]:
    on_demand = dollars(row.on_demand_hourly, PER_HOUR)
    machine = machine_of(table, row)
    if on_demand:
        yield replace(machine, price_per_hour=on_demand)
    for term, text in row.commitment_hourly.items():
        months = re.fullmatch(r"(\d{1,3})_months", term)
        if months is None:
            raise PayloadChanged(f"a commitment of {term!r} - at `$.rows[...].commitment_hourly`")
        if price := dollars(text, PER_HOUR):
            yield replace(machine, pricing=PurchaseOption.RESERVED, term_months=int(months[1]), price_per_hour=price)


def machine_of(table: Table, row: Row) -> Offer:
    """The size, still without a price."""
    caption, detail = CAPTION.fullmatch(table.caption), DETAIL.fullmatch(row.detail)
    if caption is None or detail is None:
        raise PayloadChanged(f"{table.caption[:60]!r}, {row.detail[:60]!r} name no GPU - at `$.rows[...].detail`")
    return Offer(
        instance_type=f"{caption[1]} {row.size}",
        gpu=caption[1],
        gpu_count=int(detail[1]),
        gpu_memory_gb=float(detail[2]),
        price_per_hour=NO_PRICE,
        currency="USD",
        vcpus=number(row.vcpu.removesuffix("cores"), "number of vCPUs"),
        host_memory_gb=gigabytes(row.ram),
        disk_gb=gigabytes(row.storage) if row.storage else None,
    )


def gigabytes(text: str) -> float:
    """The 2560 of "2.5TB", the 200 of "200GB NVMe"."""
    found = re.fullmatch(r"(.+?) ?(GB|TB)\b.*", text)
    if found is None:
        raise PayloadChanged(f"{text[:60]!r} is no size in GB or TB")
    return number(found[1], "size") * (1024 if found[2] == "TB" else 1)
