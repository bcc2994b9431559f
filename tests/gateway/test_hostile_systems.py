"""What a business system, a change in the registry, or a bug of ours does to a call whose outcome is open. Every path
ends, and none of them says `failed` while the effect may be there.
"""

import datetime as dt
from collections.abc import Callable

import pytest

from apps.core import clock
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.registry.models import ConnectorEndpoint, Grant, Tool
from apps.runs.models import Run, Span
from apps.vault.models import Payload
from tests.conftest import Robot, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.gateway.test_release_tool_call import approve

pytestmark = pytest.mark.django_db

TICKET = {"tool": "erp.open_ticket", "arguments": {"reference": "T-1"}}


@pytest.fixture
def recover(time_passes: Callable[..., None]) -> Callable[[int], ToolCall]:
    """Let the recovery job come by so many times, each after the deadline; the one call there is."""
    visits = iter(range(1, 1000))

    def come_by(times: int) -> ToolCall:
        for _ in range(times):
            time_passes(minutes=next(visits))
            for call_id in services.overdue_calls():
                services.recover_tool_call(call_id)
        return ToolCall.objects.get()

    return come_by


def test_a_definite_no_after_an_unknown_is_looked_up_not_believed(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    erp.faults = ["lost", "400"]
    writer.call("180.00")
    call = recover(4)

    assert (call.state, len(erp.ledger)) == (CallState.SUCCEEDED, 1)


def test_without_a_lookup_it_ends_unknown(writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]) -> None:
    Tool.objects.filter(name="erp.issue_credit_memo").update(lookup=None)
    erp.faults = ["lost", "400"]
    writer.call("180.00")
    call = recover(4)

    assert (call.state, len(erp.ledger)) == (CallState.OUTCOME_UNKNOWN, 1)


def test_what_certainly_had_no_effect_may_be_sent_again(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    """A tool that is neither idempotent nor has a lookup: its system was down when the approved call was released."""
    _call, approval = parked(writer, tool="erp.write_off")
    ConnectorEndpoint.objects.update(base_url="http://127.0.0.1:9")
    approve(approval.id)
    settle_news()
    ConnectorEndpoint.objects.update(base_url=erp.url)

    assert recover(1).state == CallState.SUCCEEDED
    assert len(erp.ledger) == 1


@pytest.mark.parametrize("body", [b'{"id": "CM-1", "seq": 9007199254740993}', b'{"id": "\\ud800"}'])
def test_an_answer_with_odd_values_is_kept_as_it_is(writer: Robot, erp: FakeErp, body: bytes) -> None:
    erp.answer = body
    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")


def test_an_answer_that_is_not_json_after_all_is_a_bad_answer(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    erp.answer = b'{"id": NaN}'
    assert writer.call("180.00").status_code == 202
    erp.answer = None

    assert recover(1).state == CallState.SUCCEEDED
    assert len(erp.ledger) == 1


def test_what_the_system_says_is_kept_in_the_vault_alone(writer: Robot, erp: FakeErp) -> None:
    erp.answer = b'{"jane.doe@example.com": 1}'
    writer.call("180.00")

    assert "jane.doe" not in ToolCall.objects.get().error_sentence
    assert not Span.objects.filter(note__contains="jane.doe").exists()


def test_a_tool_that_changed_is_not_sent_again_in_its_new_form(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    erp.faults = ["500"]
    writer.call("180.00")
    Tool.objects.filter(name="erp.issue_credit_memo").update(
        version=2, request={"method": "POST", "path": "/elsewhere"}
    )
    recover(3)

    assert [request["path"] for request in erp.requests if request["method"] == "POST"] == ["/credit-memos"]


def test_a_grant_taken_away_stops_the_retries(writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]) -> None:
    erp.faults = ["500"]
    writer.call("180.00")
    Grant.objects.filter(tool__name="erp.issue_credit_memo").update(revoked_at=clock.now())
    call = recover(4)

    assert (call.state, erp.ledger) == (CallState.FAILED, [])
    assert [request["method"] for request in erp.requests].count("POST") == 1


def test_a_lookup_that_lost_its_filter_proves_nothing(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    lookup = {"tool": "erp.find", "arguments": {"reference": "/arguments/absent"}, "found": "/items/0"}
    Tool.objects.filter(name="erp.open_ticket").update(lookup=lookup)
    writer.call("180.00", key="somebody-elses")
    ToolCall.objects.update(finished_at=None)
    first = ToolCall.objects.get()
    erp.faults = ["500"]
    answer = writer.call(key="mine", **TICKET)
    ToolCall.objects.filter(id=first.id).update(state=CallState.SUCCEEDED)
    clock.shift(dt.timedelta(minutes=5))
    services.recover_tool_call(services.overdue_calls()[0])

    assert ToolCall.objects.get(id=answer.json()["id"]).state == CallState.OUTCOME_UNKNOWN


@pytest.mark.parametrize("found", ["/items", "/missing"])
def test_an_empty_find_is_an_absence(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall], found: str
) -> None:
    lookup = {"tool": "erp.find", "arguments": {"reference": "/idempotency_key"}, "found": found}
    Tool.objects.filter(name="erp.open_ticket").update(lookup=lookup)
    erp.faults = ["500"]
    writer.call(**TICKET)
    call = recover(3)

    assert (call.state, call.error_code) == (CallState.FAILED, "connector.no_effect")


def test_a_lookup_tool_that_is_gone_ends_unknown(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]
) -> None:
    Tool.objects.filter(name="erp.open_ticket").update(lookup={"tool": "erp.gone", "arguments": {}, "found": "/id"})
    erp.faults = ["lost"]
    writer.call(**TICKET)

    assert recover(2).state == CallState.OUTCOME_UNKNOWN


def test_erased_content_ends_the_call(writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall]) -> None:
    erp.faults = ["lost"]
    writer.call("180.00")
    Payload.objects.filter(kind="call.request").update(body=None, erased_at=clock.now())

    assert recover(2).state == CallState.OUTCOME_UNKNOWN


