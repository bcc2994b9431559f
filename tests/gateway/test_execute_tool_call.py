"""What a business system can do to us, and what the agent is told. The fake ERP's ledger is the judge."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.registry.models import ConnectorEndpoint, Tool
from apps.runs.models import Span
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.fixture
def recover(time_passes: Callable[..., None]) -> Callable[[int], None]:
    """Let the recovery job come by so many times, each after the deadline."""

    def come_by(times: int) -> None:
        for visit in range(1, times + 1):
            time_passes(seconds=60 * visit)
            for call_id in services.overdue_calls():
                services.recover_tool_call(call_id)

    return come_by


def state_of(answer: Any) -> str:
    return ToolCall.objects.get(id=answer.json()["id"]).state


@pytest.mark.parametrize("fault", ["500", "500_after", "timeout_after", "lost", "garbage", "shape"])
def test_an_idempotent_write_takes_effect_exactly_once(
    writer: Robot, erp: FakeErp, recover: Callable[[int], None], fault: str
) -> None:
    erp.faults = [fault, fault]
    answer = writer.call("180.00")
    assert (answer.status_code, answer.json()["state"]) == (202, "executing")
    recover(2)

    told = writer.api().get(f"/api/v1/tool-calls/{answer.json()['id']}").json()
    assert (told["state"], told["result"]) == ("succeeded", {"id": "CM-1"})
    assert len(erp.ledger) == 1
    assert {request["key"] for request in erp.requests} == {"writer/erp.issue_credit_memo/k-1"}
    attempts = Span.objects.filter(tool_call_id=told["id"], kind="tool").order_by("started_at")
    assert [span.status for span in attempts] == ["error", "error", "ok"]


@pytest.mark.parametrize("fault", ["500_after", "timeout_after", "lost", "garbage"])
def test_a_tool_with_a_lookup_alone_is_asked_and_never_sent_again(
    writer: Robot, erp: FakeErp, recover: Callable[[int], None], fault: str
) -> None:
    erp.faults = [fault]
    answer = writer.call(tool="erp.open_ticket", arguments={"reference": "T-1"})
    recover(1)

    assert state_of(answer) == CallState.SUCCEEDED
    assert len(erp.ledger) == 1
    assert [request["method"] for request in erp.requests] == ["POST", "GET"]


def test_a_lookup_that_finds_nothing_twice_says_so(writer: Robot, erp: FakeErp, recover: Callable[[int], None]) -> None:
    erp.faults = ["500"]
    answer = writer.call(tool="erp.open_ticket", arguments={"reference": "T-1"})
    recover(1)
    assert state_of(answer) == CallState.EXECUTING
    recover(3)

    call = ToolCall.objects.get()
    assert (call.state, call.error_code) == (CallState.FAILED, "connector.no_effect")
    assert [request["method"] for request in erp.requests].count("POST") == 1


def test_neither_idempotent_nor_lookup_ends_unknown_and_is_not_sent_again(
    writer: Robot, erp: FakeErp, recover: Callable[[int], None]
) -> None:
    Tool.objects.filter(name="erp.open_ticket").update(lookup=None)
    erp.faults = ["lost"]
    answer = writer.call(tool="erp.open_ticket", arguments={"reference": "T-1"})
    recover(2)

    assert state_of(answer) == CallState.OUTCOME_UNKNOWN
    assert len(erp.requests) == 1
    told = writer.api().get(f"/api/v1/tool-calls/{answer.json()['id']}").json()
    assert told["error"]["code"] == "outcome_unknown"


def test_a_definite_no_fails_at_once_with_the_systems_words(writer: Robot, erp: FakeErp) -> None:
    erp.faults = ["400"]
    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["code"]) == (502, "connector.refused")
    assert answer.json()["error"]["words"] == "invoice is closed"
    assert "invoice is closed" not in ToolCall.objects.get().error_sentence
    assert len(erp.requests) == 1


def test_a_system_that_is_down_fails_at_once_for_the_waiting_agent(writer: Robot, erp: FakeErp) -> None:
    ConnectorEndpoint.objects.update(base_url="http://127.0.0.1:9")
    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["code"]) == (502, "connector.unreachable")
    assert answer.json()["detail"] == "ERP cannot be reached."
    assert answer.json()["state"] == "failed"


def test_a_private_address_is_refused_unless_allowed(writer: Robot, erp: FakeErp) -> None:
    ConnectorEndpoint.objects.update(allow_private_addresses=False)
    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["code"]) == (502, "connector.private_address")
    assert erp.requests == []


def test_a_read_is_asked_again_while_the_agent_waits(writer: Robot, erp: FakeErp) -> None:
    erp.faults = ["500", "500"]

    assert writer.call(tool="erp.find", arguments={"reference": "x"}).status_code == 200
    assert len(erp.requests) == 3


def test_a_read_that_keeps_failing_just_fails(writer: Robot, erp: FakeErp) -> None:
    erp.always = "500"
    answer = writer.call(tool="erp.find", arguments={"reference": "x"})

    assert (answer.status_code, answer.json()["code"]) == (502, "connector.server_error")
    assert answer.json()["state"] == "failed"


def test_a_system_that_never_answers_sense_ends_by_lookup(
    writer: Robot, erp: FakeErp, recover: Callable[[int], None]
) -> None:
    """Ten attempts with garbage; then the lookup finds the one effect there was."""
    erp.faults = ["garbage"] * 10
    answer = writer.call("180.00")
    recover(12)

    assert state_of(answer) == CallState.SUCCEEDED
    assert len(erp.ledger) == 1


def test_only_one_of_two_recovery_jobs_goes_on(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> None:
    erp.faults = ["500"]
    answer = writer.call("180.00")
    time_passes(minutes=1)
    due = services.overdue_calls()
    for call_id in due * 2:
        services.recover_tool_call(call_id)

    assert state_of(answer) == CallState.SUCCEEDED
    assert len(erp.requests) == 2
