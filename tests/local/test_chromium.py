"""A missing browser is never passed over in silence."""

from __future__ import annotations

import pytest

from meshconsole.local import chromium
from meshconsole.local.terminal import Trouble


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_ci_fails_without_one(no_browser: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    with pytest.raises(Trouble, match="no browser test may be skipped"):
        chromium.environment()


def test_elsewhere_it_is_said_loudly(
    no_browser: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert chromium.environment() == {}
    assert "There is no Chromium here" in capsys.readouterr().err


def test_a_named_one_that_is_not_there_is_trouble(no_browser: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(Trouble, match="/nowhere/chromium"):
        chromium.environment()
