"""Whatever a program sends by the API's own description is answered as that says, and never by a 500."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import WITH_KEY, copy_of, description, fill, now, served

from service.database import Database

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module")
async def address(database: Database, pristine: str, data_dir: Path) -> AsyncIterator[str]:
    async with copy_of(database, pristine, "contract") as copied:
        await fill(copied, now())
        async with served(database.url("contract"), data_dir) as address:
            yield address


described = schemathesis.openapi.from_dict(description())


@described.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_call_answers_as_it_is_described(case: schemathesis.Case, address: str) -> None:
    case.call_and_validate(base_url=address, checks=CHECKS, headers=WITH_KEY)
