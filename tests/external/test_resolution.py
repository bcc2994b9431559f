"""GET /api/v1/external-approvals/<id>: what people made of it, word for word, and until when it counts."""

import datetime as dt
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock
from tests.conftest import Robot, actor, person
from tests.external.asking import (
    Api,
    again_signed_in,
    approved,
    ask,
    asked,
    cancel,
    claim,
    poll,
    url_of,
    vote,
)

pytestmark = pytest.mark.django_db


def test_an_approval_says_who_for_which_team_and_until_when(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    approval = Approval.objects.get()

    assert told["state"] == "approved"
    resolution = told["resolution"]
    assert resolution["outcome"] == "approved"
    assert resolution["feedback"] is None
    assert resolution["valid_until"] == clock.rfc3339(approval.expires_at)
    [cast] = resolution["votes"]
    assert cast.pop("cast_at") is not None
    assert cast == {
        "stage": 1,
        "team": "finance-approvers",
        "verdict": "approve",
        "voter": "Dana Ruiz",
        "on_behalf_of": None,
    }
    assert told["claimed_at"] is None


def test_two_stages_are_both_named(writer: Robot, api: Api) -> None:
    told = asked(writer, stages=[{"team": "finance-approvers"}, {"team": "cfo-office"}])
    vote(api, "dana", told)
    assert poll(writer, told)["resolution"] is None
    vote(api, "carla", told)

    votes = poll(writer, told)["resolution"]["votes"]
    assert [(cast["stage"], cast["team"], cast["voter"]) for cast in votes] == [
        (1, "finance-approvers", "Dana Ruiz"),
        (2, "cfo-office", "Carla Meyer"),
    ]


def delegate(giver: str, receiver: str) -> None:
    approvals.delegate(
        actor=actor(giver),
        receiver=receiver,
        starts_at=clock.now(),
        ends_at=clock.now() + dt.timedelta(days=1),
        process=None,
        caps={},
        reason="Away",
    )


def test_a_delegated_vote_names_both(writer: Robot, api: Api) -> None:
    delegate("carla", "dana")
    told = asked(writer, stages=[{"team": "cfo-office"}])
    vote(api, "dana", told, on_behalf_of="carla")

    [cast] = poll(writer, told)["resolution"]["votes"]
    assert (cast["voter"], cast["on_behalf_of"]) == ("Dana Ruiz", "Carla Meyer")


@pytest.mark.parametrize(("giver", "receiver", "asker"), [("felix", "carla", "felix"), ("felix", "carla", "carla")])
def test_delegation_does_not_let_the_person_it_is_for_decide_it(
    writer: Robot, api: Api, giver: str, receiver: str, asker: str
) -> None:
    """Neither through a delegate, nor as one."""
    delegate(giver, receiver)
    told = asked(writer, on_behalf_of=asker)
    ballot = {"verdict": "approve", "digest": told["digest"], "on_behalf_of": giver}
    answer = api(receiver).post(f"/api/v1/approvals/{told['approval']['id']}/votes", ballot, format="json")

    assert answer.status_code == 403
    assert answer.json()["code"] in ("approval.own_request", "approval.no_delegation")
    assert poll(writer, told)["state"] == "pending"


def test_a_rejection_says_why_in_words_a_program_can_act_on(writer: Robot, api: Api) -> None:
    told = asked(writer)
    vote(api, "dana", told, "reject", reason_code="duplicate", comment="Paid on Monday")

    resolution = poll(writer, told)["resolution"]
    assert resolution["outcome"] == "rejected"
    assert resolution["feedback"] == {"reason_code": "duplicate", "comment": "Paid on Monday"}
    assert resolution["valid_until"] is None


def test_time_never_approves(writer: Robot, time_passes: Callable[..., None]) -> None:
    told = asked(writer)
    time_passes(seconds=3601)
    approvals.expire_due()
    robot = again_signed_in(writer)

    resolution = poll(robot, told)["resolution"]
    assert (resolution["outcome"], resolution["votes"], resolution["valid_until"]) == ("expired", [], None)
    assert claim(robot, told).json()["code"] == "external.not_approved"


def test_what_settles_is_not_approved_and_can_be_taken_back(writer: Robot, api: Api) -> None:
    told = asked(writer, risk="low", reversible=True)
    vote(api, "dana", told, undo_seconds=10)
    assert poll(writer, told)["state"] == "pending"
    assert claim(writer, told).json()["code"] == "external.not_approved"

    approvals.withdraw_vote(actor=actor("dana"), approval_id=Approval.objects.get().id)
    vote(api, "felix", told)
    assert [cast["voter"] for cast in poll(writer, told)["resolution"]["votes"]] == ["Felix Braun"]


def test_a_late_approval_counts_for_fifteen_minutes(writer: Robot, api: Api, time_passes: Callable[..., None]) -> None:
    told = asked(writer, expires_in_seconds=60)
    time_passes(seconds=50)
    vote(api, "dana", told)

    approval = Approval.objects.get()
    assert approval.resolved_at is not None
    expected = clock.rfc3339(approval.resolved_at + dt.timedelta(minutes=15))
    assert poll(writer, told)["resolution"]["valid_until"] == expected


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_a_request_can_be_taken_back_while_it_waits(writer: Robot, api: Api) -> None:
    told = asked(writer)
    answer = cancel(writer, told)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["resolution"]["outcome"]) == ("cancelled", "cancelled")
    assert Approval.objects.get().state == "cancelled"
    assert AuditEntry.objects.filter(code="external.cancelled", actor_key="agent:writer").count() == 1
    assert api("dana").get("/api/v1/approvals").json()["items"] == []


def test_a_request_can_be_taken_back_after_people_approved_it(writer: Robot, api: Api) -> None:
    told = approved(writer, api)
    answer = cancel(writer, told).json()

    assert (answer["state"], answer["approval"]["state"]) == ("cancelled", "approved")
    assert answer["resolution"]["valid_until"] is None
    assert claim(writer, told).json()["code"] == "external.not_approved"


def test_a_key_stays_taken_when_its_request_has_ended(writer: Robot) -> None:
    told = asked(writer)
    cancel(writer, told)
    again = ask(writer)

    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, told["id"], "cancelled")


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_waiter_hears_of_the_decision_at_once(writer: Robot) -> None:
    told = asked(writer)
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    with ThreadPoolExecutor() as threads:
        waiter = threads.submit(_waited, writer, f"{url_of(told)}?wait=20")
        time.sleep(0.3)
        vote(lambda _: dana, "dana", told)
        answer, seconds = waiter.result()

    assert answer.json()["state"] == "approved"
    assert seconds < 10


def _waited(robot: Robot, url: str) -> tuple[Any, float]:
    started = time.monotonic()
    try:
        return robot.api().get(url), time.monotonic() - started
    finally:
        connections.close_all()


def test_what_has_ended_is_not_waited_for(writer: Robot) -> None:
    told = asked(writer)
    cancel(writer, told)
    started = time.monotonic()

    assert writer.api().get(f"{url_of(told)}?wait=20").json()["state"] == "cancelled"
    assert time.monotonic() - started < 5


def test_one_waiter_too_many_is_told_to_come_back(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    told = asked(writer)
    monkeypatch.setattr("apps.gateway.longpoll._slots", _NoSlots())
    answer = writer.api().get(f"{url_of(told)}?wait=20")

    assert (answer.status_code, answer.json()["state"]) == (200, "pending")
    assert int(answer["Retry-After"]) > 0


class _NoSlots:
    def acquire(self, *, blocking: bool) -> bool:
        return False
