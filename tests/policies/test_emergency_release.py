"""One person may change at once what decides; everybody sees it, and a second person says afterwards whether it was
right.
"""

import datetime as dt
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from apps.accounts.models import Team
from apps.accounts.services import add_member
from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from apps.notifications.models import News
from apps.policies import services
from apps.policies.afterwards import due_after
from apps.policies.models import EmergencyRelease, PolicyRelease, ReleaseRequest
from apps.registry.models import Process
from apps.registry.services import assign_role, withdraw_role
from tests.conftest import actor, at_once, person, settle_news
from tests.policies.reviewing import SET, WHAT_BLOCKS, limit, live, raised, refusal, released, sent, voted
from tests.world import PARAMETERS

pytestmark = pytest.mark.django_db
REASON = "Every refund fails since noon"


def alone(value: str = "750.00", who: str = "priya", reason: str = REASON, draft=None, **more) -> EmergencyRelease:
    draft = draft or raised(value)
    return services.release_in_emergency(
        actor=actor(who), draft_id=draft.id, version=draft.version, environment="production", reason=reason, **more
    )


def back(version: int, who: str = "priya") -> EmergencyRelease:
    return services.roll_back_in_emergency(
        actor=actor(who), policy_set=SET, version=version, environment="production", reason=REASON
    )


def answered(emergency: EmergencyRelease, who: str = "dana", verdict: str = "approve", **more) -> EmergencyRelease:
    voted(emergency.request, who, verdict, **more)
    emergency.refresh_from_db()
    return emergency


def rejected(emergency: EmergencyRelease) -> EmergencyRelease:
    return answered(emergency, verdict="reject", reason_code="other", comment="The limit was right")


def test_it_decides_at_once_and_somebody_is_asked_afterwards(writer):
    assert writer.call("600.00", key="before").status_code == 202
    emergency = alone()
    assert (live().version, live().parameters, live().message) == (2, limit("750.00"), REASON)
    assert writer.call("600.00", key="after").status_code == 200
    request = emergency.request
    assert (request.state, request.draft_version.draft.__class__.objects.get().state) == ("done", "released")
    approval = request.approval
    assert (approval.state, approval.subject_type, approval.open_team.slug) == (
        "pending", "policy_emergency", "finance-approvers",
    )  # fmt: skip
    assert {person("priya").id, person("alex").id} <= set(approval.barred_people)
    assert abs((approval.expires_at - emergency.due_at).total_seconds()) < 2
    emergency = answered(emergency)
    assert (emergency.state, live().version) == ("agreed", 2)


def test_it_leaves_its_trace_under_the_name_of_who_did_it(world):
    emergency = alone()
    moved = AuditEntry.objects.filter(code="policy.released", process=SET).latest("seq")
    assert (moved.actor_key, moved.reason, moved.data["emergency"]) == (actor("priya").key, REASON, True)
    entry = AuditEntry.objects.get(code="policy.released_alone")
    assert (entry.actor_key, entry.reason, entry.data["due_at"]) == (
        actor("priya").key, REASON, clock.rfc3339(emergency.due_at),
    )  # fmt: skip
    answered(emergency)
    assert AuditEntry.objects.filter(code="policy.emergency_agreed").exists()
    names = set(OutboxEvent.objects.values_list("name", flat=True))
    assert {"PolicyReleasedAlone", "PolicyReleased", "EmergencyReviewed"} <= names


@pytest.mark.parametrize("who", ["alex", "dana", "omar", "chen"])
def test_only_who_may_release_alone_does(world, who):
    draft = raised()
    error = refusal(alone, who=who, draft=draft)
    assert error.code == "permission.missing"
    assert refusal(back, 1, who).code == "permission.missing"
    assert (live().version, EmergencyRelease.objects.count()) == (1, 0)


def test_the_right_alone_is_not_enough_without_the_right_to_write(world):
    """Who lost the role loses both."""
    draft = raised()
    withdraw_role(
        user=person("priya"), role="owner", process=Process.objects.get(slug=SET), actor=system_actor("tests")
    )
    assert refusal(alone, draft=draft).code in ("permission.missing", "policy.draft_not_found")


@pytest.mark.parametrize(("content", "code"), WHAT_BLOCKS)
def test_whatever_else_blocks_a_release_blocks_this_one(world, content, code):
    draft = services.start_draft(actor=actor("priya"), policy_set=SET)
    draft = services.save_draft(actor=actor("priya"), draft_id=draft.id, version=1, **content)
    assert refusal(alone, draft=draft).code == code
    assert (live().version, EmergencyRelease.objects.count()) == (1, 0)


