"""Nobody changes alone what decides. What was agreed to is released whole, at once, or not at all."""

from functools import partial

import pytest

from apps.accounts.models import Team
from apps.accounts.services import add_member
from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from apps.policies import services
from apps.policies.models import PointerMove, PolicyRelease, ReleaseRequest
from apps.policies.services import publish_release
from apps.registry.models import Process, Tool
from apps.registry.services import assign_role, withdraw_role
from tests.conftest import actor, at_once, parked, person, settle_news
from tests.policies.reviewing import SET, WHAT_BLOCKS, limit, live, raised, refusal, released, sent, voted
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db


def test_a_limit_is_raised_by_two_people_and_the_next_call_goes_by_it(writer):
    assert writer.call("600.00", key="before").status_code == 202
    request = sent(raised())
    assert live().version == 1
    request = voted(request)
    assert (request.state, request.release.version, request.draft_version.draft.state) == ("done", 2, "released")
    assert (live().version, live().parameters, live().message) == (2, limit("750.00"), "Fewer questions")
    answer = writer.call("600.00", key="after")
    assert (answer.status_code, answer.json()["decision"]["policies"][0]["version"]) == (200, 2)


def test_it_leaves_its_trace(world):
    request = released()
    codes = list(
        AuditEntry.objects.filter(code__startswith="policy.", process=SET)
        .order_by("seq")
        .values_list("code", flat=True)
    )
    assert codes[-5:] == [
        "policy.draft_started",
        "policy.draft_saved",
        "policy.review_requested",
        "policy.draft_sent",
        "policy.released",
    ]
    entry = AuditEntry.objects.filter(code="policy.released", process=SET).latest("seq")
    assert (entry.data["version"], entry.data["version_before"], entry.data["kind"]) == (2, 1, "release")
    assert (entry.data["requested_by"], entry.data["approval_id"]) == (actor("priya").key, str(request.approval_id))
    assert entry.actor_key == "system:policy-release"
    move = PointerMove.objects.filter(policy_set__slug=SET).latest("id")
    assert (move.release.version, move.before.version, move.moved_by_name) == (2, 1, "Priya Nair")
    for name in ("PolicyReviewRequested", "PolicyReviewEnded"):
        assert OutboxEvent.objects.filter(name=name, subject=f"policy_request:{request.id}").count() == 1


@pytest.mark.parametrize("who", ["priya", "alex"])
def test_neither_who_wrote_it_nor_their_team_votes(world, who):
    """Even with the right to vote and a seat in the team that is asked."""
    process = Process.objects.get(slug=SET)
    assign_role(user=person(who), role="approver", process=process, actor=system_actor("tests"))
    request = sent(raised())
    add_member(team=Team.objects.get(slug="finance-approvers"), user=person(who), actor=system_actor("tests"))
    error = refusal(
        approvals.cast_vote, actor=actor(who), approval_id=request.approval.id, verdict="approve",
        digest=request.approval.digest,
    )  # fmt: skip
    assert error.code == "approval.own_request"
    assert voted(request, "dana").state == "done"


def test_every_editor_is_barred_and_not_only_who_sends_it(world):
    draft = raised(who="alex")
    request = sent(draft, "priya")
    assert {person("alex").id, person("priya").id} <= set(request.approval.barred_people)


def test_without_anybody_who_could_agree_it_cannot_be_sent(world):
    process = Process.objects.get(slug=SET)
    for who in ("dana", "felix", "carla"):
        withdraw_role(user=person(who), role="approver", process=process, actor=system_actor("tests"))
    draft = raised()
    assert refusal(sent, draft).code == "policy.nobody_to_ask"
    draft.refresh_from_db()
    assert draft.state == "open"
    assert not ReleaseRequest.objects.exists()


