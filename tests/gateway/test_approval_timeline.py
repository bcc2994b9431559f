"""What people do with a call that waits for them stands on its run's timeline, in their names."""

import datetime as dt
from collections.abc import Callable

import pytest

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.core import clock, outbox
from apps.core.models import OutboxEvent
from apps.runs.models import Span
from tests.conftest import Robot, actor, parked
from tests.gateway.test_revise_tool_call import answer, asked_to_change

pytestmark = pytest.mark.django_db


def delegate(receiver: str, *, approval: Approval | None = None, by: str = "dana") -> None:
    approvals.delegate(
        actor=actor(by),
        receiver=receiver,
        starts_at=clock.now(),
        ends_at=clock.now() + dt.timedelta(days=7),
        approval_id=approval.id if approval else None,
        reason="On holiday",
    )


def spans_named(words: str) -> list[Span]:
    outbox.drain()
    OutboxEvent.objects.update(delivered_at=None)
    outbox.drain()  # every piece of news may come twice
    return [span for span in Span.objects.order_by("started_at") if words in f"{span.name} {span.actor_name}"]


def test_a_vote_for_somebody_names_both(writer: Robot, time_passes: Callable[..., None]) -> None:
    _, approval = parked(writer)
    delegate("carla")
    time_passes(seconds=1)
    approvals.cast_vote(actor=actor("carla"), approval_id=approval.id, verdict="approve", digest=approval.digest)

    [span] = spans_named("Carla Meyer")
    assert (span.kind, span.actor_name, span.status) == ("vote", "Carla Meyer for Dana Ruiz", "ok")
    assert span.attributes["approval_id"] == str(approval.id)


def test_a_request_for_changes_ends_the_wait_for_people(writer: Robot) -> None:
    call, _ = asked_to_change(writer)

    [span] = spans_named("Dana Ruiz")
    assert (span.kind, span.name, span.attributes["verdict"]) == ("vote", "Ask for changes", "request_changes")
    wait = Span.objects.get(run=call.run, kind="human_wait")
    assert wait.ended_at == span.started_at


def test_late_news_of_it_does_not_end_the_next_wait(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    answer(writer, call)
    outbox.drain()

    waits = Span.objects.filter(run=call.run, kind="human_wait").order_by("started_at")
    assert [wait.ended_at is None for wait in waits] == [False, True]


def test_a_vote_that_was_taken_back_is_told(writer: Robot) -> None:
    _, approval = parked(writer)
    approvals.cast_vote(
        actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest, undo_seconds=10
    )
    approvals.withdraw_vote(actor=actor("dana"), approval_id=approval.id)

    assert [span.name for span in spans_named("Dana Ruiz")] == ["Approve", "Dana Ruiz took the vote back"]


def test_handing_one_on_is_told(writer: Robot) -> None:
    _, approval = parked(writer)
    delegate("felix", approval=approval)

    [span] = spans_named("handed it")
    assert (span.name, span.actor_name) == ("Dana Ruiz handed it to Felix Braun", "Dana Ruiz")


def test_an_escalation_is_told(writer: Robot) -> None:
    _, approval = parked(writer)
    approvals.escalate(actor=actor("dana"), approval_id=approval.id, reason="Nobody is here")

    [span] = spans_named("Brought before")
    assert span.name == "Brought before Order-to-cash on call by Dana Ruiz"
