"""Nebius: a table of its price page, per GPU and hour; its API speaks gRPC to accounts only.

The table stands in the page's scripts as JSON, escaped once or twice over. It has no regions and no stock. The columns
are found by their titles: preemptible stands before on demand. "––" and "[Contact us](…)" are no prices. A price "from"
is that of the smallest machine, which has one GPU and the lower end of the range of vCPUs and RAM: "from $1.55" is
gpu-l40s-a.1gpu-8vcpu-32gb at $1.5484 (that, and the machines of eight, are in SkyPilot's list of its presets,
github.com/skypilot-org/skypilot-catalog, nebius/vms.csv, as of 2026-11). How many GPUs a machine has is not on the
page; one is taken, and for HGX, which is a board of eight, also eight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from providers.base import Answer, Offer, PayloadChanged, Provider, PurchaseOption, get, narrow
from providers.pages import dollars

TITLES = ("Item", "vCPUs", "RAM, GB", "Preemptible, GPU-hour", "On-demand, GPU-hour")
TABLE = re.compile(r'"table":\s*')


class Table(msgspec.Struct):
    content: list[list[str]]  # the first row holds the titles


class Block(msgspec.Struct):
    table: Table


class Nebius(Provider):
    name = "Nebius"
    pricing_page = "https://nebius.com/prices"
    calls = {"block": Block, "page": str}
    interval = timedelta(hours=12)

    async def fetch(self, client: httpx.AsyncClient) -> list[Answer]:
        return [Answer("page", (await get(client, self.pricing_page)).text)]

    def parse(self, answers: Sequence[Answer]) -> Iterator[Offer]:
        for answer in answers:
            table = table_in(narrow(answer.body, str)) if answer.call == "page" else narrow(answer.body, Block).table
            titles, *rows = table.content or [[]]
            if lacking := [title for title in TITLES if title not in titles]:
                raise PayloadChanged(f"no column is called {lacking[0]!r} - at `$.table.content[0]`")
            for row in rows:
                cells = dict(zip(titles, row, strict=False))
                if lacking := [title for title in TITLES if title not in cells]:
                    raise PayloadChanged(f"no {lacking[0]!r} in {row!r:.80} - at `$.table.content[...]`")
                yield from offers_of(cells)


def table_in(page: str) -> Table:
    """The table of GPUs, told by its titles. Raises PayloadChanged where there is none, or more than one."""
    found = [
        table for table in tables_in(unescaped(page)) if table.content and "On-demand, GPU-hour" in table.content[0]
    ]
    if len(found) != 1:
        raise PayloadChanged(f"{len(found)} tables with a column 'On-demand, GPU-hour' on the page - at `$`")
    return found[0]


def unescaped(page: str) -> str:
    """The page with the quotes of its JSON as they are, and its other escapes escaped once."""
    return re.sub(r"\\+", r"\\", re.sub(r'\\+"', '"', page))


def tables_in(plain: str) -> Iterator[Table]:
    """Every table of the page that is readable; other tables may hold what unescaping breaks."""
    for start in TABLE.finditer(plain):
        try:
            body: Any = json.JSONDecoder().raw_decode(plain, start.end())[0]
            yield narrow(body, Table)
        except (json.JSONDecodeError, PayloadChanged):
            continue


def offers_of(cells: dict[str, str]) -> Iterator[Offer]:
    item, vcpus, ram, preemptible, on_demand = (cells[title].strip() for title in TITLES)
    is_board = "HGX" in item
    for text, pricing in ((on_demand, PurchaseOption.ON_DEMAND), (preemptible, PurchaseOption.SPOT)):
        price = None if text.startswith("[") else dollars(text.removeprefix("from "))
        if not price or (pricing is PurchaseOption.SPOT and preemptible == on_demand):
            continue
        for count in (1, 8) if is_board else (1,):
            yield Offer(
                instance_type=item,
                gpu=re.sub(r" with \w+ CPU$", "", item),
                gpu_count=count,
                price_per_hour=price * count,
                currency="USD",
                pricing=pricing,
                vcpus=times(count, vcpus),
                host_memory_gb=times(count, ram),
                interconnect="nvlink" if count > 1 else None,
                count_is_derived=True,
            )


def times(count: int, share: str) -> float | None:
    """What so many GPUs have, of the 16 or the 16-192 that go with one."""
    least = re.match(r"\d+", share)
    return float(least[0]) * count if least else None