def test_a_no_leaves_everything_and_the_draft_goes_on(world):
    draft = raised()
    request = voted(sent(draft), verdict="reject", reason_code="not_justified", comment="Not this month")
    draft.refresh_from_db()
    assert (request.state, request.refusal, draft.state) == (
        "refused", "The second person's answer: rejected.", "open",
    )  # fmt: skip
    assert live().version == 1
    services.save_draft(actor=actor("priya"), draft_id=draft.id, version=2, parameters=limit("600.00"))


def test_time_is_no_yes(world, time_passes):
    request = sent(raised())
    time_passes(hours=73)
    approvals.expire_due()
    settle_news()
    request.refresh_from_db()
    assert (request.state, live().version) == ("refused", 1)


def test_in_review_a_draft_stands_still_and_can_be_taken_back(world):
    draft = raised()
    request = sent(draft)
    save = partial(services.save_draft, actor=actor("priya"), draft_id=draft.id, version=2, parameters=limit("9.00"))
    assert refusal(save).code == "policy.draft_in_review"
    assert refusal(sent, draft).code == "policy.draft_closed"
    services.withdraw_request(actor=actor("alex"), request_id=request.id)
    settle_news()
    request.refresh_from_db()
    assert (request.state, Approval.objects.get(id=request.approval_id).state) == ("withdrawn", "cancelled")
    save()
    assert refusal(services.withdraw_request, actor=actor("alex"), request_id=request.id).code == "policy.review_over"


@pytest.mark.parametrize("who", ["dana", "omar", "chen"])
def test_who_may_not_write_may_not_send_promote_roll_back_or_take_back(world, who):
    draft = raised()
    for act in (
        lambda: sent(draft, who),
        lambda: services.request_promotion(actor=actor(who), policy_set=SET, version=1, environment="production"),
        lambda: services.request_rollback(
            actor=actor(who), policy_set=SET, version=1, environment="production", message="Why"
        ),
    ):
        assert refusal(act).code == "permission.missing"
    request = sent(draft)
    assert refusal(services.withdraw_request, actor=actor(who), request_id=request.id).code == "permission.missing"


def test_one_change_is_in_review_at_a_time(world):
    first, second = raised("750.00"), raised("800.00")
    sent(first)
    assert refusal(sent, second).code == "policy.review_under_way"
    assert sent(second, environment="staging").environment == "staging"


@pytest.mark.parametrize(("content", "code"), WHAT_BLOCKS)
def test_what_blocks_a_release(world, content, code):
    draft = services.start_draft(actor=actor("priya"), policy_set=SET)
    draft = services.save_draft(actor=actor("priya"), draft_id=draft.id, version=1, **content)
    error = refusal(sent, draft)
    assert error.code == code
    if code == "policy.not_ready":
        assert error.details["errors"]


def test_a_draft_that_began_before_the_last_release_is_brought_up_to_date_first(world):
    behind = raised("900.00")
    released()
    assert refusal(sent, behind).code == "policy.base_moved"
    rebased = services.rebase_draft(actor=actor("priya"), draft_id=behind.id, version=2, prefer="mine")
    assert voted(sent(rebased)).state == "done"
    assert live().parameters == limit("900.00")


def test_what_moved_since_the_review_began_is_not_overwritten(world):
    request = sent(raised())
    publish_release(
        policy_set=SET, process=Process.objects.get(slug=SET), text=POLICY + "// now", parameters=PARAMETERS,
        environments=["production"], actor=system_actor("tests"),
    )  # fmt: skip
    request = voted(request)
    assert (request.state, live().version) == ("refused", 2)
    assert request.refusal.startswith("Another release took its place meanwhile")


def change_tool(**columns) -> None:
    Tool.objects.filter(name="erp.open_ticket").update(**columns, definition_digest="another")


def test_what_was_checked_against_other_tools_is_reviewed_again(world):
    request = sent(raised())
    change_tool(data_classes=["customer_master"])
    request = voted(request)
    assert (request.state, request.refusal) == (
        "refused", "The tools it decides about changed since it was reviewed. Send it for review again.",
    )  # fmt: skip


