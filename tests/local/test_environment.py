"""What the caller set wins, and what was left out comes from the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshconsole.local.environment import PRODUCT, addresses, embedded_needed, for_django
from meshconsole.local.home import Home

TOLD = {"DATABASE_URL": "postgresql://embedded"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in PRODUCT:
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path)


def test_keys_come_from_files_of_the_home(home: Home) -> None:
    told = for_django(home, TOLD)
    assert told["SECRET_KEY_FILE"] == str(home.secret_key)
    assert told["VAULT_KEYS_FILE"] == str(home.vault_key)
    assert told["DATABASE_URL"] == TOLD["DATABASE_URL"]
    assert told["MESHCONSOLE_HOME"] == str(home.path)


def test_what_the_caller_set_wins(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://real")
    monkeypatch.setenv("SECRET_KEY", "their own")
    told = for_django(home, TOLD)
    assert told["DATABASE_URL"] == "postgresql://real"
    assert "SECRET_KEY_FILE" not in told


def test_set_and_empty_is_not_set(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY"):
        monkeypatch.setenv(name, "")
    told = for_django(home, TOLD)
    assert embedded_needed()
    assert told["DATABASE_URL"] == TOLD["DATABASE_URL"]
    assert "SECRET_KEY" not in told


def test_another_project_in_the_shell_does_not_leak_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "another.project")
    assert for_django(home, TOLD)["DJANGO_SETTINGS_MODULE"] == "meshconsole.settings"


def test_plain_http_is_for_loopback_alone() -> None:
    assert addresses(host="127.0.0.1", port=8001)["LOCAL"] == "1"
    assert "LOCAL" not in addresses(host="0.0.0.0", port=8001)
