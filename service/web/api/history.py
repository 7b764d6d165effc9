"""What things cost over time: one offer price by price, or every GPU day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.collect.rates import rates_at
from service.parameters import FieldError, InvalidParameters
from service.parameters.history import DAYS_UNLESS_SAID, FILTERS, MOST_DAYS, HistoryRequest, history_request
from service.presentation.answers import DayPrice, OfferPrice, day_price, offer_price
from service.ranking.request import cursor_of
from service.web.api.exports import JSON, accepted, exported
from service.web.caching import PAST_PRICES
from service.web.openapi import FORMAT, operation, problems, query
from service.web.pages import WHOLE_LIST, Items, Paging
from service.web.services import AnyRequest, Services, parameters_of

MOST_PRICES: Final = 100_000  # of one offer, in a file


@get(
    "/prices",
    opt=PAST_PRICES,
    tags=["prices"],
    summary="Prices over time: of one offer, or per day and GPU",
    description="With `id`, every price that offer had, newest first. Without, for each day and GPU the `minimum`,"
    " `median` and `count` of what an hour of one GPU cost at the end of the day (of today: now), in dollars at the"
    " rate of the day, as a ranking of that day has them: live prices hide what others list of the same provider."
    " `Accept: text/csv` or `application/vnd.apache.parquet` gives all rows at once, without paging.",
    operation_class=operation(
        query=FILTERS,
        changed={
            "gpu": {"meaning": "only of these GPUs"},
            "provider": {"meaning": "only of these providers (slugs)"},
            "region": {"meaning": "only in these regions"},
            "pricing": {"default": None, "meaning": "only of these purchase options"},
            "limit": {"default": WHOLE_LIST, "meaning": "rows on a page, 1 to 1000"},
        },
        extra=[
            FORMAT,
            query("id", "the id of one offer, as /api/v1/offers gives it"),
            query("since", f"from this day or time on; {DAYS_UNLESS_SAID} days unless said, at most {MOST_DAYS}"),
            query("until", "up to this day or time; now unless said"),
        ],
    ),
    responses={
        200: ResponseSpec(Items[DayPrice | OfferPrice], description="The prices", generate_examples=False),
        **problems(400, 406, 503),
    },
)
async def list_prices(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    form = accepted(request, "Prices")
    asked = await _asked(services, session, parameters_of(request))
    if asked.offer_id is not None:
        return await _of_offer(session, asked, form)
    rows = await _by_day(session, asked)
    if form != JSON:
        return exported(form, rows, DayPrice, "prices")
    return Response(Paging(asked.limit or WHOLE_LIST, asked.offset).of(rows), media_type=JSON)


HANDLERS = [list_prices]


async def _asked(services: Services, session: AsyncSession, parameters: Mapping[str, Sequence[str]]) -> HistoryRequest:
    """What may be named is all that was ever sold."""
    vocabulary = await services.vocabulary()
    providers, regions = await store.ever_sold(session)
    known = replace(vocabulary, providers={*vocabulary.providers, *providers}, regions={*vocabulary.regions, *regions})
    return history_request(parameters, known, services.clock())


async def _of_offer(session: AsyncSession, asked: HistoryRequest, form: str) -> Response[Any]:
    assert asked.offer_id is not None
    limit = (asked.limit or WHOLE_LIST) if form == JSON else MOST_PRICES
    offset = asked.offset if form == JSON else 0
    prices = await store.prices_of_offer(
        session, asked.offer_id, asked.since, asked.until, limit=limit + 1, offset=offset
    )
    if not prices and not await store.offer_exists(session, asked.offer_id):
        raise InvalidParameters([FieldError("id", f"no offer ever had the id {asked.offer_id}")])
    rates = await rates_at(session, asked.until, since=min([asked.until, *(price.first_seen for price in prices)]))
    rows = tuple(offer_price(price, rates) for price in prices[:limit])
    if form != JSON:
        return exported(form, rows, OfferPrice, f"prices-{asked.offer_id}")
    more = cursor_of(offset + limit) if len(prices) > limit else None
    return Response(Items(rows, more), media_type=JSON)


async def _by_day(session: AsyncSession, asked: HistoryRequest) -> list[DayPrice]:
    moments = asked.moments
    rates = await rates_at(session, asked.until, asked.since)
    usd = {
        (day, currency): float(rates.usd_per_unit(currency, at))
        for day, at in moments.items()
        for currency in {"USD", *rates.dated}
    }
    chosen = store.Chosen(gpus=asked.gpus, providers=asked.providers, regions=asked.regions, pricing=asked.pricing)
    return [day_price(found) for found in await store.prices_by_day(session, moments, usd, chosen)]
