"""docker-compose.yml: the very commands that its services run, and the order in which they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from service.__main__ import _parser
from service.database import Database, newest_revision

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parent.parent / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


@pytest.mark.parametrize("name", ["migrate", "service"])
def test_what_a_service_runs_is_a_command(name: str) -> None:
    assert _parser().parse_args(SERVICES[name]["command"]).command


def test_the_database_is_healthy_before_it_is_migrated_and_migrated_before_it_is_served() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["service"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert "healthcheck" in SERVICES["database"]


def test_everything_that_is_asked_of_one_image_is_built_once() -> None:
    built = [name for name, service in SERVICES.items() if "build" in service]

    assert built == ["migrate"]
    assert SERVICES["migrate"]["image"] == SERVICES["service"]["image"]


async def test_the_migration_brings_an_empty_database_to_the_newest_version(
    fresh_database: Database, fresh_database_url: str
) -> None:
    async with fresh_database.engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))

    command = [sys.executable, "-m", "service", *SERVICES["migrate"]["command"]]
    done = subprocess.run(
        command, env={**os.environ, "DATABASE_URL": fresh_database_url}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    async with fresh_database.engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == newest_revision()
