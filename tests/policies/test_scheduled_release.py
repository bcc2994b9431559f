"""What was agreed to decides from the time it was asked for: not before, once, and checked again then."""

import datetime as dt
from functools import partial

import pytest

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.models import OutboxEvent
from apps.policies import services
from apps.policies.models import PointerMove, PolicyRelease, ReleaseRequest
from apps.policies.services import publish_release
from apps.registry.models import Process
from apps.registry.services import withdraw_role
from tests.conftest import actor, at_once, person, robot_named
from tests.policies.reviewing import SET, limit, live, raised, refusal, released, sent, voted
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db


def scheduled(hours: float = 8, value: str = "750.00") -> ReleaseRequest:
    return voted(sent(raised(value), release_at=clock.now() + dt.timedelta(hours=hours)))


def test_agreed_before_its_time_it_waits_for_it(writer, time_passes):
    request = scheduled()
    assert (request.state, request.release, request.ended_at, live().version) == ("scheduled", None, None, 1)
    assert services.release_scheduled() == 0
    assert writer.call("600.00", key="before").status_code == 202
    time_passes(hours=9)
    assert services.release_scheduled() == 1
    request.refresh_from_db()
    assert (request.state, request.release.version, request.draft_version.draft.state) == ("done", 2, "released")
    assert robot_named("writer").call("600.00", key="after").status_code == 200
    assert services.release_scheduled() == 0
    assert AuditEntry.objects.filter(code="policy.scheduled").count() == 1
    assert OutboxEvent.objects.filter(name="PolicyReleaseScheduled").count() == 1


def test_agreed_after_its_time_it_decides_at_once(world, time_passes):
    request = sent(raised(), release_at=clock.now() + dt.timedelta(hours=1))
    time_passes(hours=2)
    assert (voted(request).state, live().version) == ("done", 2)


def test_a_beat_that_was_dead_only_delays_it(world, time_passes):
    request = scheduled()
    time_passes(days=20)
    services.release_scheduled()
    request.refresh_from_db()
    assert (request.state, live().version) == ("done", 2)


def test_a_node_whose_clock_runs_ahead_releases_nothing_too_early(world, monkeypatch):
    """Only the machine's clock is wrong here, not the database's."""
    request = scheduled()
    real = clock.now()
    monkeypatch.setattr(clock, "now", lambda: real + dt.timedelta(hours=12))
    assert services.release_scheduled() == 0
    services.answer_release_request(request.id)
    request.refresh_from_db()
    assert (request.state, live().version) == ("scheduled", 1)


@pytest.mark.django_db(transaction=True)
def test_the_beats_of_many_nodes_release_it_once(world, time_passes):
    request = scheduled()
    time_passes(hours=9)
    at_once([services.release_scheduled] * 4)
    request.refresh_from_db()
    assert request.state == "done"
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2
    assert PointerMove.objects.filter(policy_set__slug=SET, environment="production").count() == 2


def test_it_is_checked_again_when_its_time_comes(world, time_passes):
    request = scheduled()
    publish_release(
        policy_set=SET, process=Process.objects.get(slug=SET), text=POLICY + "// now", parameters=PARAMETERS,
        environments=["production"], actor=system_actor("tests"),
    )  # fmt: skip
    time_passes(hours=9)
    services.release_scheduled()
    request.refresh_from_db()
    assert (request.state, live().version) == ("refused", 2)
    assert request.refusal.startswith("Another release took its place meanwhile")
    assert request.draft_version.draft.state == "open"


def test_who_lost_the_right_until_then_does_not_release(world, time_passes):
    request = scheduled()
    withdraw_role(
        user=person("priya"), role="owner", process=Process.objects.get(slug=SET), actor=system_actor("tests")
    )
    time_passes(hours=9)
    services.release_scheduled()
    request.refresh_from_db()
    assert request.refusal == "Whoever asked may not change these policies any more."


def test_the_time_is_part_of_what_was_agreed_to(world, time_passes):
    request = scheduled()
    ReleaseRequest.objects.filter(id=request.id).update(release_at=clock.now() + dt.timedelta(hours=1))
    time_passes(hours=2)
    services.release_scheduled()
    request.refresh_from_db()
    assert (request.refusal, live().version) == ("This is not what was agreed to.", 1)


