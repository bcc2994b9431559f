"""The client turns every answer of the console into a call, a later or a refusal, and keeps its token fresh."""

from __future__ import annotations

from typing import Any

import pytest

from examples.order_to_cash.agents.console_client import Console, Credentials, Later, Refused, ToolCall
from tests.examples.fake_console import Answer, FakeConsole, problem
from tests.examples.running import Systems

TOOL = "ticketing.find_ticket"


@pytest.fixture
def client(console: FakeConsole) -> Console:
    return Console(console.url, Credentials("id-o2c-intake", console.secrets["o2c-intake"]))


@pytest.fixture
def run_id(client: Console) -> str:
    return client.open_run(title="A trial", business_key="INV-1", process="order-to-cash", idempotency_key="run")


def ask(client: Console, run_id: str, key: str = "k") -> ToolCall:
    return client.request_call(TOOL, {"reference": "r"}, key, run_id)


def test_one_token_serves_many_calls(console: FakeConsole, client: Console, run_id: str) -> None:
    assert [ask(client, run_id, key).state for key in "abc"] == ["succeeded"] * 3
    assert console.token_count == 1


def test_a_token_is_renewed_before_it_runs_out(console: FakeConsole, client: Console, run_id: str) -> None:
    console.tokens.clear()
    console.token_seconds = 0
    for _ in range(3):
        ask(client, run_id)
    assert console.token_count == 4


def test_a_refused_token_is_renewed_at_once(console: FakeConsole, client: Console, run_id: str) -> None:
    console.tokens.clear()
    assert ask(client, run_id).state == "succeeded"
    assert console.token_count == 2


def test_lost_credentials_are_a_later(console: FakeConsole, client: Console, run_id: str) -> None:
    console.tokens.clear()
    console.secrets.clear()
    with pytest.raises(Later, match="no token: 401"):
        ask(client, run_id)


def test_a_repeat_is_the_same_call(client: Console, run_id: str) -> None:
    first, again = ask(client, run_id), ask(client, run_id)
    assert (first.id, first.replayed, again.replayed) == (again.id, False, True)


def test_other_arguments_under_the_key_are_refused(client: Console, run_id: str) -> None:
    ask(client, run_id)
    with pytest.raises(Refused, match="409 idempotency_conflict"):
        client.request_call(TOOL, {"reference": "other"}, "k", run_id)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (problem(423, "halted"), 15),
        (Answer(429, {"code": "budget_exhausted"}, {"Retry-After": "42"}), 42),
        (Answer(503, {"code": "breaker_open"}, {"Retry-After": "7"}), 7),
        (problem(503, "unavailable"), 5),
        (Answer(502, "<html>bad gateway"), 5),
        (Answer(500, "oops"), 5),
        (Answer(504, ""), 5),
    ],
)
def test_what_passes_is_tried_later(
    console: FakeConsole, client: Console, run_id: str, answer: Answer, seconds: float
) -> None:
    console.scripted[TOOL].append(answer)
    with pytest.raises(Later) as later:
        ask(client, run_id)
    assert later.value.seconds == seconds
    assert ask(client, run_id).state == "succeeded"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_what_is_wrong_is_refused(console: FakeConsole, client: Console, run_id: str, status: int) -> None:
    console.scripted[TOOL].append(problem(status, "wrong"))
    with pytest.raises(Refused, match=f"{status} wrong"):
        ask(client, run_id)


@pytest.mark.parametrize(
    ("answer", "state", "sentence"),
    [
        (problem(403, "denied", decision={"policies": [{"says": "Never"}]}), "denied", "a sentence"),
        (Answer(403, {"id": "1", "state": "denied", "decision": {"policies": [{"says": "Never"}]}}), "denied", "Never"),
        (problem(502, "connector.refused", id="1", state="failed"), "failed", "a sentence"),
        (problem(502, "connector.timeout", id="1", state="outcome_unknown"), "outcome_unknown", "a sentence"),
        (problem(423, "halted", id="1", state="halted", replayed=True), "halted", "a sentence"),
        (Answer(202, {"id": "1", "state": "awaiting_approval"}), "awaiting_approval", "awaiting approval"),
    ],
)
def test_a_decision_is_a_call(
    console: FakeConsole, client: Console, run_id: str, answer: Answer, state: str, sentence: str
) -> None:
    console.scripted[TOOL].append(answer)
    call = ask(client, run_id)
    assert (call.state, call.sentence) == (state, sentence)


def test_a_console_that_is_gone_is_a_later(systems: Systems) -> None:
    gone = Console("http://127.0.0.1:1", Credentials("id", "secret"))
    with pytest.raises(Later, match="does not answer"):
        gone.open_run(title="t", business_key="k", process="order-to-cash", idempotency_key="run")


def test_credentials_are_read_in_both_forms(tmp_path: Any) -> None:
    path = tmp_path / "credentials.json"
    path.write_text('{"client_id": "a", "client_secret": "b"}')
    assert Credentials.read(path, "o2c-intake") == Credentials("a", "b")
    path.write_text('{"credentials": [{"agent": "x", "client_id": "a", "client_secret": "b"}], "people": []}')
    assert Credentials.read(path, "x") == Credentials("a", "b")
    with pytest.raises(ValueError, match="no credentials of y"):
        Credentials.read(path, "y")


@pytest.fixture
def waiting(console: FakeConsole, run_id: str) -> tuple[Console, ToolCall]:
    """A credit that waits for people, and its agent's client."""
    triage = Console(console.url, Credentials("id-o2c-triage", console.secrets["o2c-triage"]))
    wish = {
        "invoice_id": "INV-1",
        "customer_id": "C-1",
        "amount": "80.00",
        "currency": "EUR",
        "reason_code": "goodwill",
    }
    return triage, triage.request_call("erp.issue_credit_memo", wish, "credit", run_id)


def test_a_version_is_given_when_it_is_asked_for(console: FakeConsole, waiting: tuple[Console, ToolCall]) -> None:
    triage, call = waiting
    wish = {**console.calls[str(call.id)]["arguments"], "amount": "50.00"}
    console.decide(str(call.id), "request_changes", reason_code="wrong_amount", comment="Less")
    asked = triage.read_call(str(call.id), 0)
    assert asked.is_asked_to_change
    assert (asked.feedback["reason_code"], asked.feedback["by"]) == ("wrong_amount", "Dana Ruiz")
    answered = triage.answer_changes(str(call.id), wish, rationale="Less")
    assert (answered.version, answered.money, answered.is_asked_to_change) == (
        2,
        {"minor": 5000, "currency": "EUR"},
        False,
    )
    with pytest.raises(Refused, match=r"edit\.nothing_changed"):
        console.decide(str(call.id), "request_changes")
        triage.answer_changes(str(call.id), wish)


def test_too_late_is_no_error(console: FakeConsole, waiting: tuple[Console, ToolCall]) -> None:
    triage, call = waiting
    assert triage.answer_changes(str(call.id), {}).state == "awaiting_approval"  # nobody asked
    assert triage.cancel_call(str(call.id)).state == "cancelled"
    assert triage.cancel_call(str(call.id)).state == "cancelled"
