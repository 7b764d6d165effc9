"""What is offered now, row by row: as JSON in pages, or all of it as CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec

from service.parameters.machines import MOST_GPUS
from service.presentation.answers import OfferRow, offer_row
from service.ranking.request import RankingRequest
from service.ranking.ways import kept
from service.web.caching import PRICES
from service.web.openapi import OFFER_FILTERS, operation, problems
from service.web.pages import WHOLE_LIST, Items, Paging
from service.web.services import AnyRequest, Services, parameters_of

JSON: Final = "application/json"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
COLUMNS: Final = tuple(field.name for field in fields(OfferRow))
AMOUNTS: Final = (
    *("memory_gb", "price_per_hour", "usd_per_hour", "upfront"),
    *("vcpus", "host_memory_gb", "disk_gb", "network_gbit_s"),
)


@get(
    "/offers",
    opt=PRICES,
    tags=["prices"],
    summary="Current offers, with the filters of the ranking",
    description="Every purchase option and size unless a filter says otherwise."
    " `Accept: text/csv` or `application/vnd.apache.parquet` gives all of them at once, without paging.",
    operation_class=operation(
        query=OFFER_FILTERS,
        changed={
            "pricing": {"default": None, "meaning": "purchase options to keep; all unless given"},
            "min_gpus": {"default": None, "meaning": "fewest GPUs of an offer"},
            "max_gpus": {"default": None, "meaning": "most GPUs of an offer; any number unless given"},
            "limit": {"default": WHOLE_LIST, "meaning": "rows on a page, 1 to 1000"},
        },
    ),
    responses={
        200: ResponseSpec(Items[OfferRow], description="The offers", generate_examples=False),
        **problems(400, 406, 503),
    },
)
async def list_offers(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    rows, paging = await _asked_rows(services, parameters_of(request))
    accepted = request.accept.best_match([JSON, CSV, PARQUET])
    if accepted is None:
        raise HTTPException(f"Offers can be had as {JSON}, {CSV} or {PARQUET}.", status_code=406)
    return FORMS[accepted](rows, paging)


HANDLERS = [list_offers]


async def _asked_rows(services: Services, parameters: Mapping[str, Sequence[str]]) -> tuple[list[OfferRow], Paging]:
    asked = await services.asked_in_query({name: parameters.get(name, ()) for name in OFFER_FILTERS})
    market = await services.markets.at(asked.as_of)
    given = {name for name in OFFER_FILTERS if any(value.strip() for value in parameters.get(name, ()))}
    keep = kept(_wide(asked, given), market.offers, asked.as_of or services.clock())
    rows = [offer_row(market.offers.rows[place]) for place in np.flatnonzero(keep).tolist()]
    return rows, Paging(asked.limit if "limit" in given else WHOLE_LIST, asked.offset)


def _wide(asked: RankingRequest, given: set[str]) -> RankingRequest:
    """Without the ranking's defaults: a list of offers leaves out only what it is told to."""
    return replace(
        asked,
        pricing=asked.pricing if "pricing" in given else frozenset(("on_demand", "spot", "reserved")),
        max_gpus=asked.max_gpus if "max_gpus" in given else MOST_GPUS,
    )


# The three forms -----------------------------------------------------------------------------------------------------


def _as_json(rows: Sequence[OfferRow], paging: Paging) -> Response[Any]:
    return Response(paging.of(rows), media_type=JSON)


def _as_csv(rows: Sequence[OfferRow], _: Paging) -> Response[Any]:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")  # RFC 4180
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in astuple(row)] for row in rows)
    return _file(written.getvalue().encode(), f"{CSV}; charset=utf-8; header=present", "offers.csv")


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return msgspec.to_builtins(value)
    return str(value).lower() if isinstance(value, bool) else value


def _as_parquet(rows: Sequence[OfferRow], _: Paging) -> Response[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        detail = "Parquet needs the extra rig-or-rent[parquet]; ask for text/csv instead."
        raise HTTPException(detail, status_code=406) from error
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    written = io.BytesIO()
    parquet.write_table(pyarrow.table(columns, schema=_arrow_schema(pyarrow)), written, compression="zstd")
    return _file(written.getvalue(), PARQUET, "offers.parquet")


def _arrow_schema(pyarrow: Any) -> Any:
    """The types said, not guessed: a column without a value has its type all the same."""
    kinds = {
        "gpu_count": pyarrow.int32(),
        "term_months": pyarrow.int32(),
        "available": pyarrow.bool_(),
        "stale": pyarrow.bool_(),
        "count_is_derived": pyarrow.bool_(),
        **{name: pyarrow.float64() for name in AMOUNTS},
        **{name: pyarrow.timestamp("us", tz="UTC") for name in ("first_seen", "observed_at")},
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])


def _file(content: bytes, media_type: str, name: str) -> Response[Any]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


FORMS: Final[Mapping[str, Callable[[Sequence[OfferRow], Paging], Response[Any]]]] = {
    JSON: _as_json,
    CSV: _as_csv,
    PARQUET: _as_parquet,
}
