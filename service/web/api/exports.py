"""A list as its reader wants it: as JSON in pages, or all of it as CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from datetime import date
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException

from service.parameters import FieldError, InvalidParameters
from service.parameters.reader import shown
from service.web.openapi import CSV, PARQUET
from service.web.services import AnyRequest

JSON: Final = "application/json"


FORMATS: Final = {"json": JSON, "csv": CSV, "parquet": PARQUET}  # as `format` says them: a link cannot set Accept


def accepted(request: AnyRequest, what: str) -> str:
    """The form that `format` names, or that the reader likes best. Raises 406 when it is none of the three."""
    wanted = [value.strip() for value in request.query_params.getall("format", []) if value.strip()]
    if wanted and wanted[-1] not in FORMATS:
        known = ", ".join(FORMATS)
        raise InvalidParameters([FieldError("format", f"must be one of {known}, not {shown(wanted[-1])}")])
    if wanted:
        return FORMATS[wanted[-1]]
    best = request.accept.best_match([JSON, CSV, PARQUET])
    if best is None:
        raise HTTPException(f"{what} can be had as {JSON}, {CSV} or {PARQUET}.", status_code=406)
    return best


def exported(form: str, rows: Sequence[Any], row: type, name: str) -> Response[Any]:
    """All rows, which are values of the dataclass `row`, as a file."""
    return _as_csv(rows, row, name) if form == CSV else _as_parquet(rows, row, name)


def _as_csv(rows: Sequence[Any], row: type, name: str) -> Response[Any]:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")  # RFC 4180
    writer.writerow([field.name for field in fields(row)])
    writer.writerows([_cell(value) for value in astuple(each)] for each in rows)
    return _file(written.getvalue().encode(), f"{CSV}; charset=utf-8; header=present", f"{name}.csv")


def _cell(value: object) -> object:
    if isinstance(value, date):  # a datetime is one
        return msgspec.to_builtins(value)
    return str(value).lower() if isinstance(value, bool) else value


def _as_parquet(rows: Sequence[Any], row: type, name: str) -> Response[Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        detail = "Parquet needs the extra rig-or-rent[parquet]; ask for text/csv instead."
        raise HTTPException(detail, status_code=406) from error
    columns = {field.name: [getattr(each, field.name) for each in rows] for field in fields(row)}
    written = io.BytesIO()
    parquet.write_table(pyarrow.table(columns, schema=_arrow_schema(pyarrow, row)), written, compression="zstd")
    return _file(written.getvalue(), PARQUET, f"{name}.parquet")


def _arrow_schema(pyarrow: Any, row: type) -> Any:
    """The types said, not guessed: a column without a value has its type all the same."""
    kinds: dict[str, Callable[[], Any]] = {
        "int": pyarrow.int32,
        "float": pyarrow.float64,
        "bool": pyarrow.bool_,
        "str": pyarrow.string,
        "date": pyarrow.date32,
        "datetime": lambda: pyarrow.timestamp("us", tz="UTC"),
    }
    return pyarrow.schema([(field.name, kinds[str(field.type).removesuffix(" | None")]()) for field in fields(row)])


def _file(content: bytes, media_type: str, name: str) -> Response[Any]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