def test_erased_content_is_never_released(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    Payload.objects.filter(id=call.request_id).update(body=None, erased_at=clock.now())
    approve(approval.id)
    settle_news()

    call.refresh_from_db()
    assert (call.state, call.error_code, erp.requests) == (CallState.INVALIDATED, "erased", [])


def test_a_bug_of_ours_in_recovery_ends_unknown_at_last(
    writer: Robot, erp: FakeErp, recover: Callable[[int], ToolCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    erp.faults = ["lost"]
    writer.call("180.00")

    def break_down(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("apps.gateway.services.recovery._go_on", break_down)
    assert recover(25).state == CallState.OUTCOME_UNKNOWN


def test_an_approval_does_not_count_for_ever(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> None:
    call, approval = parked(writer)
    approve(approval.id)
    time_passes(days=29)
    services.release_tool_call(call.id)

    call.refresh_from_db()
    assert (call.state, call.error_code, erp.requests) == (CallState.INVALIDATED, "approval_too_old", [])


@pytest.mark.parametrize("reference", ["..", ".", "", {"a": 1}])
def test_an_argument_cannot_climb_out_of_its_place_in_the_path(writer: Robot, erp: FakeErp, reference: object) -> None:
    Tool.objects.filter(name="erp.open_ticket").update(
        request={"method": "POST", "path": "/tickets/{reference}/notes"}, input_schema={"type": "object"}
    )
    answer = writer.call(tool="erp.open_ticket", arguments={"reference": reference})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reference")
    assert erp.requests == []


def test_an_argument_stays_one_segment_of_the_path(writer: Robot, erp: FakeErp) -> None:
    Tool.objects.filter(name="erp.open_ticket").update(request={"method": "POST", "path": "/tickets/{reference}/notes"})
    writer.call(tool="erp.open_ticket", arguments={"reference": "../../admin?x=1#y"})

    assert erp.requests[0]["path"] == "/tickets/..%2F..%2Fadmin%3Fx%3D1%23y/notes"


def test_a_run_that_was_ended_meanwhile_keeps_no_call_from_ending(writer: Robot, triage: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    refused = triage.api().patch(f"/api/v1/runs/{call.run_id}", {"state": "succeeded"}, format="json")
    Run.objects.filter(id=call.run_id).update(state="succeeded", ended_at=clock.now())
    approve(approval.id)
    settle_news()

    call.refresh_from_db()
    assert (refused.status_code, refused.json()["code"]) == (409, "run.of_one_call")
    assert (call.state, len(erp.ledger)) == (CallState.SUCCEEDED, 1)


def test_a_second_call_makes_a_run_of_one_call_a_run_of_the_agents(writer: Robot, erp: FakeErp) -> None:
    first, approval = parked(writer, key="a")
    assert writer.call("10.00", key="b", run_id=str(first.run_id)).status_code == 200
    assert Run.objects.get().state == "open"
    approve(approval.id)
    settle_news()

    first.refresh_from_db()
    assert first.state == CallState.SUCCEEDED


def test_an_agent_that_was_not_heard_opens_its_run_once(writer: Robot) -> None:
    opened = [
        writer.api().post("/api/v1/runs", {"title": "Dispute"}, format="json", HTTP_IDEMPOTENCY_KEY="d-1").json()["id"]
        for _ in range(2)
    ]

    assert opened[0] == opened[1]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(("amount", "code"), [("-90000.00", "money.negative"), ("1e1000000", "money.not_an_amount")])
def test_money_that_policy_would_misread_is_refused(writer: Robot, erp: FakeErp, amount: str, code: str) -> None:
    Tool.objects.filter(name="erp.issue_credit_memo").update(input_schema={"type": "object"})
    answer = writer.call(amount)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert erp.requests == []
