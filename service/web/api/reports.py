"""Reports as they were sent: in a list, in every form, and as the page that the mail links to; and the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, PathParameter
from litestar.response import Template
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.parameters import FieldError, InvalidParameters
from service.reports import keeping, mail_page, plain
from service.reports.keeping import ReportAnswer, report_answer
from service.web.openapi import PAGING, operation, problems, query
from service.web.pages import Items, asked_limit, last_of
from service.web.security import may_write
from service.web.services import AnyRequest, Services, parameters_of

ReportId = Annotated[str, PathParameter(description="as the list of reports names it")]

ON_A_PAGE: Final = 50
JSON, HTML, MARKDOWN, TEXT = "application/json", "text/html", "text/markdown", "text/plain"
MAIL_POLICY: Final = (  # a mail's style is in its tags; nothing in it runs, and nothing is fetched but its picture
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)


@get(
    "/reports",
    tags=["reports"],
    summary="Reports that were made, the newest first",
    description="They are kept for a year, or as many days as `RIG_OR_RENT_KEEP_REPORTS_DAYS` says.",
    operation_class=operation(
        query=PAGING,
        changed={"limit": {"default": ON_A_PAGE, "meaning": "rows on a page, 1 to 1000, newest first"}},
        extra=[query("subscription", "only of the subscription with this id")],
    ),
    responses=problems(400, 503),
)
async def list_reports(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Items[ReportAnswer]:
    parameters = parameters_of(request)
    limit = await asked_limit(services, parameters, ON_A_PAGE)
    subscription = last_of(parameters, "subscription")
    if subscription is not None and not store.is_id(subscription):
        raise InvalidParameters([FieldError("subscription", "must be the id of a subscription")])
    page = await store.reports(session, subscription_id=subscription, limit=limit, cursor=last_of(parameters, "cursor"))
    told = may_write(request)
    url = services.reports.maker.public_url
    return Items(tuple(report_answer(row, url, with_errors=told) for row in page.items), page.next_cursor)


@get(
    "/reports/{report_id:str}",
    tags=["reports"],
    summary="A report exactly as it was sent, with the ranking that it showed",
    description="`Accept: text/html`, `text/markdown` or `text/plain` gives that form.",
    operation_class=operation(),
    responses={
        200: ResponseSpec(dict[str, Any], description="The report", generate_examples=False),
        **problems(404, 406, 503),
    },
)
async def get_report(request: AnyRequest, report_id: ReportId, session: NamedDependency[AsyncSession]) -> Response[Any]:
    row = await _row(session, report_id)
    accepted = request.accept.best_match([JSON, HTML, MARKDOWN, TEXT])
    if accepted == JSON:
        deliveries = [keeping.delivery_answer(each, with_errors=may_write(request)) for each in row.deliveries]
        told = {**row.value, "ranking": row.ranking, "deliveries": deliveries}
        return Response(told, media_type=JSON, headers={"Vary": "Accept"})
    if accepted == HTML:
        return _page(row)
    forms = {MARKDOWN: row.markdown, TEXT: plain.for_everybody(row.text)}
    if accepted not in forms:
        detail = f"A report can be had as {JSON}, {HTML}, {MARKDOWN} or {TEXT}."
        raise HTTPException(detail, status_code=406)
    return Response(forms[accepted], media_type=f"{accepted}; charset=utf-8", headers={"Vary": "Accept"})


@get("/reports/{report_id:str}", include_in_schema=False)
async def report_page(report_id: ReportId, session: NamedDependency[AsyncSession]) -> Response[Any]:
    return _page(await _row(session, report_id))


@get("/reports/{report_id:str}/chart.png", include_in_schema=False)
async def report_chart(report_id: ReportId, session: NamedDependency[AsyncSession]) -> Response[bytes]:
    row = await _row(session, report_id)
    if row.chart is None:
        raise NotFoundException("This report has no picture.")
    return Response(row.chart, media_type="image/png", headers={"Cache-Control": "public, max-age=31536000, immutable"})


@get("/unsubscribe/{token:str}", include_in_schema=False)
async def unsubscribe_page(
    token: FromPath[str], services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    """Changes nothing: scanners of mail follow links."""
    name = await keeping.name_of(session, _destination(services, token))
    context = {"token": token, "name": name, "done": False}
    return Template("unsubscribe.html", context=context, headers={"Cache-Control": "no-store"})


@post("/unsubscribe/{token:str}", status_code=200, include_in_schema=False)
async def unsubscribe(
    token: FromPath[str], services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    """By a mail program's one click (RFC 8058) or by the page's button; twice is as good as once."""
    name = await keeping.unsubscribe(session, _destination(services, token), services.clock())
    context = {"token": token, "name": name, "done": True}
    return Template("unsubscribe.html", context=context, headers={"Cache-Control": "no-store"})


@get("/pause/{token:str}", include_in_schema=False)
async def pause_page(
    token: FromPath[str], services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    """Changes nothing either: it asks."""
    received = await keeping.received(session, _destination(services, token))
    return _pause_template(token, received)


@post("/pause/{token:str}", status_code=200, include_in_schema=False)
async def pause(
    token: FromPath[str], services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    return await _paused(token, services, session, paused=True)


@post("/resume/{token:str}", status_code=200, include_in_schema=False)
async def resume(
    token: FromPath[str], services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Response[Any]:
    return await _paused(token, services, session, paused=False)


HANDLERS = [list_reports, get_report]
PAGES = [report_page, report_chart, unsubscribe_page, unsubscribe, pause_page, pause, resume]


async def _row(session: AsyncSession, report_id: str) -> store.StoredReport:
    row = await store.report(session, report_id)
    if row is None:
        raise NotFoundException("There is no such report; see /api/v1/reports.")
    return row


def _page(row: store.StoredReport) -> Response[Any]:
    """As it was sent; but for the link that is only its reader's."""
    page = mail_page.for_everybody(row.html).replace(mail_page.CHART, f"/reports/{row.id}/chart.png")
    headers = {"Content-Security-Policy": MAIL_POLICY, "Vary": "Accept", "Cache-Control": "no-cache"}
    return Response(page, media_type=f"{HTML}; charset=utf-8", headers=headers)


async def _paused(token: str, services: Services, session: AsyncSession, *, paused: bool) -> Response[Any]:
    """A reader who is the only one may pause, and go on; where others read along, the page says who can."""
    received = await keeping.received(session, _destination(services, token))
    if received and not received.is_shared:
        await keeping.pause(session, services.reports, received.subscription_id, paused=paused)
        received = replace(received, paused=paused)
    return _pause_template(token, received)


def _pause_template(token: str, received: keeping.Received | None) -> Response[Any]:
    context = {"token": token, "received": received}
    return Template("pause.html", context=context, headers={"Cache-Control": "no-store"})


def _destination(services: Services, token: str) -> int:
    destination = services.reports.sealer.destination_of(token)
    if destination is None:
        raise NotFoundException("This link is not one of ours, or it was cut short. Open it from the mail again.")
    return destination
