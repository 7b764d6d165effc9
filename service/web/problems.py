"""What went wrong, said to whoever asked: problem+json (RFC 9457) to programs, a page to people."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Template
from litestar.types import ExceptionHandlersMap

from service.collect import AlreadyCollecting
from service.database import DatabaseTooNew, DatabaseUnavailable
from service.parameters import FieldError, InvalidParameters
from service.reports.desk import NoSuchSubscription
from service.store import InvalidCursor, WorkloadExists
from service.web.services import AnyRequest

MEDIA_TYPE = "application/problem+json"
PROGRAMS_ONLY = ("/api/", "/health/", "/schema", "/metrics", "/static/")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """RFC 9457; `errors` names every field at fault and stands in every 400."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: tuple[FieldError, ...] = ()
    reference: str | None = None  # of a failure on our side: what to look for in the log


@dataclass(frozen=True, slots=True)
class Answered:
    """A problem with the headers its answer carries."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)


def exception_handlers() -> ExceptionHandlersMap:
    """One handler per kind of failure; whatever is not named here is ours, and gets a reference."""
    return {
        InvalidParameters: lambda request, error: answer(request, invalid(error)),
        DatabaseUnavailable: lambda request, error: answer(request, _unavailable(error)),
        InvalidCursor: lambda request, error: answer(request, _invalid_cursor()),
        WorkloadExists: lambda request, error: answer(request, _conflict(error)),
        NoSuchSubscription: lambda request, error: answer(request, _missing(error)),
        AlreadyCollecting: lambda request, error: answer(request, _conflict(error)),
        DatabaseTooNew: lambda request, error: answer(request, _unavailable(error)),
        HTTPException: lambda request, error: answer(request, _refused(request, error)),
        Exception: lambda request, error: answer(request, _broken(request, error)),
    }


def answer(request: AnyRequest, answered: Answered) -> Response[Any]:
    """The problem as its reader wants it."""
    problem = answered.problem
    headers = {**answered.headers, "Cache-Control": "no-store", "Vary": "Accept, Accept-Language"}
    if _wants_page(request):
        context = {"problem": problem, "path": request.url.path}
        return Template("problem.html", context=context, status_code=problem.status, headers=headers)
    return Response(body(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def body(problem: Problem) -> dict[str, object]:
    """The members that say something."""
    members: dict[str, object] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        members["errors"] = problem.errors
    if problem.reference:
        members["reference"] = problem.reference
    return members


def invalid(error: InvalidParameters) -> Answered:
    fields = ", ".join(dict.fromkeys(each.field for each in error.errors))
    return Answered(_problem(400, f"The request cannot be understood: {fields}.", errors=error.errors))


def _invalid_cursor() -> Answered:
    return invalid(InvalidParameters([FieldError("cursor", "must be the next_cursor of the page before")]))


def _refused(request: AnyRequest, error: HTTPException) -> Answered:
    """What Litestar itself refuses: no such route, a method that does not exist, a body that is no JSON."""
    status = error.status_code
    if status == 400:
        return Answered(_problem(400, error.detail, errors=_fields(error)))
    details = {
        404: error.detail if error.detail != "Not Found" else f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not answered at {request.url.path}.",
    }
    return Answered(_problem(status, details.get(status, error.detail)), error.headers or {})


def _fields(error: HTTPException) -> tuple[FieldError, ...]:
    extra = error.extra if isinstance(error, ValidationException) and isinstance(error.extra, list) else []
    named = [
        FieldError(str(item["key"]), str(item["message"])) for item in extra if "key" in item and "message" in item
    ]
    return tuple(named) or (FieldError("body", error.detail),)


def _unavailable(error: Exception) -> Answered:
    return Answered(_problem(503, str(error)), {"Retry-After": "10"})


def _missing(error: Exception) -> Answered:
    return Answered(_problem(404, f"{error}."))


def _conflict(error: Exception) -> Answered:
    return Answered(_problem(409, str(error)))


def _broken(request: AnyRequest, error: Exception) -> Answered:
    reference = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()
    log.error("request failed", reference=reference, method=request.method, path=request.url.path, exc_info=error)
    return Answered(_problem(500, f"Something broke on our side. Reference {reference}.", reference=reference))


def _problem(status: int, detail: str, errors: tuple[FieldError, ...] = (), reference: str | None = None) -> Problem:
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, errors=errors, reference=reference)


def _wants_page(request: AnyRequest) -> bool:
    return not request.url.path.startswith(PROGRAMS_ONLY) and "text/html" in request.headers.get("accept", "")
