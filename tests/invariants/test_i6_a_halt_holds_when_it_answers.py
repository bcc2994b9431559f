"""I6: when the request that placed a halt has returned, no call in its scope becomes executing any more: not at the
door, not when it is released after an approval, not when it is sent again after a lost answer; in every scope.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import connections
from django.db.models import F

from apps.approvals.models import Approval, ApprovalState
from apps.core import clock
from apps.core.actor import system_actor
from apps.gateway import services as gateway
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt, LiftRequest, LiftState, Scope
from tests.conftest import Robot, actor, parked
from tests.fakes.erp import FakeErp
from tests.halts.test_scopes import open_run, reference_of

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 6
HALTS = 12
# The narrower scopes take the same way through the same lock: fewer of each.
HALTS_PER_SCOPE = 3
WAITING = 16

scopes = pytest.mark.parametrize("scope", Scope.values)


def place(scope: str, reference: str, mode: str = "hold") -> Halt:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope,
        scope_reference=reference,
        environment="production",
        mode=mode,
        reason_code="drill",
    )


def lift(halt: Halt) -> None:
    """By the product itself: a wide one takes two people and its time."""
    halts.lift_halt(actor=system_actor("tests"), halt_id=halt.id, reason="drill over")


@contextmanager
def without_pause(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run the works in threads, each with a connection of its own, until the end of the block."""
    stop = threading.Event()

    def run(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def calling(robot: Robot, run: str, client: int, codes: list[int]) -> Callable[[threading.Event], None]:
    def call(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answer = robot.call("10.00", key=f"{client}-{number}", run_id=run, on_behalf_of="dana")
            codes.append(answer.status_code)

    return call


def executed() -> set[UUID]:
    return set(ToolCall.objects.exclude(executing_at=None).values_list("id", flat=True))


def executed_after(placing: Callable[[], Halt]) -> set[UUID]:
    """What became executing after the halt had answered; lifts it again."""
    halt = placing()
    when_answered = executed()
    time.sleep(0.1)
    later = executed()
    lift(halt)
    return later - when_answered


def test_no_call_becomes_executing_after_the_halt_answered(writer: Robot, erp: FakeErp) -> None:
    run, codes, windows = open_run(writer), [], []  # type: ignore[var-annotated]
    with without_pause(*(calling(writer, run, client, codes) for client in range(CLIENTS))):
        for _ in range(HALTS):
            time.sleep(0.1)
            windows.append(executed_after(lambda: place("agent", "writer")))

    assert windows == [set()] * HALTS
    assert set(codes) == {200, 423}
    assert Halt.objects.count() == HALTS


@scopes
def test_at_the_door_in_every_scope(writer: Robot, erp: FakeErp, scope: str) -> None:
    run, codes, windows = open_run(writer), [], []  # type: ignore[var-annotated]
    with without_pause(*(calling(writer, run, client, codes) for client in range(CLIENTS))):
        for _ in range(HALTS_PER_SCOPE):
            time.sleep(0.1)
            windows.append(executed_after(lambda: place(scope, reference_of(scope, run))))

    assert windows == [set()] * HALTS_PER_SCOPE
    assert set(codes) == {200, 423}


@scopes
def test_at_the_release_in_every_scope(writer: Robot, erp: FakeErp, scope: str) -> None:
    """Approved calls are released by several workers while the halt is placed."""
    run = open_run(writer)
    calls = [parked(writer, key=f"k-{number}", run_id=run, on_behalf_of="dana")[0].id for number in range(WAITING)]
    Approval.objects.update(state=ApprovalState.APPROVED, resolved_at=clock.now(), open_team=None)

    def release(mine: list[UUID]) -> Callable[[threading.Event], None]:
        def releasing(_stop: threading.Event) -> None:
            for call_id in mine:
                gateway.release_tool_call(call_id)

        return releasing

    with without_pause(release(calls[::2]), release(calls[1::2])):
        time.sleep(0.05)
        halt = place(scope, reference_of(scope, run))
        when_answered = executed()
        time.sleep(0.2)

    assert executed() == when_answered
    assert set(ToolCall.objects.exclude(id__in=when_answered).values_list("state", flat=True)) <= {
        CallState.QUEUED,
        CallState.AWAITING_APPROVAL,
    }
    assert len(erp.ledger) == len(when_answered)
    assert set(halt.executing_calls) <= when_answered


@scopes
def test_when_sent_again_in_every_scope(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None], scope: str
) -> None:
    """Lost answers are recovered by several workers while the halt is placed."""
    run = open_run(writer)
    erp.faults = ["500"] * WAITING
    for number in range(WAITING):
        writer.call("10.00", key=f"k-{number}", run_id=run, on_behalf_of="dana")
    time_passes(minutes=1)
    calls = gateway.overdue_calls()
    assert len(calls) == WAITING

    def recover(mine: list[UUID]) -> Callable[[threading.Event], None]:
        def recovering(_stop: threading.Event) -> None:
            for call_id in mine:
                gateway.recover_tool_call(call_id)

        return recovering

    with without_pause(recover(calls[::2]), recover(calls[1::2])):
        time.sleep(0.05)
        place(scope, reference_of(scope, run))
        sent_when_answered = _sent_again()
        time.sleep(0.2)

    assert _sent_again() == sent_when_answered
    assert len(erp.ledger) == len(sent_when_answered)


def _sent_again() -> set[UUID]:
    return set(ToolCall.objects.filter(attempt_count__gt=1).values_list("id", flat=True))


def test_a_ramp_that_is_stopped_lets_no_more_through(writer: Robot, erp: FakeErp) -> None:
    """Stopping the ramp is placing again: the same lock, the same promise."""
    codes: list[int] = []

    def call(client: int) -> Callable[[threading.Event], None]:
        def calls(stop: threading.Event) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                codes.append(writer.call("10.00", key=f"{client}-{number}").status_code)

        return calls

    halt = place("process", "order-to-cash")
    windows = []
    with without_pause(*(call(client) for client in range(CLIENTS))):
        for _ in range(6):
            _ramp_at_half(halt)
            time.sleep(0.15)
            halts.hold_again(actor=actor("omar"), halt_id=halt.id)
            when_answered = executed()
            time.sleep(0.1)
            windows.append(executed() - when_answered)

    assert windows == [set()] * 6
    assert set(codes) == {200, 423}


def _ramp_at_half(halt: Halt) -> None:
    """As if two people had agreed six minutes ago."""
    LiftRequest.objects.create(
        halt=halt,
        state=LiftState.RAMPING,
        requested_by="person:priya",
        requested_by_name="Priya Nair",
        requester=actor("priya").known_id,
        reason="Fixed",
        requested_at=clock.now(),
    )
    Halt.objects.filter(id=halt.id).update(ramp_started_at=F("placed_at") - dt.timedelta(minutes=6))
