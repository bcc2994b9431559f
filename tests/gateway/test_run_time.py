"""The time of a run: when it is over nothing more is done in it, until an owner gives it more."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.audit.models import AuditEntry
from apps.breakers.models import Breaker
from apps.core import clock, outbox
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.registry.models import ConnectorEndpoint, Process
from apps.runs import deadlines
from apps.runs.models import Run, RunState
from tests.approvals.test_cast_vote import vote
from tests.conftest import Robot, at_once, parked, robot_named, settle_news
from tests.fakes.erp import FakeErp
from tests.notifications.telling import heard, spread

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
TimePasses = Callable[..., None]


def opened(robot: Robot, seconds: int | None = 600) -> str:
    body = {"title": "Dispute INV-1042"} | ({"time_budget_seconds": seconds} if seconds else {})
    answer = robot.api().post("/api/v1/runs", body, format="json")
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def sweep() -> None:
    """What the jobs do: end runs, and what waits in them."""
    deadlines.time_out_runs()
    outbox.drain()
    for run in Run.objects.filter(state=RunState.TIMED_OUT):
        services.end_calls_of_run(run.id)


def extended(api: Api, run: str, who: str = "priya", **until: float) -> Any:
    body = {"until": (clock.now() + dt.timedelta(**until)).isoformat(), "reason": "The bank is closed"}
    return api(who).post(f"/api/v1/runs/{run}/extend", body, format="json")


def test_the_process_says_and_the_agent_may_ask_for_less(writer: Robot) -> None:
    Process.objects.filter(slug="order-to-cash").update(run_time_budget_seconds=3600)
    api = writer.api()
    plain, less, more = (
        api.post("/api/v1/runs", {"title": "A", "time_budget_seconds": seconds}, format="json")
        for seconds in (None, 60, 3601)
    )

    times = [Run.objects.get(id=one.json()["id"]) for one in (plain, less)]
    assert [round((run.deadline_at - run.started_at).total_seconds(), -1) for run in times if run.deadline_at] == [
        3600,
        60,
    ]
    assert plain.json()["deadline_at"] is not None
    assert (more.status_code, more.json()["code"]) == (422, "run.bad_time_budget")
    assert more.json()["errors"][0]["pointer"] == "/time_budget_seconds"


def test_without_a_word_a_run_may_take_any_time(writer: Robot) -> None:
    assert Run.objects.get(id=opened(writer, None)).deadline_at is None


@pytest.mark.parametrize("swept", [False, True])
def test_a_call_after_its_time_is_refused_and_its_key_stays_free(
    writer: Robot, erp: FakeErp, time_passes: TimePasses, api: Api, swept: bool
) -> None:
    run = opened(writer)
    assert writer.call(key="in-time", run_id=run).status_code == 200
    time_passes(seconds=601)
    if swept:
        sweep()
    late, again = writer.call(key="late", run_id=run), writer.call(key="in-time", run_id=run)

    assert (late.status_code, late.json()["code"], late["Retry-After"]) == (429, "run_time_over", "3600")
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert ToolCall.objects.count() == Run.objects.get(id=run).call_count == 1
    assert extended(api, run, hours=1).status_code == 200
    assert writer.call(key="late", run_id=run).status_code == 200


def test_what_was_approved_too_late_is_not_sent(writer: Robot, erp: FakeErp, time_passes: TimePasses, api: Api) -> None:
    call, approval = parked(writer, run_id=opened(writer))
    vote(api("dana"), approval)
    time_passes(seconds=601)
    approvals.settle_due()
    settle_news()
    call.refresh_from_db()

    assert (call.state, call.error_code) == (CallState.EXPIRED, "run_time_over")
    assert not [request for request in erp.requests if request["method"] == "POST"]


def test_what_waits_is_ended_with_the_run_and_asks_nobody_any_more(
    writer: Robot, erp: FakeErp, time_passes: TimePasses
) -> None:
    call, approval = parked(writer, run_id=opened(writer))
    time_passes(seconds=601)
    sweep()
    sweep()
    call.refresh_from_db()
    approval.refresh_from_db()

    assert (call.state, approval.state) == (CallState.EXPIRED, "cancelled")
    assert Run.objects.get(id=call.run_id).state == RunState.TIMED_OUT
    entry = AuditEntry.objects.get(code="run.timed_out")
    assert (entry.actor_key, str(entry.run_id)) == ("system:run-time", str(call.run_id))


def test_a_call_waits_no_longer_than_its_run_has_left(writer: Robot, erp: FakeErp) -> None:
    ConnectorEndpoint.objects.update(timeout_seconds=30, breaker={"consecutive_failures": 1})
    run = opened(writer)
    Run.objects.filter(id=run).update(deadline_at=clock.now() + dt.timedelta(seconds=0.4))
    erp.faults = ["timeout_after"]
    began = clock.now()
    writer.call(key="slow", run_id=run)

    assert (clock.now() - began).total_seconds() < 5
    call = ToolCall.objects.get()
    assert (call.state, call.error_code) == (CallState.EXECUTING, "connector.timeout")
    assert not Breaker.objects.exists(), "our own patience says nothing about the system"


def test_it_is_not_sent_again_after_its_time(writer: Robot, erp: FakeErp, time_passes: TimePasses) -> None:
    erp.faults = ["500"]
    call_id = writer.call(key="again", run_id=opened(writer)).json()["id"]
    sent = len(erp.requests)
    time_passes(seconds=700)
    services.recover_tool_call(call_id)

    assert len([request for request in erp.requests[sent:] if request["method"] == "POST"]) == 0


def test_the_run_of_one_call_waits_for_its_people(
    writer: Robot, erp: FakeErp, time_passes: TimePasses, api: Api
) -> None:
    Process.objects.filter(slug="order-to-cash").update(run_time_budget_seconds=60)
    call, _ = parked(robot_named("writer"))
    time_passes(seconds=61)
    sweep()
    call.refresh_from_db()
    assert call.state == CallState.AWAITING_APPROVAL

    joined = robot_named("writer").call("1.00", key="second", run_id=str(call.run_id))
    assert joined.json()["code"] == "run_time_over"


def test_who_answers_for_it_is_told_until_it_goes_on(writer: Robot, time_passes: TimePasses, api: Api) -> None:
    run = opened(writer)
    time_passes(seconds=601)
    sweep()
    spread()
    spread()
    assert heard("omar") == heard("priya") == ["overtime"]

    assert extended(api, run, hours=1).status_code == 200
    spread()
    assert heard("omar") == []
    assert Run.objects.get(id=run).state == RunState.OPEN


def test_more_time_is_an_act_of_an_owner_with_a_reason(writer: Robot, api: Api) -> None:
    run = opened(writer)
    assert extended(api, run, "omar", hours=1).status_code == 403
    answer = extended(api, run, hours=1)

    assert (answer.status_code, answer.json()["state"]) == (200, "open")
    entry = AuditEntry.objects.get(code="run.extended")
    assert (entry.actor_name, entry.reason, entry.data["was_over"]) == ("Priya Nair", "The bank is closed", False)
    assert extended(api, run, minutes=20).json()["code"] == "run.bad_deadline"
    assert extended(api, run, days=400).status_code == 422
    blank = {"until": "2999-01-01T00:00:00Z", "reason": " "}
    assert api("priya").post(f"/api/v1/runs/{run}/extend", blank, format="json").status_code == 422


def test_what_has_no_end_or_has_ended_is_not_extended(writer: Robot, api: Api) -> None:
    free, done = opened(writer, None), opened(writer)
    writer.api().patch(f"/api/v1/runs/{done}", {"state": "succeeded"}, format="json")

    codes = [extended(api, run, hours=1).json()["code"] for run in (free, done)]
    assert codes == ["run.no_deadline", "run.ended"]


def test_an_agent_does_not_end_what_ran_out_of_time(writer: Robot, time_passes: TimePasses) -> None:
    run = opened(writer)
    time_passes(seconds=601)
    sweep()
    answer = writer.api().patch(f"/api/v1/runs/{run}", {"state": "succeeded"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "run.ended")


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_end_it_once(writer: Robot) -> None:
    run = opened(writer)
    Run.objects.filter(id=run).update(deadline_at=clock.now())

    assert sum(at_once([deadlines.time_out_runs, deadlines.time_out_runs])) == 1
    assert AuditEntry.objects.filter(code="run.timed_out", run_id=run).count() == 1


def test_the_page_shows_it_and_lets_owners_extend(
    writer: Robot, sign_in: Callable[[str], Client], time_passes: TimePasses
) -> None:
    run = opened(writer)
    assert "may take until" in sign_in("omar").get(f"/runs/{run}/").content.decode()
    assert "Give it more time" not in sign_in("omar").get(f"/runs/{run}/").content.decode()
    time_passes(seconds=601)
    sweep()
    client = sign_in("priya")
    page = client.get(f"/runs/{run}/").content.decode()
    assert "Out of time" in page
    assert "its time was over" in page

    empty = client.post(f"/runs/{run}/extend/", {"seconds": "3600", "reason": ""})
    assert (empty.status_code, "Say why it may take longer." in empty.content.decode()) == (422, True)
    assert client.post(f"/runs/{run}/extend/", {"seconds": "3600", "reason": "Bank holiday"}).status_code == 302
    assert Run.objects.get(id=run).state == RunState.OPEN
