"""Static files are collected again when, and only when, a source differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshconsole.local.static_files import fingerprint


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("requirements.txt", "meshconsole/settings.py", "static/css/app.css", "apps/console/static/a.js"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_the_same_sources_have_the_same_fingerprint(checkout: Path) -> None:
    before = fingerprint(checkout)
    (checkout / "static/css/app.css").touch()
    (checkout / "README.md").write_text("no static file")
    assert fingerprint(checkout) == before


@pytest.mark.parametrize(
    "name", ["requirements.txt", "meshconsole/settings.py", "static/css/app.css", "static/new.css"]
)
def test_a_changed_source_changes_it(checkout: Path, name: str) -> None:
    before = fingerprint(checkout)
    (checkout / name).write_text("changed")
    assert fingerprint(checkout) != before
