"""Which prices moved: every price that took the place of another one of the same SKU."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from service.store.prices import Asked, fetch


class PriceChange(NamedTuple):
    """One SKU's price before and after, as published, per GPU and hour."""

    gpu: str
    provider: str
    pricing: str
    instance_type: str
    region: str | None
    gpu_count: int
    currency: str
    before: Decimal
    now: Decimal
    at: datetime  # first seen
    last_seen: datetime
    source_url: str


async def price_changes(
    asked: Asked, since: datetime, until: datetime, *, least_percent: float, limit: int
) -> Sequence[PriceChange]:
    """Those that moved so far, the newest first. A change of currency is none: rates would move it."""
    share = Decimal(str(least_percent)) / 100
    return [PriceChange(*record) for record in await fetch(asked, PRICE_CHANGES, since, until, share, limit)]


PRICE_CHANGES: Final = """
WITH moved AS (
  SELECT sku_id, price_per_hour, currency, first_seen, last_seen,
         lag(price_per_hour) OVER earlier AS before, lag(currency) OVER earlier AS currency_before
    FROM price
   WHERE sku_id IN (SELECT sku_id FROM price WHERE first_seen BETWEEN $1 AND $2)
  WINDOW earlier AS (PARTITION BY sku_id ORDER BY first_seen, id)
)
SELECT gpu, provider, pricing, instance_type, region, gpu_count, currency,
       before / gpu_count, price_per_hour / gpu_count, first_seen, least(last_seen, $2), source_url
  FROM moved JOIN sku ON sku.id = moved.sku_id
 WHERE first_seen BETWEEN $1 AND $2 AND before IS NOT NULL AND currency = currency_before
   AND abs(price_per_hour - before) >= before * $3 AND price_per_hour <> before
 ORDER BY first_seen DESC, gpu, provider, instance_type, region
 LIMIT $4
"""
