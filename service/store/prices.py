"""What things cost: now, on any day, and as far as the checks of a new run need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from itertools import compress
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from providers.base import PurchaseOption
from service.checks import LastPrice, Previous, SkuKey

Asked = AsyncConnection | AsyncSession
Texts = list[str]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CurrentPrices:
    """Every price that was current at a time, with what it is the price of: column by column, all in the same order.

    Of texts that are missing, "" is none; of numbers, NaN. Times are seconds since 1970.
    """

    offer_id: Texts
    collector: Texts
    provider: Texts
    seller: Texts
    instance_type: Texts
    gpu: Texts
    region: Texts
    country: Texts
    tier: Texts
    pricing: Texts
    source: Texts
    source_url: Texts
    currency: Texts
    interconnect: Texts
    attribution: Texts
    gpu_count: Numbers
    term_months: Numbers
    price_per_hour: Numbers
    upfront: Numbers
    available: Numbers  # 1 or 0
    count_is_derived: Numbers  # 1 or 0
    vcpus: Numbers
    host_memory_gb: Numbers
    disk_gb: Numbers
    network_gbit_s: Numbers
    first_seen: Numbers
    last_seen: Numbers  # never after the time asked for

    def __len__(self) -> int:
        return len(self.offer_id)

    @classmethod
    def none(cls) -> CurrentPrices:
        columns: dict[str, Any] = {name: [] for name in TEXTS}
        return cls(**columns | dict.fromkeys(NUMBERS, np.zeros(0)))

    def only(self, chosen: NDArray[np.bool_]) -> CurrentPrices:
        """These prices only."""
        if chosen.all():
            return self
        columns: dict[str, Any] = {name: list(compress(getattr(self, name), chosen.tolist())) for name in TEXTS}
        return CurrentPrices(**columns | {name: getattr(self, name)[chosen] for name in NUMBERS})


class KnownPrice(NamedTuple):
    """What one GPU-hour costs somewhere now: what new prices are judged by."""

    gpu: str
    price_per_gpu_hour: Decimal
    currency: str


async def current_prices(asked: Asked, at: datetime) -> CurrentPrices:
    """Every price that was current at a time: seen by then, and not closed by then."""
    (record,) = await fetch(asked, CURRENT_PRICES, at)
    columns: dict[str, Any] = {name: record[name].split(SEPARATOR) if record["prices"] else [] for name in TEXTS}
    columns |= {name: np.frombuffer(record[name], ">f8").astype(np.float64) for name in NUMBERS}
    return CurrentPrices(**columns)


async def live_providers(asked: Asked, at: datetime) -> set[str]:
    """The providers that a believed run of their own module had read by then; what lists say of them no longer counts.

    A second module may read a part of a provider's prices, such as reservations; that part alone hides nothing.
    """
    return {record["provider"] for record in await fetch(asked, LIVE_PROVIDERS, at)}


async def known_prices(asked: Asked) -> Sequence[KnownPrice]:
    """Every open price per GPU."""
    return [KnownPrice(*record) for record in await fetch(asked, KNOWN_PRICES)]


async def previous(asked: Asked, collector: str) -> Previous:
    """What a collector's earlier runs said: open prices, the last run's jumps, and how much the last good run saw."""
    prices = await fetch(asked, OPEN_PRICES_OF_A_COLLECTOR, collector)
    jumps = await fetch(asked, JUMPS_OF_THE_LAST_RUN, collector)
    last_good = await fetch(asked, OBSERVATIONS_OF_THE_LAST_GOOD_RUN, collector)
    return Previous(
        prices=dict(map(_last_price, prices)),
        jumps=dict(map(_last_price, jumps)),
        observations=last_good[0]["observations"] if last_good else 0,
    )


def _last_price(record: Any) -> tuple[SkuKey, LastPrice]:
    *key, pricing, term_months, price_per_hour, currency = record
    return SkuKey._make([*key, PURCHASE_OPTIONS[pricing], term_months]), LastPrice(price_per_hour, currency)


PURCHASE_OPTIONS: Final = {option.value: option for option in PurchaseOption}


async def fetch(asked: Asked, query: str, *values: object) -> list[Any]:
    """Ask through the driver: rows by the ten thousand are read twice as fast as through SQLAlchemy."""
    connection = await asked.connection() if isinstance(asked, AsyncSession) else asked
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    records: list[Any] = await driver.fetch(query, *values)
    return records


def as_bytes(number: str) -> str:
    """A column of numbers as NumPy reads them: eight bytes each, big-endian."""
    return f"string_agg(float8send(coalesce(({AS_NUMBER.get(number, number)})::float8, 'NaN')), '')"


TEXTS: Final = tuple(field.name for field in fields(CurrentPrices) if field.type == "Texts")
NUMBERS: Final = tuple(field.name for field in fields(CurrentPrices) if field.type == "Numbers")

SEPARATOR: Final = "\x1f"  # in no text: the checks put a space for every control character
AS_NUMBER: Final = {
    "available": "available::integer",
    "count_is_derived": "count_is_derived::integer",
    "first_seen": "date_part('epoch', first_seen)",
    "last_seen": "date_part('epoch', least(last_seen, $1))",
}

# Each column in one value, since sixty thousand rows of thirty take a second to tell apart
CURRENT_PRICES: Final = f"""
SELECT count(*) AS prices,
       {", ".join(f"coalesce(string_agg(coalesce({text}, ''), '{SEPARATOR}'), '') AS {text}" for text in TEXTS)},
       {", ".join(f"coalesce({as_bytes(number)}, '') AS {number}" for number in NUMBERS)}
  FROM price JOIN sku ON sku.id = price.sku_id
 WHERE first_seen <= $1 AND (closed_at IS NULL OR closed_at > $1)
