"""What things cost over time: one offer price by price, every GPU day by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from service.store.prices import Asked, fetch


class PastPrice(NamedTuple):
    """A price of one offer, from when to when."""

    offer_id: str
    collector: str
    provider: str
    seller: str | None
    instance_type: str
    gpu: str
    gpu_count: int
    region: str | None
    country: str | None
    tier: str | None
    pricing: str
    term_months: int | None
    source: str
    source_url: str
    attribution: str | None
    price_per_hour: Decimal
    currency: str
    upfront: Decimal | None
    available: bool | None
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None


class DayOfGpu(NamedTuple):
    """What one hour of one GPU cost at the end of a day, in dollars, over all its offers."""

    day: date
    gpu: str
    minimum: float
    median: float
    offers: int


class UnreadDay(NamedTuple):
    """A day on which a collector was asked and never believed, though a price of it for this GPU was held."""

    day: date
    gpu: str
    collector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which prices are asked for; what is empty keeps all."""

    gpus: Collection[str] = ()
    providers: Collection[str] = ()
    regions: Collection[str] = ()
    pricing: Collection[str] = ()


async def prices_of_offer(
    asked: Asked, offer_id: str, since: datetime, until: datetime, *, limit: int, offset: int = 0
) -> Sequence[PastPrice]:
    """Every price an offer had between two times, newest first."""
    records = await fetch(asked, PRICES_OF_OFFER, offer_id, since, until, limit, offset)
    return [PastPrice(*record) for record in records]


async def offer_exists(asked: Asked, offer_id: str) -> bool:
    return bool(await fetch(asked, "SELECT FROM sku WHERE offer_id = $1 LIMIT 1", offer_id))


async def first_price_at(asked: Asked) -> datetime | None:
    """Since when prices are known. None: none was ever seen."""
    records = await fetch(asked, "SELECT min(first_seen) AS first_seen FROM price")
    first: datetime | None = records[0]["first_seen"]
    return first


async def ever_sold(asked: Asked) -> tuple[set[str], set[str]]:
    """Providers and regions of every offer that ever had a price."""
    records = await fetch(asked, "SELECT DISTINCT provider, region FROM sku")
    return {record["provider"] for record in records}, {record["region"] for record in records if record["region"]}


async def prices_by_day(
    asked: Asked,
    moments: Mapping[date, datetime],
    usd_per_unit: Mapping[tuple[date, str], float],
    chosen: Chosen,
) -> Sequence[DayOfGpu]:
    """Minimum, median and number of prices per day and GPU, newest day first.

    `moments` says when each day is looked at, `usd_per_unit` what a currency was worth on it. What hides what is as in
    a ranking: live prices a catalogue's of the same provider, both a history's, all three what is bundled.
    """
    rates = list(usd_per_unit.items())
    records = await fetch(
        asked,
        PRICES_BY_DAY,
        list(moments),
        list(moments.values()),
        [day for (day, _), _ in rates],
        [currency for (_, currency), _ in rates],
        [usd for _, usd in rates],
        *(list(kept) or None for kept in (chosen.gpus, chosen.providers, chosen.regions, chosen.pricing)),
        min(moments.values()),
        max(moments.values()),
    )
    return [DayOfGpu(*record) for record in records]


async def days_unread(asked: Asked, since: datetime, until: datetime, chosen: Chosen) -> Sequence[UnreadDay]:
    """For each GPU that is chosen, which sources could not be read on which days (UTC), oldest first."""
    filters = (list(kept) or None for kept in (chosen.providers, chosen.regions, chosen.pricing))
    records = await fetch(asked, DAYS_UNREAD, since, until, list(chosen.gpus), *filters)
    return [UnreadDay(*record) for record in records]


