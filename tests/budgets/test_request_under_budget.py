"""A tool call under budgets, through the real URL: what is reserved, settled, released, refused, and told."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.budgets.models import Measure, Reservation
from apps.core.models import OutboxEvent
from apps.gateway.models import CallState, ToolCall
from apps.runs.models import RunState, Span
from tests.budgets.builders import check_ledger, counter_of, make_budget
from tests.conftest import Robot, actor, parked, robot_named, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def shown(budget: Any) -> tuple[int, int]:
    counter = counter_of(budget)
    check_ledger()
    return counter.settled, counter.reserved


def test_an_executed_call_settles_what_it_moved(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget()

    assert writer.call("180.00").status_code == 200
    assert shown(budget) == (18_000, 0)


def test_a_call_beyond_the_cap_is_refused_and_recorded(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=20_000)
    writer.call("180.00", key="first")
    answer = writer.call("180.00", key="second")

    body = answer.json()
    assert (answer.status_code, body["code"], body["state"]) == (429, "budget_exhausted", "denied")
    assert 0 < int(answer["Retry-After"]) <= 25 * 3600
    assert body["budget"]["id"] == str(budget.id)
    assert body["budget"]["scope"] == {"type": "agent", "name": "Order-to-cash writer"}
    assert body["budget"]["window"] == "day"
    assert body["budget"]["ends_at"]
    assert len(erp.ledger) == 1
    assert shown(budget) == (18_000, 0)
    call = ToolCall.objects.get(id=body["id"])
    assert (call.state, call.error_code, call.holds_key) == (CallState.DENIED, "budget_exhausted", False)
    entry = AuditEntry.objects.get(subject_id=str(call.id))
    assert (entry.code, entry.data["left"], entry.data["needed"]) == ("tool_call.denied", 2_000, 18_000)
    assert Span.objects.get(run=call.run).attributes["budget_id"] == str(budget.id)
    assert call.run.state == RunState.FAILED


def test_the_key_of_a_refused_call_stays_free(writer: Robot, erp: FakeErp) -> None:
    make_budget(cap=100)
    assert writer.call("180.00").status_code == 429
    make_budget(cap=18_000)

    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["replayed"]) == (200, False)


def test_a_waiting_call_keeps_its_reservation_and_a_rejected_one_gives_it_back(writer: Robot) -> None:
    budget = make_budget(cap=200_000)
    _, approval = parked(writer)
    assert shown(budget) == (0, 128_000)
    assert writer.call("1280.00", key="too much").status_code == 429

    approvals.cast_vote(
        actor=actor("dana"),
        approval_id=approval.id,
        verdict="reject",
        digest=approval.digest,
        reason_code="wrong_amount",
        comment="No",
    )
    settle_news()

    assert shown(budget) == (0, 0)


def test_an_approved_call_settles(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=200_000)
    call, approval = parked(writer)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()

    call.refresh_from_db()
    assert call.state == CallState.SUCCEEDED
    assert shown(budget) == (128_000, 0)


def test_a_cancelled_call_gives_back(writer: Robot) -> None:
    budget = make_budget(cap=200_000)
    call, _ = parked(writer)
    writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel")

    assert shown(budget) == (0, 0)


def test_a_failed_call_gives_the_money_back_and_counts_as_an_attempt(writer: Robot, erp: FakeErp) -> None:
    money, calls = make_budget(), make_budget(cap=5, measure=Measure.CALLS)
    erp.faults = ["400"]

    assert writer.call("180.00").status_code == 502
    assert shown(money) == (0, 0)
    assert shown(calls) == (1, 0)


def test_an_unknown_outcome_keeps_its_reservation(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget()
    erp.faults = ["500"]

    assert writer.call("180.00").json()["state"] == "executing"
    assert shown(budget) == (0, 18_000)


def test_a_denied_call_reserves_nothing(writer: Robot) -> None:
    budget = make_budget(cap=5, measure=Measure.CALLS)
    body = {"tool": "erp.issue_credit_memo", "arguments": {**credit_usd()}, "idempotency_key": "usd"}

    assert writer.api().post("/api/v1/tool-calls", body, format="json").status_code == 403
    assert not budget.periods.exists()


def credit_usd() -> dict[str, str]:
    return {
        "invoice_id": "INV-1",
        "customer_id": "C-1",
        "amount": "1.00",
        "currency": "USD",
        "reason_code": "goodwill",
    }


@pytest.mark.parametrize(
    ("scope", "reference"),
    [
        ("agent", "writer"),
        ("process", "order-to-cash"),
        ("team", "o2c-oncall"),
        ("business_unit", "emea"),
        ("mesh", ""),
    ],
)
def test_every_scope_holds(writer: Robot, erp: FakeErp, scope: str, reference: str) -> None:
    make_budget(cap=17_999, scope_type=scope, scope_reference=reference)

    assert writer.call("180.00").status_code == 429
    assert erp.ledger == []


@pytest.mark.parametrize(
    ("scope", "reference", "more"),
    [
        ("agent", "triage", {}),
        ("process", "procure-to-pay", {}),
        ("mesh", "", {"environment": "sandbox"}),
        ("mesh", "", {"currency": "USD"}),
    ],
)
def test_what_a_budget_does_not_cover_is_not_counted(
    writer: Robot, erp: FakeErp, scope: str, reference: str, more: dict[str, str]
) -> None:
    budget = make_budget(cap=0, scope_type=scope, scope_reference=reference, **more)

    assert writer.call("180.00").status_code == 200
    assert not Reservation.objects.filter(budget=budget).exists()


def test_of_several_budgets_all_or_none(writer: Robot, erp: FakeErp) -> None:
    wide = make_budget(scope_type="mesh", scope_reference="")
    narrow = make_budget(cap=20_000)
    writer.call("180.00", key="a")
    assert writer.call("180.00", key="b").status_code == 429

    assert shown(wide) == shown(narrow) == (18_000, 0)


def test_steps_of_a_run_end_with_the_run(writer: Robot, erp: FakeErp) -> None:
    make_budget(cap=2, measure=Measure.STEPS, window="run")
    runs = [writer.api().post("/api/v1/runs", {"title": "A"}, format="json").json()["id"] for _ in range(2)]

    codes = [writer.call("1.00", key=f"{run}{n}", run_id=run).status_code for run in runs for n in range(3)]

    assert codes == [200, 200, 429] * 2


def test_the_next_day_opens_it_again(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> None:
    make_budget(cap=18_000)
    assert writer.call("180.00", key="a").status_code == 200
    assert writer.call("180.00", key="b").status_code == 429

    time_passes(hours=25)

    assert robot_again(writer).call("180.00", key="b").status_code == 200


def robot_again(robot: Robot) -> Robot:
    """With a token that is still good."""
    return robot_named(robot.agent.slug)


def test_at_release_the_reservation_moves_to_the_present_period(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    budget = make_budget(cap=128_000, window="hour")
    call, approval = parked(writer)
    time_passes(hours=2)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()

    call.refresh_from_db()
    assert call.state == CallState.SUCCEEDED
    first, second = budget.periods.order_by("starts_at")
    assert (first.settled, first.reserved, second.settled, second.reserved) == (0, 0, 128_000, 0)
    check_ledger()


def test_a_release_without_room_in_the_present_period_is_invalidated(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    budget = make_budget(cap=128_000, window="hour")
    call, approval = parked(writer)
    time_passes(hours=2)
    assert robot_again(writer).call("180.00", key="other").status_code == 200
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()

    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.INVALIDATED, "budget_exhausted")
    assert len(erp.ledger) == 1
    assert sum(period.reserved for period in budget.periods.all()) == 0
    check_ledger()


def test_a_budget_set_while_a_call_waits_counts_at_its_release(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    budget = make_budget(cap=1_000)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()

    call.refresh_from_db()
    assert (call.state, call.error_code) == (CallState.INVALIDATED, "budget_exhausted")
    assert not Reservation.objects.filter(budget=budget).exists()
    assert AuditEntry.objects.get(code="tool_call.invalidated").data["after"]["cap"] == 1_000


def test_an_edit_reserves_the_new_amount(writer: Robot, api: Callable[..., Any]) -> None:
    budget = make_budget(cap=150_000)
    _, approval = parked(writer)

    def edit(amount: str, digest: str, approval_id: Any) -> Any:
        arguments = {
            "invoice_id": "INV-1042",
            "customer_id": "C-204",
            "amount": amount,
            "currency": "EUR",
            "reason_code": "price_mismatch",
        }
        return api("dana").post(
            f"/api/v1/approvals/{approval_id}/edits", {"digest": digest, "arguments": arguments}, format="json"
        )

    raised = edit("1600.00", approval.digest, approval.id)
    assert (raised.status_code, raised.json()["code"]) == (429, "budget_exhausted")
    assert shown(budget) == (0, 128_000)
    assert edit("900.00", approval.digest, approval.id).status_code == 201
    assert shown(budget) == (0, 90_000)


def test_thresholds_are_told_once_in_a_period(writer: Robot, erp: FakeErp) -> None:
    budget = make_budget(cap=40_000)
    for number in range(3):
        writer.call("130.00", key=f"k{number}")

    assert [alert.percent for alert in counter_of(budget).alerts.all()] == [50, 80]
    assert OutboxEvent.objects.filter(name="BudgetThresholdReached").count() == 2
    assert writer.call("10.00", key="last").status_code == 200
    assert [alert.percent for alert in counter_of(budget).alerts.all()] == [50, 80, 100]


def test_a_dry_run_says_what_the_budget_would(writer: Robot) -> None:
    make_budget(cap=100)

    answer = writer.call("180.00", dry_run=True)

    assert (answer.status_code, answer.json()["code"]) == (429, "budget_exhausted")
    assert not ToolCall.objects.exists()


def test_the_same_call_over_and_over_holds_the_run(writer: Robot, erp: FakeErp, api: Callable[..., Any]) -> None:
    make_budget(cap=3, measure=Measure.REPEATS, window="run")
    run = writer.api().post("/api/v1/runs", {"title": "A"}, format="json").json()["id"]
    answers = [writer.call("1.00", key=f"k{n}", run_id=run) for n in range(4)]
    other = writer.call("2.00", key="other", run_id=run)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["code"] == other.json()["code"] == "loop_detected"
    hold = answers[-1].json()["run_hold"]
    assert (hold["count"], hold["tool"]) == (4, "erp.issue_credit_memo")
    assert OutboxEvent.objects.filter(name="RunHeld").count() == 1
    assert AuditEntry.objects.filter(code="run.held").count() == 1
    assert writer.call("1.00", key="elsewhere").status_code == 200