def test_a_change_of_a_tool_that_no_rule_can_tell_refuses_no_review(world):
    request = sent(raised())
    schema = Tool.objects.get(name="erp.open_ticket").input_schema
    more = {**schema, "properties": {**schema["properties"], "more": {"type": "string"}}}
    change_tool(input_schema=more, title="Other", version=2)
    assert voted(request).state == "done"


def test_who_lost_the_right_meanwhile_does_not_release(world):
    request = sent(raised())
    withdraw_role(
        user=person("priya"), role="owner", process=Process.objects.get(slug=SET), actor=system_actor("tests")
    )
    assert voted(request).refusal == "Whoever asked may not change these policies any more."


def test_what_was_seen_is_what_is_released(world):
    request = sent(raised())
    ReleaseRequest.objects.filter(id=request.id).update(in_flight="keep")
    assert (voted(request).refusal, live().version) == ("This is not what was agreed to.", 1)


def test_the_news_may_come_twice_and_to_many_at_once(world):
    request = voted(sent(raised()))
    services.answer_release_request(request.id)
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_workers_release_once(world):
    request = sent(raised())
    approvals.cast_vote(
        actor=actor("dana"), approval_id=request.approval.id, verdict="approve", digest=request.approval.digest
    )
    at_once([partial(services.answer_release_request, request.id)] * 5)
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2
    assert PointerMove.objects.filter(policy_set__slug=SET, environment="production").count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_at_once_one_is_in_review(world):
    drafts = [raised(f"{600 + number}.00") for number in range(4)]

    def one(draft) -> str:
        try:
            sent(draft)
        except MeshError as error:
            return error.code
        return "sent"

    outcomes = at_once([partial(one, draft) for draft in drafts])
    assert sorted(outcomes) == ["policy.review_under_way"] * 3 + ["sent"]


def test_a_version_moves_on_from_where_it_was_tried(world):
    assert refusal(
        services.request_promotion, actor=actor("priya"), policy_set=SET, version=1, environment="staging"
    ).code == "policy.not_promotable"  # fmt: skip
    released(environment="sandbox")
    assert (live("sandbox").version, live().version) == (2, 1)
    for environment in ("staging", "production"):
        request = services.request_promotion(
            actor=actor("priya"), policy_set=SET, version=2, environment=environment, message="It went well"
        )
        assert voted(request).state == "done"
        assert live(environment).version == 2
    assert PolicyRelease.objects.filter(policy_set__slug=SET).count() == 2


def test_going_back_is_a_new_release_that_names_its_source(writer):
    released()
    rollback = partial(
        services.request_rollback, actor=actor("priya"), policy_set=SET, version=1, environment="production"
    )
    assert refusal(rollback, message=" ").code == "policy.reason_missing"
    request = voted(rollback(message="Too many went wrong"))
    assert (request.state, live().version, live().source.version, live().parameters) == ("done", 3, 1, PARAMETERS)
    assert writer.call("600.00", key="back").status_code == 202
    assert refusal(
        services.request_rollback, actor=actor("priya"), policy_set=SET, version=3, environment="production",
        message="Why",
    ).code == "policy.not_earlier"  # fmt: skip


def release_call(call, approval) -> str:
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()
    call.refresh_from_db()
    return str(call.state)


def test_calls_that_wait_are_decided_again_under_the_new_release(writer):
    call, approval = parked(writer, "600.00")
    released()
    assert (release_call(call, approval), call.error_code) == ("invalidated", "decision_changed")


def test_calls_that_wait_keep_what_they_were_approved_under_when_the_release_says_so(writer):
    call, approval = parked(writer, "600.00")
    released(in_flight="keep")
    assert release_call(call, approval) == "succeeded"
    decision = call.decisions.latest("id")
    assert [ref["version"] for ref in decision.releases if ref["set"] == SET] == [1]
    assert writer.call("600.00", key="new").status_code == 200
    released("800.00")
    call, approval = parked(writer, "900.00", key="third")
    assert release_call(call, approval) == "succeeded"
