"""The voter approves all that waits, by token and by session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from examples.order_to_cash import voter
from tests.examples.fake_console import FakeConsole
from tests.examples.test_agents import INTAKE, TRIAGE


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voter, "LOOK_SECONDS", 0.05)


@pytest.fixture
def waiting(
    console: FakeConsole, open_disputes: Callable[..., list[dict[str, Any]]], run_agent: Callable[..., None]
) -> int:
    open_disputes(12)
    run_agent(INTAKE)
    run_agent(TRIAGE)
    return sum(call["state"] == "awaiting_approval" for call in console.calls.values())


def test_a_token_votes_on_everything(console: FakeConsole, waiting: int) -> None:
    assert voter.run(voter.with_token(console.url, "pat-dana"), until_idle_seconds=0.1) == waiting > 0


def test_a_session_votes_on_everything(console: FakeConsole, waiting: int) -> None:
    assert voter.run(voter.with_session(console.url, "dana", "right"), until_idle_seconds=0.1) == waiting > 0


def test_a_wrong_password_is_told(console: FakeConsole) -> None:
    with pytest.raises(voter.SignInFailed, match="dana was not let in"):
        voter.with_session(console.url, "dana", "wrong")
