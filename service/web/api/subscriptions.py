"""Who gets reports, when and where: made, read, changed and removed by whoever has the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import PathParameter
from sqlalchemy.ext.asyncio import AsyncSession

from service import store
from service.reports import keeping
from service.reports.desk import NowhereToSend
from service.reports.keeping import SubscriptionAnswer, subscription_answer
from service.web.openapi import NEEDS_KEY, PAGING, operation, problems
from service.web.pages import Items, asked_page
from service.web.security import require_key
from service.web.services import AnyRequest, Services, parameters_of

SubscriptionId = Annotated[str, PathParameter(description="as its creation, or the list of subscriptions, names it")]

ON_A_PAGE: Final = 50
BODY: Final[Mapping[str, Any]] = {
    "name": "d32 every Monday",
    "ranking": {"workload": "nanochat-d32", "rig": ["RTX 4070"], "country": "ES"},
    "schedule": {"cron": "0 8 * * 1", "time_zone": "Europe/Madrid"},
    "alerts": [{"kind": "total_below", "usd": 400}, {"kind": "source_down", "hours": 24}],
    "destinations": [{"kind": "file", "path": "d32"}],
    "language": "es",
}
KEYED: Final[dict[str, Any]] = {"tags": ["reports"], "guards": [require_key], "security": NEEDS_KEY}


@post(
    "/subscriptions",
    **KEYED,
    summary="Subscribe to reports",
    description="`schedule` is a cron expression in a time zone, or `every` (daily, weekly, monthly) `at` a time;"
    " it may be missing where there are `alerts`: `total_below` (`usd`), `change` (`percent`), `source_down` (`hours`),"
    " `cheaper_than_rig`. Kinds of `destinations`, and what they need: `email` (`to`), `webhook` (`url`),"
    " `slack` (`url`), `discord` (`url`), `telegram` (`token`, `chat_id`), `file` (`path`),"
    " `s3` (`bucket`, `path`, `access_key_id`, `secret_access_key`;"
    " `region`; `endpoint` of a store that is not Amazon's), `apprise` (`url`)."
    " A webhook without a `secret` gets one made, which only this answer tells.",
    operation_class=operation(body=BODY),
    responses=problems(400, 401, 503),
)
async def post_subscription(
    services: NamedDependency[Services], session: NamedDependency[AsyncSession], json_body: NamedDependency[object]
) -> Response[SubscriptionAnswer]:
    answer = await keeping.create(session, services.reports, json_body)
    return Response(answer, headers={"Location": f"/api/v1/subscriptions/{answer.id}"})


@get(
    "/subscriptions",
    **KEYED,
    summary="Every subscription, the oldest first",
    operation_class=operation(
        query=PAGING, changed={"limit": {"default": ON_A_PAGE, "meaning": "rows on a page, 1 to 1000"}}
    ),
    responses=problems(400, 401, 503),
)
async def list_subscriptions(
    request: AnyRequest, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> Items[SubscriptionAnswer]:
    parameters = parameters_of(request)
    limit = (await asked_page(services, {"limit": parameters.get("limit", ())}, ON_A_PAGE)).limit
    cursor = next((value for value in reversed(parameters.get("cursor", ())) if value.strip()), None)
    page = await store.subscriptions(session, limit=limit, cursor=cursor)
    return Items(tuple(subscription_answer(row) for row in page.items), page.next_cursor)


@get(
    "/subscriptions/{subscription_id:str}",
    **KEYED,
    summary="One subscription; its secrets are hidden",
    operation_class=operation(),
    responses=problems(401, 404, 503),
)
async def get_subscription(
    subscription_id: SubscriptionId, session: NamedDependency[AsyncSession]
) -> SubscriptionAnswer:
    return await keeping.read(session, subscription_id)


@patch(
    "/subscriptions/{subscription_id:str}",
    **KEYED,
    summary="Change some fields of a subscription",
    description="A secret that is written as `***` stays what it is.",
    operation_class=operation(body={"paused": True}),
    responses=problems(400, 401, 404, 503),
)
async def patch_subscription(
    subscription_id: SubscriptionId,
    services: NamedDependency[Services],
    session: NamedDependency[AsyncSession],
    json_body: NamedDependency[object],
) -> SubscriptionAnswer:
    return await keeping.change(session, services.reports, subscription_id, json_body, whole=False)


@put(
    "/subscriptions/{subscription_id:str}",
    **KEYED,
    summary="Write a subscription anew; what is left out gets its default",
    operation_class=operation(body=BODY),
    responses=problems(400, 401, 404, 503),
)
async def put_subscription(
    subscription_id: SubscriptionId,
    services: NamedDependency[Services],
    session: NamedDependency[AsyncSession],
    json_body: NamedDependency[object],
) -> SubscriptionAnswer:
    return await keeping.change(session, services.reports, subscription_id, json_body, whole=True)


@delete(
    "/subscriptions/{subscription_id:str}",
    **KEYED,
    summary="Unsubscribe for good; its reports stay",
    operation_class=operation(),
    responses=problems(401, 404, 503),
)
async def delete_subscription(subscription_id: SubscriptionId, session: NamedDependency[AsyncSession]) -> None:
    await keeping.remove(session, subscription_id)


@post(
    "/subscriptions/{subscription_id:str}/pause",
    status_code=200,
    **KEYED,
    summary="Send nothing until it is resumed",
    operation_class=operation(),
    responses=problems(401, 404, 503),
)
async def pause_subscription(
    subscription_id: SubscriptionId, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> SubscriptionAnswer:
    return await keeping.pause(session, services.reports, subscription_id, paused=True)


@post(
    "/subscriptions/{subscription_id:str}/resume",
    status_code=200,
    **KEYED,
    summary="Go on with what was paused",
    operation_class=operation(),
    responses=problems(401, 404, 503),
)
async def resume_subscription(
    subscription_id: SubscriptionId, services: NamedDependency[Services], session: NamedDependency[AsyncSession]
) -> SubscriptionAnswer:
    return await keeping.pause(session, services.reports, subscription_id, paused=False)


@post(
    "/subscriptions/{subscription_id:str}/send",
    status_code=202,
    **KEYED,
    summary="Make a report now and send it",
    operation_class=operation(),
    responses=problems(401, 404, 409, 503),
)
async def send_subscription(
    subscription_id: SubscriptionId, services: NamedDependency[Services]
) -> Response[Mapping[str, str]]:
    try:
        report_id = await services.send_report(subscription_id)
    except NowhereToSend as error:
        raise HTTPException(f"{error}.", status_code=409) from error
    url = f"/api/v1/reports/{report_id}"
    return Response({"report_id": report_id, "url": url}, headers={"Location": url})


HANDLERS = [
    post_subscription,
    list_subscriptions,
    get_subscription,
    patch_subscription,
    put_subscription,
    delete_subscription,
    pause_subscription,
    resume_subscription,
    send_subscription,
]
