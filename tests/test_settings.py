"""What can be set, how a wrong value is answered, and where the key is kept."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.settings import InvalidSetting, Settings, api_key


def test_nothing_has_to_be_set() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert settings.database_url is None
    assert settings.scheduler
    assert not settings.private_destinations


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert Settings.from_environment({"DATABASE_URL": "", "RIG_OR_RENT_SCHEDULER": " "}).database_url is None


def test_every_setting_is_read_from_its_variable(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": "postgres://me:secret@db.example/prices",
            "RIG_OR_RENT_DATA_DIR": str(tmp_path),
            "RIG_OR_RENT_API_KEY": "key",
            "RIG_OR_RENT_SCHEDULER": "off",
            "RIG_OR_RENT_ORIGIN_OVERRIDES": '{"https://Prices.example:443/": "http://127.0.0.1:9000"}',
            "RIG_OR_RENT_SMTP_URL": "smtps://me:secret@mail.example:465",
            "RIG_OR_RENT_PRIVATE_DESTINATIONS": "allow",
            "RIG_OR_RENT_KEEP_REPORTS_DAYS": "30",
            "RIG_OR_RENT_PUBLIC_URL": "https://prices.example.org/",
            "RUNPOD_API_KEY": "rp",
        }
    )

    assert settings.database_url == "postgresql://me:secret@db.example/prices"
    assert settings.data_dir == tmp_path
    assert settings.api_key == "key"
    assert not settings.scheduler
    assert settings.origin_overrides == {"https://prices.example": "http://127.0.0.1:9000"}
    assert settings.smtp_url == "smtps://me:secret@mail.example:465"
    assert settings.private_destinations
    assert settings.keep_reports_days == 30
    assert settings.public_url == "https://prices.example.org"
    assert settings.secrets["RUNPOD_API_KEY"] == "rp"


@pytest.mark.parametrize(
    "url",
    ["postgres://h/n", "postgresql://h/n", "postgresql+asyncpg://h/n", "POSTGRESQL://h/n"],
)
def test_an_address_may_name_postgresql_in_any_usual_way(url: str) -> None:
    assert Settings.from_environment({"DATABASE_URL": url}).database_url == "postgresql://h/n"


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("DATABASE_URL", "sqlite:///prices.db", "postgresql://"),
        ("DATABASE_URL", "mysql://root@localhost/prices", "postgresql://"),
        ("DATABASE_URL", "postgresql+psycopg2://localhost/prices", "asyncpg"),
        ("DATABASE_URL", "localhost:5432/prices", "postgresql://"),
        ("DATABASE_URL", "postgresql://localhost:many/prices", "port"),
        ("RIG_OR_RENT_DATA_DIR", "~no-such-user-here/prices", "absolute"),
        ("RIG_OR_RENT_SCHEDULER", "yes", "'on' nor 'off'"),
        ("RIG_OR_RENT_PRIVATE_DESTINATIONS", "on", "'allow' nor 'refuse'"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", "https://prices.example", "JSON object"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", '["https://prices.example"]', "JSON object"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", '{"https://prices.example": 9000}', "JSON object"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", '{"prices.example": "http://127.0.0.1"}', "origin"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", '{"https://prices.example": "http://127.0.0.1/mirror"}', "origin"),
        ("RIG_OR_RENT_ORIGIN_OVERRIDES", '{"https://prices.example": "file:///etc/passwd"}', "origin"),
        ("RIG_OR_RENT_SMTP_URL", "mail.example", "smtps://"),
        ("RIG_OR_RENT_KEEP_REPORTS_DAYS", "0", "1 to 99999"),
        ("RIG_OR_RENT_KEEP_REPORTS_DAYS", "a year", "1 to 99999"),
        ("RIG_OR_RENT_PUBLIC_URL", "localhost:8000", "https://"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(variable: str, value: str, hint: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{variable}: ") as refused:
        Settings.from_environment({variable: value})

    assert hint in str(refused.value)


def test_secrets_are_shown_neither_by_settings_nor_by_their_errors() -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": "postgresql://me:hidden@db.example/prices",
            "RIG_OR_RENT_API_KEY": "hidden",
            "RIG_OR_RENT_SMTP_URL": "smtp://me:hidden@mail.example",
            "RUNPOD_API_KEY": "hidden",
        }
    )
    with pytest.raises(InvalidSetting) as refused:
        Settings.from_environment({"DATABASE_URL": "me:hidden@db.example/prices"})

    assert "hidden" not in repr(settings)
    assert "hidden" not in str(refused.value)


def test_every_variable_has_a_meaning() -> None:
    assert {name for name in Settings.variables() if name.startswith("RIG_OR_RENT_")} | {"DATABASE_URL"} == {
        *Settings.variables()
    }
    assert all(Settings.variables().values())


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")

    first, second = api_key(settings), api_key(settings)

    assert first.value == second.value
    assert (first.is_new, second.is_new) == (True, False)
    assert first.path is not None
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert first.path.parent == settings.data_dir
    assert first.value not in repr(first)


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("key\n")
    (tmp_path / "api-key").chmod(0o644)

    assert api_key(Settings(data_dir=tmp_path)).value == "key"
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(api_key, [settings] * 8))

    assert len({key.value for key in keys}) == 1
    assert sum(key.is_new for key in keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["api-key"]


def test_the_key_of_the_environment_is_kept_nowhere(tmp_path: Path) -> None:
    key = api_key(Settings(data_dir=tmp_path, api_key="given"))

    assert (key.value, key.path) == ("given", None)
    assert not list(tmp_path.iterdir())


def test_a_data_directory_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InvalidSetting, match="RIG_OR_RENT_DATA_DIR"):
        api_key(Settings(data_dir=tmp_path / "file" / "data"))