"""

LIVE_PROVIDERS: Final = """
SELECT provider
  FROM (SELECT DISTINCT provider FROM sku WHERE source = 'live' AND collector = provider) AS told
 CROSS JOIN LATERAL (  -- one price is enough, however many there are
   SELECT FROM sku JOIN price ON price.sku_id = sku.id AND price.first_seen <= $1
    WHERE sku.collector = told.provider AND sku.provider = told.provider AND sku.source = 'live'
    LIMIT 1
 ) AS seen
"""

KNOWN_PRICES: Final = """
SELECT gpu, price_per_hour / gpu_count AS price_per_gpu_hour, currency
  FROM price JOIN sku ON sku.id = price.sku_id
 WHERE closed_at IS NULL
"""

OPEN_PRICES_OF_A_COLLECTOR: Final = """
SELECT provider, seller, instance_type, gpu, gpu_count, region, tier, pricing, term_months, price_per_hour, currency
  FROM price JOIN sku ON sku.id = price.sku_id
 WHERE closed_at IS NULL AND collector = $1
"""

# A run set aside counts: when every price of a provider doubles at once, its first run is one, and the next is news.
# The offer stands as it was read; what it is sold as follows from the SKU whose price it jumped from.
JUMPS_OF_THE_LAST_RUN: Final = """
SELECT sku.provider, sku.seller, sku.instance_type, sku.gpu, sku.gpu_count, sku.region, sku.tier, sku.pricing,
       sku.term_months, (offer ->> 'price_per_hour')::numeric AS price_per_hour, offer ->> 'currency' AS currency
  FROM rejection
  JOIN sku ON sku.collector = $1
   AND sku.instance_type = offer ->> 'instance_type'
   AND sku.gpu_count = (offer ->> 'gpu_count')::numeric
   AND sku.pricing = offer ->> 'pricing'
   AND sku.provider = coalesce(offer ->> 'provider', $1)
   AND sku.seller IS NOT DISTINCT FROM offer ->> 'seller'
   AND sku.region IS NOT DISTINCT FROM offer ->> 'region'
   AND sku.tier IS NOT DISTINCT FROM offer ->> 'tier'
   AND sku.term_months IS NOT DISTINCT FROM (offer ->> 'term_months')::integer
 WHERE reason = 'unexplained_jump'
   AND run_id = (SELECT max(id) FROM run WHERE collector = $1 AND outcome IN ('ok', 'set_aside'))
"""

OBSERVATIONS_OF_THE_LAST_GOOD_RUN: Final = """
SELECT observations FROM run WHERE collector = $1 AND outcome = 'ok' ORDER BY id DESC LIMIT 1
"""
