"""Putting an approval off: out of one's own sight, for a while, and never beyond the time to decide it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.approvals import services
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, Snooze
from apps.audit.models import AuditEntry
from apps.core import clock
from tests.approvals.asking import SETUP, ask, vote
from tests.conftest import Robot, actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def put_off(client: APIClient, approval: Approval, **ahead: float) -> Any:
    until = (clock.now() + dt.timedelta(**(ahead or {"hours": 1}))).isoformat()
    return client.post(f"/api/v1/approvals/{approval.id}/snooze", {"until": until}, format="json")


def sees(username: str, view: str = "mine") -> int:
    return QueueFilter(view=view).apply(actor(username)).count()


def test_it_goes_from_ones_own_queue_and_comes_back_by_itself(
    world: FakeErp, api: Api, time_passes: Callable[..., None]
) -> None:
    approval = ask()
    dana = api("dana")
    answer = put_off(dana, approval)

    assert answer.status_code == 200
    assert (sees("dana"), sees("dana", "snoozed"), sees("felix"), sees("felix", "snoozed")) == (0, 1, 1, 0)
    assert sees("dana", "team") == 1
    [entry] = AuditEntry.objects.filter(code="approval.snoozed")
    assert (entry.actor_key, entry.subject_id) == (actor("dana").key, str(approval.id))
    time_passes(hours=1)
    assert (sees("dana"), sees("dana", "snoozed")) == (1, 0)


def test_putting_it_off_again_moves_the_time(world: FakeErp, api: Api) -> None:
    approval = ask()
    dana = api("dana")
    put_off(dana, approval, hours=1)
    put_off(dana, approval, hours=3)

    assert Snooze.objects.get().until > clock.now() + dt.timedelta(hours=2)


def test_it_can_be_brought_back_at_once(world: FakeErp, api: Api) -> None:
    approval = ask()
    dana = api("dana")
    put_off(dana, approval)
    url = f"/api/v1/approvals/{approval.id}/snooze"

    assert api("felix").delete(url).json()["code"] == "snooze.not_found"
    assert dana.delete(url).status_code == 204
    assert sees("dana") == 1
    assert dana.delete(url).status_code == 404
    assert AuditEntry.objects.filter(code="approval.unsnoozed").count() == 1


def test_clocks_run_on_and_whoever_put_it_off_can_still_vote(
    world: FakeErp, api: Api, time_passes: Callable[..., None]
) -> None:
    first, second = ask(), ask()
    for approval in (first, second):
        put_off(api("dana"), approval, hours=7)
    vote("dana", first)
    time_passes(hours=9)
    services.expire_due()

    first.refresh_from_db(), second.refresh_from_db()
    assert (first.state, second.state) == ("approved", "expired")
    assert sees("dana", "snoozed") == 0


@pytest.mark.parametrize(
    ("ahead", "code"),
    [
        ({"seconds": -1}, "snooze.in_the_past"),
        ({"hours": 8.1}, "snooze.beyond_due"),
        ({"days": 4000}, "snooze.beyond_due"),
    ],
)
def test_only_a_time_before_it_is_due_will_do(world: FakeErp, api: Api, ahead: dict[str, float], code: str) -> None:
    answer = put_off(api("dana"), ask(), **ahead)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/until"]
    assert not Snooze.objects.exists()


@pytest.mark.parametrize("until", [None, "", "soon", "2026-11-20T10:00:00", 7, "a\0b"])
def test_a_time_is_a_time_with_its_zone(world: FakeErp, api: Api, until: Any) -> None:
    answer = api("dana").post(f"/api/v1/approvals/{ask().id}/snooze", {"until": until}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


def _decide(approval: Approval) -> None:
    vote("felix", approval)


def _hold_back(approval: Approval) -> None:
    vote("felix", approval, undo_seconds=10)


def _cancel(approval: Approval) -> None:
    services.cancel_approval(approval_id=approval.id, actor=SETUP)


def _expire(approval: Approval) -> None:
    Approval.objects.filter(id=approval.id).update(expires_at=clock.now())


@pytest.mark.parametrize("end", [_decide, _hold_back, _cancel, _expire])
def test_what_waits_for_nobody_cannot_be_put_off(world: FakeErp, api: Api, end: Callable[[Approval], None]) -> None:
    approval = ask()
    end(approval)
    answer = put_off(api("dana"), approval)

    assert (answer.status_code, answer.json()["code"]) == (409, "approval.already_decided")
    assert not Snooze.objects.exists()


def test_what_one_does_not_see_is_not_there(world: FakeErp, writer: Robot, api: Api) -> None:
    approval = ask()

    assert put_off(api("otto"), approval).json()["code"] == "approval.not_found"
    assert put_off(writer.api(), approval).status_code == 403
    assert api("otto").delete(f"/api/v1/approvals/{approval.id}/snooze").status_code == 404
    assert not Snooze.objects.exists()