DAYS_UNREAD: Final = """
WITH unread AS (
       SELECT (started_at AT TIME ZONE 'UTC')::date AS day, collector
         FROM run
        WHERE started_at >= $1 AND started_at <= $2
        GROUP BY 1, 2
       HAVING bool_and(outcome <> 'ok')
     )
SELECT unread.day, asked.gpu, unread.collector
  FROM unread CROSS JOIN unnest($3::text[]) AS asked (gpu)
 WHERE EXISTS (
         SELECT FROM sku JOIN price ON price.sku_id = sku.id
          WHERE sku.collector = unread.collector AND sku.gpu = asked.gpu
            AND ($4::text[] IS NULL OR sku.provider = ANY ($4)) AND ($5::text[] IS NULL OR sku.region = ANY ($5))
            AND ($6::text[] IS NULL OR sku.pricing = ANY ($6))
            AND price.first_seen < (unread.day + 1)::timestamp AT TIME ZONE 'UTC'
            AND (price.closed_at IS NULL OR price.closed_at > unread.day::timestamp AT TIME ZONE 'UTC')
       )
 ORDER BY unread.day, asked.gpu, unread.collector
"""

PRICES_OF_OFFER: Final = """
SELECT offer_id, collector, provider, seller, instance_type, gpu, gpu_count, region, country, tier, pricing,
       term_months, source, source_url, attribution, price_per_hour, currency, upfront, available,
       first_seen, last_seen, closed_at
  FROM sku JOIN price ON price.sku_id = sku.id
 WHERE offer_id = $1 AND first_seen <= $3 AND (closed_at IS NULL OR closed_at > $2)
 ORDER BY first_seen DESC, price.id DESC
 LIMIT $4 OFFSET $5
"""

PRICES_BY_DAY: Final = """
WITH moment AS (SELECT * FROM unnest($1::date[], $2::timestamptz[]) AS moment (day, at)),
     rate AS (SELECT * FROM unnest($3::date[], $4::text[], $5::float8[]) AS rate (day, currency, usd)),
     hiding AS MATERIALIZED (  -- of whom there is something to hide
       SELECT DISTINCT provider FROM sku WHERE source <> 'live'
     ),
     live AS MATERIALIZED (
       SELECT sku.provider, min(opened.first_seen) AS since
         FROM sku JOIN hiding ON hiding.provider = sku.provider CROSS JOIN LATERAL (
           SELECT first_seen FROM price WHERE price.sku_id = sku.id ORDER BY first_seen LIMIT 1
         ) AS opened
        WHERE sku.source = 'live' AND sku.collector = sku.provider
        GROUP BY sku.provider
     ),
     listed AS MATERIALIZED (
       SELECT moment.day, sku.provider, sku.source
         FROM sku
         JOIN price ON price.sku_id = sku.id
         JOIN moment ON price.first_seen <= moment.at AND (price.closed_at IS NULL OR price.closed_at > moment.at)
        WHERE sku.source IN ('catalogue', 'history')
          AND price.first_seen <= $11 AND (price.closed_at IS NULL OR price.closed_at > $10)
        GROUP BY moment.day, sku.provider, sku.source
     ),
     held AS (
       SELECT moment.day, sku.gpu, sku.provider, sku.source, live.since <= moment.at AS is_live,
              price.price_per_hour::float8 * rate.usd / sku.gpu_count AS usd
         FROM sku
         JOIN price ON price.sku_id = sku.id
         JOIN moment ON price.first_seen <= moment.at AND (price.closed_at IS NULL OR price.closed_at > moment.at)
         JOIN rate ON rate.day = moment.day AND rate.currency = price.currency
         LEFT JOIN live ON live.provider = sku.provider
        WHERE ($6::text[] IS NULL OR sku.gpu = ANY ($6)) AND ($7::text[] IS NULL OR sku.provider = ANY ($7))
          AND ($8::text[] IS NULL OR sku.region = ANY ($8)) AND ($9::text[] IS NULL OR sku.pricing = ANY ($9))
          AND price.first_seen <= $11 AND (price.closed_at IS NULL OR price.closed_at > $10)
     )
SELECT day, gpu, min(usd), percentile_cont(0.5) WITHIN GROUP (ORDER BY usd), count(*)
  FROM held
 WHERE source = 'live' OR (
         is_live IS NOT TRUE
         AND (source = 'catalogue' OR NOT EXISTS (
           SELECT FROM listed
            WHERE listed.day = held.day AND listed.provider = held.provider
              AND (listed.source = 'catalogue' OR held.source = 'bundled')
         ))
       )
 GROUP BY day, gpu
 ORDER BY day DESC, gpu
"""