@pytest.mark.parametrize("who", ["priya", "alex", "dana"])
def test_until_then_its_writers_and_who_agreed_to_it_may_cancel_it(world, time_passes, who):
    request = scheduled()
    services.withdraw_request(actor=actor(who), request_id=request.id)
    time_passes(hours=9)
    services.release_scheduled()
    request.refresh_from_db()
    assert (request.state, live().version, request.draft_version.draft.state) == ("withdrawn", 1, "open")


@pytest.mark.parametrize("who", ["felix", "omar", "chen"])
def test_nobody_else_cancels_it(world, who):
    request = scheduled()
    assert refusal(services.withdraw_request, actor=actor(who), request_id=request.id).code == "permission.missing"


def test_who_is_asked_does_not_take_a_review_back_before_agreeing(world):
    request = sent(raised(), release_at=clock.now() + dt.timedelta(hours=8))
    assert refusal(services.withdraw_request, actor=actor("dana"), request_id=request.id).code == "permission.missing"


def test_one_change_is_under_way_at_a_time(world):
    scheduled()
    assert refusal(sent, raised("800.00")).code == "policy.review_under_way"


def test_an_emergency_does_not_wait_for_it_and_ends_it(world, time_passes):
    request = scheduled()
    draft = raised("900.00")
    services.release_in_emergency(
        actor=actor("priya"), draft_id=draft.id, version=2, environment="production", reason="It cannot wait"
    )
    time_passes(hours=9)
    services.release_scheduled()
    request.refresh_from_db()
    assert (request.state, live().parameters) == ("refused", limit("900.00"))


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_a_time_that_is_past_or_far_ahead_is_refused(world, days):
    draft = raised()
    error = refusal(sent, draft, release_at=clock.now() + dt.timedelta(days=days))
    assert (error.code, error.details["errors"][0]["pointer"]) == ("policy.bad_time", "/release_at")


def test_rollbacks_and_promotions_have_their_time_too(world, time_passes):
    released()
    request = voted(
        services.request_rollback(
            actor=actor("priya"), policy_set=SET, version=1, environment="production", message="Too many",
            release_at=clock.now() + dt.timedelta(hours=1),
        )
    )  # fmt: skip
    assert (request.state, live().version) == ("scheduled", 2)
    time_passes(hours=2)
    services.release_scheduled()
    assert (live().version, live().source.version) == (3, 1)


def test_the_pages_say_when_and_let_it_be_cancelled(sign_in):
    priya, dana = sign_in("priya"), sign_in("dana")
    draft = raised()
    at = f"{clock.now() + dt.timedelta(days=2):%Y-%m-%dT%H:%M}"
    form = {"version": 2, "environment": "production", "in_flight": "recheck", "message": "", "release_at": at}
    assert priya.post(f"/policies/drafts/{draft.id}/send/", form).status_code == 302
    request = voted(ReleaseRequest.objects.get())
    assert request.state == "scheduled"
    assert "A change is scheduled in production" in dana.get("/policies/").content.decode()
    assert "Scheduled" in dana.get(f"/policies/{SET}/").content.decode()
    page = dana.get(f"/policies/reviews/{request.id}/").content.decode()
    assert "Decides from" in page and "Cancel the release" in page
    assert "Cancel the release" not in sign_in("chen").get(f"/policies/reviews/{request.id}/").content.decode()
    assert dana.post(f"/policies/reviews/{request.id}/withdraw/").status_code == 302
    request.refresh_from_db()
    assert request.state == "withdrawn"


def test_the_api_takes_a_time(api):
    draft = raised()
    at = clock.rfc3339(clock.now() + dt.timedelta(days=2))
    body = {"version": 2, "environment": "production", "release_at": at}
    url = f"/api/v1/policy-drafts/{draft.id}/send"
    assert api("priya").post(url, {**body, "release_at": "soon"}, format="json").status_code == 422
    answer = api("priya").post(url, body, format="json").json()
    assert answer["release_at"] == at
    voted(ReleaseRequest.objects.get())
    [row] = [row for row in api("dana").get("/api/v1/policies").json()["items"] if row["set"] == SET]
    assert (row["in_review"], row["scheduled"]) == (0, {"production": at})


def test_what_was_lost_by_the_worker_is_found_by_the_beat(world, time_passes):
    """It died after the vote and before its news; the news comes late, after the time."""
    request = scheduled()
    time_passes(hours=9)
    for act in (partial(services.answer_release_request, request.id), services.release_scheduled):
        act()
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2
