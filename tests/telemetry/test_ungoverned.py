"""Tools that agents say they executed, and the enforced calls behind them: found, listed, acknowledged."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.core.models import OutboxEvent
from apps.telemetry.matching import is_same_tool
from apps.telemetry.models import GovernedExecution, ToolReport, UngovernedAction
from apps.telemetry.ungoverned import acknowledge_ungoverned_action, find_ungoverned_actions
from tests.conftest import Robot, actor, at_once, credit, person
from tests.telemetry.exporting import Span, span, tell, tool_span

pytestmark = pytest.mark.django_db
Passing = Callable[..., None]


def call_in(robot: Robot, one: Span | None, *, key: str = "k-1", **more: Any) -> str:
    """A governed call, made from within the span."""
    header = {"traceparent": f"00-{one['trace']}-{one['span']}-01"} if one else {}
    body = {"tool": "erp.issue_credit_memo", "arguments": credit(), "idempotency_key": key, **more}
    answer = robot.api().post("/api/v1/tool-calls", body, format="json", headers=header)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["id"])


def found() -> list[tuple[str, int]]:
    find_ungoverned_actions()
    return list(UngovernedAction.objects.order_by("id").values_list("tool_name", "execution_count"))


def test_an_execution_without_a_call_is_found_within_a_minute(writer: Robot, time_passes: Passing) -> None:
    tell(writer, tool_span("crm.delete_customer"), tool_span("crm.delete_customer"), tool_span("mail.send"))
    assert found() == []
    time_passes(seconds=21)
    assert sorted(found()) == [("crm.delete_customer", 2), ("mail.send", 1)]
    action = UngovernedAction.objects.get(tool_name="mail.send")
    assert (action.agent, action.process) == (writer.agent, writer.agent.process)
    assert AuditEntry.objects.get(code="ungoverned.found", subject_id=str(action.id)).data["agent"] == "writer"
    assert OutboxEvent.objects.filter(name="UngovernedActionFound").count() == 2
    assert not ToolReport.objects.exists()
    assert sorted(found()) == [("crm.delete_customer", 2), ("mail.send", 1)]


def test_a_call_from_within_the_execution_governs_it(writer: Robot, time_passes: Passing) -> None:
    around = tool_span("issue_refund")
    call_id = call_in(writer, around)
    tell(writer, around)
    time_passes(seconds=50)
    assert found() == []
    match = GovernedExecution.objects.get()
    assert (str(match.tool_call_id), match.by_likeness) == (call_id, False)


def test_a_call_through_an_http_client_whose_span_comes_late(writer: Robot, time_passes: Passing) -> None:
    around = tool_span("issue_refund")
    client = span("POST", trace=around["trace"], parent=around["span"])
    call_in(writer, client)
    tell(writer, around)
    time_passes(seconds=25)
    assert found() == []
    assert ToolReport.objects.exists()
    tell(writer, client)
    assert found() == []
    assert GovernedExecution.objects.exists()
    assert not ToolReport.objects.exists()


def test_one_that_never_comes_is_not_waited_for(writer: Robot, time_passes: Passing) -> None:
    around = tool_span("issue_refund")
    call_in(writer, span("POST", trace=around["trace"], parent=around["span"]))
    tell(writer, around)
    time_passes(seconds=46)
    assert found() == [("issue_refund", 1)]


def test_without_trace_context_one_call_explains_one_execution(writer: Robot, time_passes: Passing) -> None:
    call_in(writer, None)
    tell(writer, tool_span("issue_credit_memo"))
    time_passes(seconds=21)
    assert found() == []
    assert GovernedExecution.objects.get().by_likeness
    tell(writer, tool_span("issue_credit_memo", ended_ns=tool_span()["ended_ns"] - 21 * 10**9))
    time_passes(seconds=50)
    assert found() == [("issue_credit_memo", 1)]


def test_another_agents_call_explains_nothing(writer: Robot, triage: Robot, time_passes: Passing) -> None:
    call_in(writer, None)
    tell(triage, tool_span("issue_credit_memo"))
    time_passes(seconds=21)
    assert found() == [("issue_credit_memo", 1)]
    assert UngovernedAction.objects.get().agent == triage.agent


def test_a_tool_that_is_told_by_two_spans_counts_once(writer: Robot, time_passes: Passing) -> None:
    outer = tool_span("crm.delete_customer")
    inner = tool_span("crm.delete_customer", trace=outer["trace"], parent=outer["span"])
    tell(writer, inner, outer)
    time_passes(seconds=21)
    assert found() == [("crm.delete_customer", 1)]


def test_spans_that_are_each_others_parents_end_the_climb(writer: Robot, time_passes: Passing) -> None:
    one = tool_span("a", parent="22" * 8, span_id="11" * 8)
    two = span("b", trace=one["trace"], parent="11" * 8, span_id="22" * 8)
    call_in(writer, two)
    tell(writer, one, two)
    time_passes(seconds=50)
    assert found() == []


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("erp.issue_credit_memo", True),
        ("issue_credit_memo", True),
        ("Issue-Credit-Memo", True),
        ("mcp__mesh__erp_issue_credit_memo", True),
        ("issue_credit", False),
        ("reissue_credit_memo", False),
        ("", False),
    ],
)
def test_names_of_a_tool(said: str, is_it: bool) -> None:
    assert is_same_tool(said, "erp.issue_credit_memo") is is_it


# --- acknowledging


@pytest.fixture
def action(writer: Robot, time_passes: Passing) -> UngovernedAction:
    tell(writer, tool_span("mail.send"), tool_span("mail.send"))
    time_passes(seconds=21)
    find_ungoverned_actions()
    return UngovernedAction.objects.get()


def acknowledge(action: UngovernedAction, username: str = "priya", **more: Any) -> UngovernedAction:
    asked = {"reason": "A test of the mailer, moved into the mesh", "execution_count": 2, **more}
    return acknowledge_ungoverned_action(action_id=action.id, actor=actor(username), **asked)


def test_acknowledging_closes_it_and_the_next_execution_opens_another(
    action: UngovernedAction, writer: Robot, time_passes: Passing
) -> None:
    done = acknowledge(action)
    assert (done.is_open, done.acknowledged_by_name, done.reason[:6]) == (False, str(person("priya")), "A test")
    line = AuditEntry.objects.get(code="ungoverned.acknowledged")
    assert (line.subject_id, line.reason, line.data["executions"]) == (str(action.id), done.reason, 2)
    assert OutboxEvent.objects.filter(name="UngovernedActionAcknowledged").exists()
    tell(writer, tool_span("mail.send"))
    time_passes(seconds=50)
    assert found() == [("mail.send", 2), ("mail.send", 1)]


def test_what_came_since_it_was_shown_has_to_be_looked_at(action: UngovernedAction) -> None:
    with pytest.raises(Conflict, match="more_came"):
        acknowledge(action, execution_count=1)
    with pytest.raises(Invalid, match="reason_missing"):
        acknowledge(action, reason="  ")
    acknowledge(action)
    with pytest.raises(Conflict, match="already_acknowledged"):
        acknowledge(action, "omar")


def test_who_may(action: UngovernedAction) -> None:
    with pytest.raises(NotAllowed):
        acknowledge(action, "dana")
    with pytest.raises(NotFound):
        acknowledge(action, "otto")


@pytest.mark.django_db(transaction=True)
def test_two_jobs_and_two_people_at_once(writer: Robot, time_passes: Passing) -> None:
    tell(writer, *[tool_span("mail.send") for _ in range(40)])
    time_passes(seconds=21)
    at_once([find_ungoverned_actions] * 4)
    [action] = UngovernedAction.objects.all()
    assert action.execution_count == action.executions.count() == 40

    def try_it(name: str) -> str:
        try:
            acknowledge(action, name, execution_count=40)
        except Conflict as error:
            return error.code
        return "done"

    assert sorted(at_once([lambda: try_it("priya"), lambda: try_it("omar")])) == [
        "done",
        "ungoverned.already_acknowledged",
    ]
