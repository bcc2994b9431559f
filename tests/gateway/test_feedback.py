"""What the agent is told of why a person did not approve, and how soon."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from apps.approvals import services as approvals
from apps.core import clock
from tests.conftest import Robot, actor, parked, settle_news
from tests.gateway.test_revise_tool_call import asked_to_change

LONG_SECONDS = 20


def read(robot: Robot, call_id: Any, wait: float = 0) -> dict[str, Any]:
    body: dict[str, Any] = robot.api().get(f"/api/v1/tool-calls/{call_id}?wait={wait}").json()
    return body


@pytest.mark.django_db
def test_a_request_for_changes_reaches_the_agent_in_words_it_can_act_on(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    told = read(writer, call.id)

    assert (told["state"], told["approval"]["state"]) == ("awaiting_approval", "changes_requested")
    assert told["approval"]["feedback"] == {
        "verdict": "request_changes",
        "reason_code": "wrong_amount",
        "comment": "Freight is not part of it",
        "by": "Dana Ruiz",
    }
    assert writer.call("1280.00").json()["approval"]["feedback"] == told["approval"]["feedback"]
    assert writer.api().get("/api/v1/tool-calls").json()["items"][0]["approval"] == told["approval"]


@pytest.mark.django_db
def test_a_rejection_carries_it_with_its_error(writer: Robot) -> None:
    call, approval = parked(writer)
    approvals.cast_vote(
        actor=actor("dana"),
        approval_id=approval.id,
        verdict="reject",
        digest=approval.digest,
        reason_code="duplicate",
        comment="Credited last week",
    )
    settle_news()
    told = read(writer, call.id)

    assert told["error"]["code"] == "rejected"
    assert told["error"]["feedback"] == told["approval"]["feedback"]
    assert told["error"]["feedback"] == {
        "verdict": "reject",
        "reason_code": "duplicate",
        "comment": "Credited last week",
        "by": "Dana Ruiz",
    }


@pytest.mark.django_db
def test_a_delegated_no_names_both(writer: Robot, time_passes: Callable[..., None]) -> None:
    call, approval = parked(writer)
    approvals.delegate(
        actor=actor("dana"),
        receiver="carla",
        starts_at=clock.now(),
        ends_at=clock.now() + dt.timedelta(days=7),
        reason="On holiday",
    )
    time_passes(seconds=1)
    approvals.cast_vote(
        actor=actor("carla"),
        approval_id=approval.id,
        verdict="request_changes",
        digest=approval.digest,
        reason_code="missing_evidence",
        comment="Which delivery?",
    )
    assert read(writer, call.id)["approval"]["feedback"]["by"] == "Carla Meyer for Dana Ruiz"


@pytest.mark.django_db
def test_what_waits_for_people_says_nothing(writer: Robot) -> None:
    call, _ = parked(writer)
    assert "feedback" not in read(writer, call.id)["approval"]


@pytest.mark.django_db
def test_an_agent_whose_turn_it_is_does_not_wait(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    started = time.monotonic()
    assert read(writer, call.id, wait=LONG_SECONDS)["approval"]["state"] == "changes_requested"
    assert time.monotonic() - started < LONG_SECONDS / 4


@pytest.mark.django_db(transaction=True)
def test_a_waiting_agent_hears_of_it_at_once(writer: Robot) -> None:
    call, approval = parked(writer)
    told: list[dict[str, Any]] = []

    def wait() -> None:
        try:
            told.append(read(writer, call.id, wait=LONG_SECONDS))
        finally:
            connections.close_all()

    waiter = threading.Thread(target=wait)
    started = time.monotonic()
    waiter.start()
    time.sleep(0.3)
    approvals.cast_vote(
        actor=actor("dana"),
        approval_id=approval.id,
        verdict="request_changes",
        digest=approval.digest,
        reason_code="wrong_amount",
        comment="Less",
    )
    waiter.join()

    assert told[0]["approval"]["feedback"]["comment"] == "Less"
    assert time.monotonic() - started < LONG_SECONDS / 2
