"""The time to decide stands still while a halt would keep what was approved from running, and runs on afterwards."""

import datetime as dt
from collections.abc import Callable

import pytest

from apps.approvals import services as approvals
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, outbox
from apps.core.actor import system_actor
from apps.gateway import handlers, services, tasks
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt
from tests.conftest import Robot, actor, parked, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def place(scope_type: str = "agent", reference: str = "writer", mode: str = "hold", **more: dt.datetime) -> Halt:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope_type,
        scope_reference=reference,
        environment="production",
        mode=mode,
        reason_code="drill",
        **more,
    )


def lift(halt: Halt) -> None:
    """By the product itself: lifting a halt of the mesh needs an operator of all of it."""
    halts.lift_halt(actor=system_actor("tests"), halt_id=halt.id, reason="Drill over")


def stands(approval: Approval) -> bool:
    approval.refresh_from_db()
    return approval.paused_at is not None


def external(approval: Approval) -> Approval:
    """The same request as another gateway would make it: of no tool of ours."""
    Approval.objects.filter(id=approval.id).update(subject_type="external", agent=approval.agent)
    ToolCall.objects.filter(approval=approval).update(approval=None, state=CallState.CANCELLED)
    return approval


@pytest.mark.parametrize(
    ("scope_type", "reference"),
    [("mesh", ""), ("process", "order-to-cash"), ("agent", "writer"), ("tool", "erp.issue_credit_memo")],
)
def test_a_hold_holds_the_clock_of_what_waits_in_its_scope(writer: Robot, scope_type: str, reference: str) -> None:
    _, approval = parked(writer)
    halt = place(scope_type, reference)
    services.keep_clocks()
    assert stands(approval)
    assert approval.paused_at == halt.placed_at

    lift(halt)
    services.keep_clocks()
    assert not stands(approval)


def test_what_is_not_in_its_scope_goes_on(writer: Robot, triage: Robot) -> None:
    _, approval = parked(writer)
    place("agent", "triage")
    place("tool", "erp.write_off")
    services.keep_clocks()
    assert not stands(approval)


def test_a_drain_holds_no_clock(writer: Robot) -> None:
    """What waits already may still run under it."""
    _, approval = parked(writer)
    place(mode="drain")
    services.keep_clocks()
    assert not stands(approval)


def test_the_time_a_halt_took_is_given_back(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> None:
    call, approval = parked(writer)
    before = approval.expires_at
    halt = place(expires_at=clock.now() + dt.timedelta(days=1))
    services.keep_clocks()
    time_passes(hours=10)
    assert approvals.expire_due() == 0
    lift(halt)
    services.keep_clocks()
    approval.refresh_from_db()

    assert (approval.state, approval.paused_at) == (ApprovalState.PENDING, None)
    assert dt.timedelta(hours=9, minutes=59) < approval.expires_at - before < dt.timedelta(hours=10, minutes=1)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()
    call.refresh_from_db()
    assert call.state == CallState.SUCCEEDED


def test_of_two_halts_the_last_one_lets_it_run_on(writer: Robot) -> None:
    _, approval = parked(writer)
    first, second = place("agent", "writer"), place("process", "order-to-cash")
    services.keep_clocks()
    lift(first)
    services.keep_clocks()
    assert stands(approval)
    lift(second)
    services.keep_clocks()
    assert not stands(approval)


def test_a_hold_that_runs_out_lets_it_run_on(writer: Robot) -> None:
    _, approval = parked(writer)
    halt = place()
    services.keep_clocks()
    # halts are judged by the database's clock, which no test moves
    Halt.objects.filter(id=halt.id).update(expires_at=clock.now() - dt.timedelta(seconds=1))
    services.keep_clocks()
    assert not stands(approval)


def test_a_stop_ends_what_waits_here_and_holds_the_clock_of_what_waits_outside(writer: Robot) -> None:
    call, _ = parked(writer)
    outside = external(parked(writer, key="outside")[1])
    halt = place(mode="stop")
    services.end_calls_under(halt.id)
    services.keep_clocks()

    call.refresh_from_db()
    assert call.state == CallState.HALTED
    assert stands(outside)
    Halt.objects.filter(id=halt.id).update(expires_at=clock.now() - dt.timedelta(seconds=1))
    services.keep_clocks()
    assert stands(outside)  # a stop runs out into a hold
    lift(halt)
    services.keep_clocks()
    assert not stands(outside)


def test_acts_outside_are_held_by_process_and_agent_and_by_no_tool(writer: Robot) -> None:
    approval = external(parked(writer)[1])
    place("tool", "erp.issue_credit_memo")
    services.keep_clocks()
    assert not stands(approval)
    place("process", "order-to-cash")
    services.keep_clocks()
    assert stands(approval)


def test_what_is_the_agents_turn_stands_too(writer: Robot) -> None:
    _, approval = parked(writer)
    approvals.cast_vote(
        actor=actor("dana"),
        approval_id=approval.id,
        verdict="request_changes",
        digest=approval.digest,
        reason_code="wrong_amount",
        comment="Less",
    )
    place()
    services.keep_clocks()
    assert stands(approval)


def test_news_of_a_halt_sets_it_going_and_twice_is_once(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks.keep_clocks, "delay", lambda: asked.append("clocks"))
    monkeypatch.setattr(tasks.end_calls_under, "delay", lambda halt_id: asked.append("calls"))
    halt = place()
    outbox.drain()
    lift(halt)
    outbox.drain()

    assert sorted(asked) == ["calls", "clocks", "clocks"]
    assert handlers.keep_clocks in [handler for table in handlers.HANDLERS.values() for handler in table]


def test_without_halts_nothing_is_looked_at(
    writer: Robot, django_assert_max_num_queries: Callable[..., object]
) -> None:
    parked(writer)
    with django_assert_max_num_queries(2):  # type: ignore[attr-defined]
        assert services.keep_clocks() == 0


def test_twice_is_once(writer: Robot) -> None:
    parked(writer)
    place()
    assert [services.keep_clocks(), services.keep_clocks()] == [1, 0]
