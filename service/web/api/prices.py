"""What is offered now, row by row: as JSON in pages, or all of it as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from service.parameters.machines import MOST_GPUS
from service.ranking.option import CloudOffer
from service.ranking.request import RankingRequest
from service.ranking.ways import kept
from service.web.api.exports import JSON, accepted, exported
from service.web.caching import PRICES
from service.web.openapi import FORMAT, OFFER_FILTERS, operation, problems
from service.web.pages import WHOLE_LIST, Items, Paging, last_of
from service.web.services import AnyRequest, Services, parameters_of


@get(
    "/offers",
    opt=PRICES,
    tags=["prices"],
    summary="Current offers, with the filters of the ranking",
    description="Every purchase option and size unless a filter says otherwise."
    " `Accept: text/csv` or `application/vnd.apache.parquet` gives all of them at once, without paging.",
    operation_class=operation(
        query=OFFER_FILTERS,
        extra=[FORMAT],
        changed={
            "pricing": {"default": None, "meaning": "purchase options to keep; all unless given"},
            "min_gpus": {"default": None, "meaning": "fewest GPUs of an offer"},
            "max_gpus": {"default": None, "meaning": "most GPUs of an offer; any number unless given"},
            "limit": {"default": WHOLE_LIST, "meaning": "rows on a page, 1 to 1000"},
        },
    ),
    responses={
        200: ResponseSpec(Items[CloudOffer], description="The offers", generate_examples=False),
        **problems(400, 406, 503),
    },
)
async def list_offers(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    found, paging = await asked_offers(services, parameters_of(request))
    form = accepted(request, "Offers")
    if form == JSON:
        page = paging.of(found)
        return Response(Items(tuple(page.items), page.next_cursor), media_type=JSON)
    return exported(form, found, CloudOffer, "offers")


HANDLERS = [list_offers]


async def asked_offers(services: Services, parameters: Mapping[str, Sequence[str]]) -> tuple[list[CloudOffer], Paging]:
    """All offers that pass the filters, and which of them stand on the page that is asked for."""
    asked = await services.asked_in_query({name: parameters.get(name, ()) for name in OFFER_FILTERS})
    market = await services.markets.at(asked.as_of)
    given = {name for name in OFFER_FILTERS if last_of(parameters, name)}
    keep = kept(_wide(asked, given), market.offers, asked.as_of or services.clock())
    found = [market.offers.rows[place] for place in np.flatnonzero(keep).tolist()]
    return found, Paging(asked.limit if "limit" in given else WHOLE_LIST, asked.offset)


def _wide(asked: RankingRequest, given: set[str]) -> RankingRequest:
    """Without the ranking's defaults: a list of offers leaves out only what it is told to."""
    return replace(
        asked,
        pricing=asked.pricing if "pricing" in given else frozenset(("on_demand", "spot", "reserved")),
        max_gpus=asked.max_gpus if "max_gpus" in given else MOST_GPUS,
    )