def test_a_stale_base_a_stale_version_and_no_reason_are_refused(world):
    behind = raised("900.00")
    released()
    assert refusal(alone, draft=behind).code == "policy.base_moved"
    draft = raised("910.00")
    draft.version -= 1
    assert refusal(alone, draft=draft).code == "policy.draft_stale"
    assert refusal(alone, reason="  ").code == "policy.reason_missing"


def test_without_anybody_who_could_agree_afterwards_nobody_does_it_alone(world):
    process = Process.objects.get(slug=SET)
    for who in ("dana", "felix", "carla"):
        withdraw_role(user=person(who), role="approver", process=process, actor=system_actor("tests"))
    assert refusal(alone).code == "policy.nobody_to_ask"
    assert live().version == 1


@pytest.mark.parametrize("who", ["priya", "alex"])
def test_neither_who_did_it_nor_their_team_votes(world, who):
    assign_role(user=person(who), role="approver", process=Process.objects.get(slug=SET), actor=system_actor("tests"))
    emergency = alone()
    add_member(team=Team.objects.get(slug="finance-approvers"), user=person(who), actor=system_actor("tests"))
    error = refusal(answered, emergency, who)
    assert error.code == "approval.own_request"


def test_what_waits_for_review_meanwhile_is_refused_when_it_is_agreed_to(world):
    waiting = sent(raised("800.00"))
    alone()
    assert voted(waiting).refusal.startswith("Another release took its place meanwhile")
    assert live().parameters == limit("750.00")


def test_a_rollback_alone_is_a_new_release_that_names_its_source(writer):
    released()
    emergency = back(1)
    assert (live().version, live().source.version, live().parameters) == (3, 1, PARAMETERS)
    assert writer.call("600.00").status_code == 202
    assert (emergency.request.kind, emergency.state) == ("rollback", "open")


def test_two_business_days_leave_out_the_weekend_and_the_night(world):
    process = Process.objects.get(slug=SET)
    berlin = ZoneInfo("Europe/Berlin")
    friday_night = dt.datetime(2026, 11, 20, 22, 0, tzinfo=berlin)
    assert due_after(friday_night, process).astimezone(berlin) == dt.datetime(2026, 11, 24, 17, 0, tzinfo=berlin)
    monday = dt.datetime(2026, 11, 23, 11, 0, tzinfo=berlin)
    assert due_after(monday, process).astimezone(berlin) == dt.datetime(2026, 11, 25, 11, 0, tzinfo=berlin)


def test_overdue_is_said_once_loudly_and_asked_again(world, time_passes, sign_in):
    emergency = alone()
    settle_news()
    assert services.mark_overdue_emergencies() == 0
    time_passes(days=10)
    approvals.expire_due()
    assert services.mark_overdue_emergencies() == 1
    settle_news()
    assert services.mark_overdue_emergencies() == 0
    emergency.refresh_from_db()
    assert emergency.state == "overdue"
    assert [news.data["what"] for news in News.objects.filter(key__startswith="alone:").order_by("id")] == [
        "released", "overdue",
    ]  # fmt: skip
    assert "Never reviewed" in sign_in("omar").get("/policies/").content.decode()
    again = services.ask_again_afterwards(actor=actor("alex"), request_id=emergency.request_id)
    assert refusal(
        services.ask_again_afterwards, actor=actor("alex"), request_id=emergency.request_id
    ).code == "policy.review_not_over"  # fmt: skip
    assert answered(again).state == "agreed"
    assert "Never reviewed" not in sign_in("omar").get("/policies/").content.decode()


def test_the_news_of_an_expiry_and_the_clock_come_to_the_same(world, time_passes):
    emergency = alone()
    time_passes(days=10)
    approvals.expire_due()
    settle_news()
    emergency.refresh_from_db()
    assert emergency.state == "overdue"
    assert services.mark_overdue_emergencies() == 0
    assert AuditEntry.objects.filter(code="policy.emergency_overdue").count() == 1


def test_a_no_stays_on_every_page_until_it_is_taken_back(writer, sign_in):
    emergency = rejected(alone())
    assert (emergency.state, live().version) == ("rejected", 2)
    page = sign_in("chen").get("/agents/").content.decode()
    assert "Rejected, still decides" in page and REASON in page
    taken = services.take_back_emergency(actor=actor("omar"), request_id=emergency.request_id, reason="As Dana says")
    assert (live().version, live().source.version, live().parameters) == (3, 1, PARAMETERS)
    assert (taken.state, taken.approval) == ("done", None)
    assert writer.call("600.00").status_code == 202
    assert "Rejected, still decides" not in sign_in("chen").get("/agents/").content.decode()
    assert refusal(
        services.take_back_emergency, actor=actor("omar"), request_id=emergency.request_id, reason="Again"
    ).code == "policy.not_live"  # fmt: skip


def test_who_may_take_it_back_when(world):
    emergency = alone()
    take = partial(services.take_back_emergency, request_id=emergency.request_id, reason="Wrong")
    for who in ("omar", "alex", "dana", "chen"):
        assert refusal(take, actor=actor(who)).code == "permission.missing"
    take(actor=actor("priya"))
    emergency.refresh_from_db()
    assert (live().version, emergency.state) == (3, "open")
    assert rejected(emergency).state == "rejected"


def test_it_is_not_taken_back_to_what_nobody_agreed_to(world):
    rejected(alone("750.00"))
    second = alone("800.00")
    take = partial(services.take_back_emergency, actor=actor("priya"), request_id=second.request_id, reason="Wrong")
    assert refusal(take).code == "policy.before_not_agreed"
    assert back(1).state == "open"


def test_the_banner_says_who_what_why_and_until_when(sign_in, client):
    alone()
    page = sign_in("omar").get("/inbox/").content.decode()
    for text in ("Priya Nair released version 2 of “order-to-cash” in production, alone", REASON, "review due"):
        assert text in page, text
    assert "1 emergency release of policies not settled." in client.get("/accounts/login/").content.decode()
    assert REASON not in client.get("/accounts/login/").content.decode()
    assert REASON not in sign_in("otto").get("/inbox/").content.decode()


def test_the_pages_do_the_whole_of_it(sign_in):
    priya = sign_in("priya")
    draft = raised()
    assert "It cannot wait for a review" in priya.get(f"/policies/drafts/{draft.id}/").content.decode()
    assert "It cannot wait" not in sign_in("alex").get(f"/policies/drafts/{draft.id}/").content.decode()
    answer = priya.post(
        f"/policies/drafts/{draft.id}/release-alone/",
        {"version": draft.version, "environment": "production", "reason": REASON},
    )
    request = ReleaseRequest.objects.get()
    assert answer["Location"] == f"/policies/reviews/{request.id}/"
    assert "a second person says whether that was right" in priya.get(answer["Location"]).content.decode()
    history = priya.get(f"/policies/{SET}/").content.decode()
    assert history.count("to be reviewed") == 2
    priya.post(f"/policies/reviews/{request.id}/take-back/", {"reason": "Wrong"})
    assert live().version == 3
    answer = priya.post(f"/policies/{SET}/versions/2/roll-back-alone/", {"environment": "production", "reason": REASON})
    assert answer.status_code == 302
    assert live().version == 4
    assert "to be reviewed" in priya.get(f"/policies/{SET}/versions/4/").content.decode()


def test_the_api_does_the_same_with_the_same_refusals(api):
    draft = raised()
    body = {"version": draft.version, "environment": "production", "reason": REASON}
    url = f"/api/v1/policy-drafts/{draft.id}/release-alone"
    assert api("alex").post(url, body, format="json").status_code == 403
    assert api("priya").post(url, {**body, "reason": ""}, format="json").status_code == 422
    answer = api("priya").post(url, body, format="json")
    made = answer.json()
    assert (answer.status_code, made["state"], made["version"], made["emergency"]["state"]) == (201, "done", 2, "open")
    taken = api("priya").post(f"/api/v1/policy-reviews/{made['id']}/take-back", {"reason": "Wrong"}, format="json")
    assert (taken.status_code, taken.json()["version"]) == (201, 3)
    again = api("priya").post(f"/api/v1/policy-reviews/{made['id']}/ask-again", format="json")
    assert (again.status_code, again.json()["code"]) == (409, "policy.review_not_over")


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_moves_the_pointer(world):
    drafts = [raised(f"{600 + number}.00") for number in range(4)]

    def one(draft) -> str:
        try:
            alone(draft=draft)
        except MeshError as error:
            return error.code
        return "released"

    assert sorted(at_once([partial(one, draft) for draft in drafts])) == ["policy.base_moved"] * 3 + ["released"]
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2
    assert Approval.objects.filter(subject_type="policy_emergency").count() == 1
