"""Approve with edits: a new version, checked, decided and voted again, whose maker asks for it (I4, I5)."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval, ApprovalState, Vote
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import MeshError
from apps.gateway import services
from apps.gateway.models import CallState, CallVersion, DecisionMoment, ToolCall
from apps.gateway.services import EditOutcome
from apps.halts import services as halts
from apps.registry.models import Grant, Tool
from apps.runs.models import Span
from apps.vault import services as vault
from tests.conftest import Robot, actor, credit, parked, person, settle_news
from tests.contract.database import contents
from tests.fakes.erp import FakeErp
from tests.gateway.test_release_tool_call import release_policy
from tests.world import POLICY

pytestmark = pytest.mark.django_db


def edit(
    approval: Approval, amount: str = "900.00", *, by: str = "dana", digest: str | None = None, **more: Any
) -> EditOutcome:
    arguments = {**credit(amount), **more.pop("arguments", {})}
    return services.edit_tool_call(
        actor=actor(by), approval_id=approval.id, digest=digest or approval.digest, arguments=arguments, **more
    )


def refused(act: Callable[[], Any]) -> MeshError:
    """The refusal, after which the database is as it was."""
    before = contents()
    with pytest.raises(MeshError) as caught:
        act()
    assert contents() == before
    return caught.value


def vote(approval: Approval, by: str, verdict: str = "approve") -> Vote:
    approval.refresh_from_db()
    return approvals.cast_vote(
        actor=actor(by),
        approval_id=approval.id,
        verdict=verdict,
        digest=approval.digest,
        reason_code="" if verdict == "approve" else "wrong_amount",
    )


def reread(call: ToolCall) -> ToolCall:
    return ToolCall.objects.select_related("approval", "request").get(id=call.id)


def test_lowering_the_amount_carries_the_editors_vote_and_is_executed_with_it(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    outcome = edit(approval, comment="Half of it was agreed")
    settle_news()

    assert outcome.vote is not None
    assert outcome.vote.voter == person("dana")
    assert (outcome.call.version, outcome.call.money_minor) == (2, 90000)
    assert [(entry["amount"], entry["reference"]) for entry in erp.ledger] == [
        ("900.00", "writer/erp.issue_credit_memo/k-1")
    ]
    approval.refresh_from_db()
    assert (approval.state, outcome.approval.previous_id) == (ApprovalState.SUPERSEDED, approval.id)
    ended = reread(call)
    assert (ended.state, ended.run_id, ended.idempotency_key) == (CallState.SUCCEEDED, call.run_id, "k-1")


def test_any_other_edit_waits_for_somebody_else(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    outcome = edit(approval, "1400.00")
    settle_news()

    assert outcome.vote is None
    assert person("dana").id in outcome.approval.barred_people
    assert "Somebody else" in outcome.sentence
    assert erp.requests == []
    for verdict in ("approve", "reject", "request_changes"):
        assert refused(lambda v=verdict: vote(outcome.approval, "dana", v)).code == "approval.own_request"  # type: ignore[misc]
    assert refused(lambda: edit(outcome.approval, "100.00")).code == "approval.own_request"

    vote(outcome.approval, "felix")
    settle_news()
    assert reread(call).state == CallState.SUCCEEDED
    assert [entry["amount"] for entry in erp.ledger] == ["1400.00"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": "900.00", "note": "as agreed"},
        {"amount": "900.00", "invoice_id": "INV-1043"},
        {"amount": "900.00", "customer_id": "C-205"},
        {"amount": "900.00", "reason_code": "goodwill"},
        {"amount": "1280.01"},
        {"note": "the same amount"},
    ],
)
def test_whoever_changes_more_than_the_amount_downwards_is_a_maker(writer: Robot, arguments: dict[str, str]) -> None:
    _, approval = parked(writer)
    outcome = edit(approval, "1280.00", arguments=arguments)

    assert outcome.vote is None
    assert person("dana").id in outcome.approval.barred_people


def test_both_versions_are_kept_and_linked(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    first_digest = call.digest
    edit(approval, "1400.00", comment="The freight was forgotten")
    vote(reread(call).approval, "felix")  # type: ignore[arg-type]
    settle_news()

    first, second = call.versions.all()
    assert [vault.read(version.request_id)["arguments"]["amount"] for version in (first, second)] == [
        "1280.00",
        "1400.00",
    ]
    assert (first.made_by, first.made_by_kind, first.reason) == ("agent:writer", "agent", None)
    assert (second.made_by_name, second.made_by_kind) == ("Dana Ruiz", "person")
    assert vault.body_of(second.reason) == "The freight was forgotten"
    assert (first.digest, first.approval_id) == (first_digest, approval.id)
    assert second.digest != first.digest
    assert [decision.moment for decision in call.decisions.all()] == ["intake", "edit", "release"]
    assert second.decision.moment == DecisionMoment.EDIT
    card = cards_of([reread(call).approval], None)[reread(call).approval_id]  # type: ignore[index,list-item]
    assert card["changes"] == [{"label": "Amount", "before": "1280.00", "after": "1400.00"}]
    assert card["changed_by"] == "Dana Ruiz"
    assert "1,400.00" in card["sentence"]


def test_the_timeline_and_the_log_name_both_versions(writer: Robot) -> None:
    call, approval = parked(writer)
    outcome = edit(approval, arguments={"note": "Confidential words"})

    span = Span.objects.get(run=call.run, name__startswith="Changed by")
    assert span.name == "Changed by Dana Ruiz: amount €1,280.00 → €900.00, note"
    assert span.attributes["previous_approval_id"] == str(approval.id)
    assert span.attributes["approval_id"] == str(outcome.approval.id)
    assert (span.attributes["previous_version"], span.attributes["version"]) == (1, 2)
    waits = list(Span.objects.filter(run=call.run, kind="human_wait").order_by("started_at"))
    assert [wait.ended_at is None for wait in waits] == [False, True]
    entry = AuditEntry.objects.get(code="tool_call.changed")
    assert entry.actor_name == "Dana Ruiz"
    assert (entry.data["previous_digest"], entry.data["digest"]) == (approval.digest, outcome.approval.digest)
    assert "Confidential" not in f"{span.name}{span.note}{span.attributes}{entry.data}"


def test_a_version_is_never_changed(writer: Robot) -> None:
    call, approval = parked(writer)
    edit(approval)
    with pytest.raises(Exception, match="Cannot update or delete"):
        CallVersion.objects.filter(tool_call=call).update(digest="")


def test_the_new_amount_is_decided_anew(writer: Robot, erp: FakeErp) -> None:
    """Above 5,000 policy wants the CFO office too."""
    call, approval = parked(writer)
    outcome = edit(approval, "6000.00")

    assert [stage.team.slug for stage in outcome.approval.stages.all()] == ["finance-approvers", "cfo-office"]
    assert outcome.approval.risk == "high"
    vote(outcome.approval, "felix")
    settle_news()
    assert reread(call).state == CallState.AWAITING_APPROVAL
    vote(outcome.approval, "carla")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["6000.00"]


@pytest.mark.parametrize("amount", ["900.00", "400.00"])
def test_an_edit_never_removes_people(writer: Robot, erp: FakeErp, amount: str) -> None:
    """900 alone would need finance only, and 400 nobody."""
    call, approval = parked(writer, "6000.00")
    outcome = edit(approval, amount)
    settle_news()

    assert [stage.team.slug for stage in outcome.approval.stages.all()] == ["finance-approvers", "cfo-office"]
    assert outcome.vote is not None
    assert erp.requests == []
    vote(outcome.approval, "carla")
    settle_news()
    assert (reread(call).state, [entry["amount"] for entry in erp.ledger]) == (CallState.SUCCEEDED, [amount])


def test_where_policy_would_allow_it_the_people_who_were_asked_still_answer(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    outcome = edit(approval, "400.00", arguments={"note": "rounded"})
    version = call.versions.get(number=2)

    assert version.decision.outcome == "allow"
    assert version.obligations == call.versions.get(number=1).obligations
    assert outcome.approval.policy_ref == approval.policy_ref
    card = cards_of([outcome.approval], None)[outcome.approval.id]
    assert [why["ref"] for why in card["why"]] == ["credit-alone@1", "credit-finance@1"]
    vote(outcome.approval, "felix")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["400.00"]


def test_votes_on_the_old_version_do_not_count_for_the_new_one(writer: Robot, erp: FakeErp) -> None:
    """Carla's stage is the second: what she lowers starts over with the first, and then comes back to her."""
    call, approval = parked(writer, "6000.00")
    vote(approval, "dana")
    outcome = edit(approval, "5500.00", by="carla")
    settle_news()

    assert reread(call).state == CallState.AWAITING_APPROVAL
    assert (outcome.vote, outcome.is_barred) == (None, False)
    assert "starts over" in outcome.sentence
    assert list(outcome.approval.votes.all()) == []
    assert outcome.approval.open_team is not None
    assert outcome.approval.open_team.slug == "finance-approvers"
    assert erp.requests == []
    vote(outcome.approval, "dana")
    vote(outcome.approval, "carla")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["5500.00"]


def test_an_edit_may_be_edited(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    second = edit(approval, "1400.00")
    third = edit(second.approval, "1300.00", by="felix")
    settle_news()

    assert third.vote is not None
    assert [version.number for version in call.versions.all()] == [1, 2, 3]
    assert person("dana").id in third.approval.barred_people
    assert [entry["amount"] for entry in erp.ledger] == ["1300.00"]


def test_the_maker_of_an_earlier_version_stays_one(writer: Robot, erp: FakeErp) -> None:
    """Felix lowers what Dana raised, in a chain that still waits for the CFO office."""
    _, approval = parked(writer, "6000.00")
    raised = edit(approval, "7000.00")
    lowered = edit(raised.approval, "6500.00", by="felix")

    assert lowered.vote is not None
    assert refused(lambda: vote(lowered.approval, "dana")).code == "approval.own_request"
    assert refused(lambda: edit(lowered.approval, "10.00")).code == "approval.own_request"


def test_the_agent_finds_its_call_by_what_it_asked_for_and_by_what_it_became(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    edit(approval, "1400.00")
    answers = {amount: writer.call(amount) for amount in ("1280.00", "1400.00", "1300.00")}

    assert [answer.status_code for answer in answers.values()] == [202, 202, 409]
    assert answers["1300.00"].json()["code"] == "idempotency_conflict"
    for answer in (answers["1280.00"], answers["1400.00"]):
        body = answer.json()
        assert (body["id"], body["version"], body["replayed"]) == (str(call.id), 2, True)
        assert body["arguments"]["amount"] == "1400.00"
        assert body["money"] == {"minor": 140000, "currency": "EUR"}
    told = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert (told["version"], told["arguments"]["amount"]) == (2, "1400.00")
    assert told["approval"]["id"] != str(approval.id)


REFUSALS: list[tuple[str, str, dict[str, Any], str]] = [
    ("what misses the schema", "dana", {"amount": "1.5"}, "arguments_invalid"),
    ("what nobody knows", "dana", {"arguments": {"bonus": "1"}}, "arguments_invalid"),
    ("nothing", "dana", {"amount": "1280.00"}, "edit.nothing_changed"),
    ("a currency no policy speaks of", "dana", {"arguments": {"currency": "USD"}}, "edit.denied"),
    ("another digest", "dana", {"digest": "0" * 64}, "stale"),
    ("not their stage", "carla", {}, "approval.not_your_stage"),
    ("no right to vote", "omar", {}, "permission.missing"),
    ("not to be seen", "otto", {}, "approval.not_found"),
]


@pytest.mark.parametrize(("what", "by", "change", "code"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_refused_and_nothing_written(
    writer: Robot, erp: FakeErp, what: str, by: str, change: dict[str, Any], code: str
) -> None:
    _, approval = parked(writer)
    refusal = refused(lambda: edit(approval, by=by, **change))

    assert refusal.code == code
    assert refusal.sentence[-1] in ".!?"


def test_a_denial_says_why(writer: Robot) -> None:
    _, approval = parked(writer)
    refusal = refused(lambda: edit(approval, arguments={"currency": "USD"}))

    assert refusal.status == 403
    assert "No policy permits this call" in refusal.sentence
    assert refusal.details["decision"]["outcome"] == "deny"


def test_an_agent_edits_nothing(writer: Robot) -> None:
    _, approval = parked(writer)
    refusal = refused(
        lambda: services.edit_tool_call(
            actor=writer.actor, approval_id=approval.id, digest=approval.digest, arguments=credit("900.00")
        )
    )
    assert refusal.code == "approval.not_found"


def test_whoever_asked_the_agent_does_not_edit(writer: Robot) -> None:
    _, approval = parked(writer, on_behalf_of="dana")
    assert refused(lambda: edit(approval)).code == "approval.own_request"
    outcome = edit(approval, by="felix")
    assert person("dana").id in outcome.approval.barred_people
    assert cards_of([outcome.approval], None)[outcome.approval.id]["on_behalf_of"] == "dana"


def test_what_is_decided_is_not_edited(writer: Robot, erp: FakeErp) -> None:
    _, approval = parked(writer)
    vote(approval, "felix")
    assert refused(lambda: edit(approval)).code == "approval.already_decided"


def test_what_was_replaced_is_not_edited(writer: Robot) -> None:
    _, approval = parked(writer)
    edit(approval, "1400.00")
    assert refused(lambda: edit(approval, by="felix")).code == "approval.already_decided"


def test_what_the_agent_was_asked_to_change_is_its_own_turn(writer: Robot) -> None:
    _, approval = parked(writer)
    vote(approval, "felix", "request_changes")
    assert refused(lambda: edit(approval)).code == "approval.with_agent"


def test_under_a_halt_nothing_is_changed(writer: Robot) -> None:
    _, approval = parked(writer)
    halt = halts.place_halt(
        actor=actor("omar"),
        scope_type="agent",
        scope_reference="writer",
        environment="production",
        mode="hold",
        reason_code="drill",
    )
    refusal = refused(lambda: edit(approval))
    assert (refusal.status, refusal.details["halt"]["id"]) == (423, str(halt.id))

    halts.lift_halt(actor=actor("omar"), halt_id=halt.id, reason="Drill over")
    assert edit(approval).vote is not None


def test_without_its_grant_nothing_is_changed(writer: Robot) -> None:
    call, approval = parked(writer)
    Grant.objects.filter(agent=writer.agent, tool=call.tool).update(revoked_at=call.requested_at)
    assert refused(lambda: edit(approval)).code == "tool_call.grant_gone"


def test_a_vote_of_the_editor_that_is_refused_takes_the_edit_with_it(writer: Robot) -> None:
    """The limit of the new amount counts, not that of the old one."""
    _, approval = parked(writer)
    approvals.set_limit(
        actor=actor("priya"),
        process="order-to-cash",
        team="finance-approvers",
        person=None,
        currency="EUR",
        limit_minor=100_000,
        reason="Delegation of authority",
    )
    assert refused(lambda: edit(approval, "1100.00")).code == "approval.over_limit"
    assert edit(approval, "900.00").vote is not None


def test_an_amount_above_the_processs_threshold_needs_proof_for_the_editors_vote_and_for_no_other_edit(
    writer: Robot,
) -> None:
    _, approval = parked(writer)
    approvals.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 80_000})
    assert refused(lambda: edit(approval, "900.00")).code == "approval.step_up_needed"
    assert edit(approval, "900.00", confirmed_at=clock.now()).vote is not None

    _, another = parked(writer, key="k-2")
    assert edit(another, "1400.00").is_barred


def test_the_person_who_lent_their_vote_is_barred_with_the_one_who_used_it(
    writer: Robot, time_passes: Callable[..., None]
) -> None:
    """Dana's stand-in makes a version; so Dana does not decide it either, and Felix does."""
    _, approval = parked(writer)
    approvals.delegate(
        actor=actor("dana"),
        receiver="carla",
        starts_at=clock.now(),
        ends_at=clock.now() + dt.timedelta(days=7),
        reason="On holiday",
    )
    time_passes(seconds=1)
    outcome = edit(approval, "1400.00", by="carla")

    assert outcome.is_barred
    for username in ("carla", "dana"):
        assert refused(lambda by=username: vote(outcome.approval, by)).code == "approval.own_request"  # type: ignore[misc]
    assert vote(outcome.approval, "felix")


def test_the_tool_as_it_is_now_checks_the_edit(writer: Robot, erp: FakeErp) -> None:
    """An edit after a change of the tool is a version under the new definition, and released by it."""
    call, approval = parked(writer)
    Tool.objects.filter(id=call.tool_id).update(version=call.tool_version + 1)
    edit(approval)
    settle_news()

    assert reread(call).tool_version == call.tool_version + 1
    assert reread(call).state == CallState.SUCCEEDED
    assert [version.tool_version for version in call.versions.all()] == [1, 2]


def test_policy_that_changes_after_the_edit_invalidates_it(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    outcome = edit(approval, "400.00", arguments={"note": "x"})
    release_policy(
        POLICY + '\n@id("stop") @says("None") forbid (principal, action == Action::"erp.issue_credit_memo", resource);'
    )
    vote(outcome.approval, "felix")
    settle_news()

    assert (reread(call).state, reread(call).error_code) == (CallState.INVALIDATED, "decision_changed")
    assert erp.requests == []


@pytest.mark.parametrize("what", ["the request of the version before", "the approval of the version before"])
def test_a_call_put_back_to_an_earlier_version_never_runs(writer: Robot, erp: FakeErp, what: str) -> None:
    """As by a bug or a hand in the database: the digest names the version (I4)."""
    call, approval = parked(writer)
    outcome = edit(approval, "1400.00")
    vote(outcome.approval, "felix")
    first = call.versions.get(number=1)
    if what.startswith("the request"):
        ToolCall.objects.filter(id=call.id).update(request=first.request, arguments_digest=first.arguments_digest)
    else:
        Approval.objects.filter(id=approval.id).update(state="approved")
        ToolCall.objects.filter(id=call.id).update(approval=approval)
    settle_news()

    assert (reread(call).state, reread(call).error_code) == (CallState.INVALIDATED, "digest_differs")
    assert erp.requests == []


def test_the_end_of_the_replaced_approval_is_no_end_of_the_call(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    edit(approval, "1400.00")
    settle_news()
    services.release_tool_call(call.id)

    assert reread(call).state == CallState.AWAITING_APPROVAL
    assert call.id not in services.resolved_but_parked_calls()


def test_an_edited_call_whose_news_was_lost_is_found(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, approval = parked(writer)
    edit(approval)
    time_passes(seconds=5)
    assert services.resolved_but_parked_calls() == [call.id]
    services.release_tool_call(call.id)
    assert reread(call).state == CallState.SUCCEEDED


def test_the_expiry_of_the_new_version_ends_the_call(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, approval = parked(writer)
    edit(approval, "1400.00")
    time_passes(hours=9)
    approvals.expire_due()
    settle_news()

    assert reread(call).state == CallState.EXPIRED
    assert erp.requests == []


def test_by_the_api(writer: Robot, api: Callable[[str], APIClient], erp: FakeErp) -> None:
    call, approval = parked(writer)
    body = {"digest": approval.digest, "arguments": credit("900.00"), "comment": "Half of it"}
    answer = api("dana").post(f"/api/v1/approvals/{approval.id}/edits", body, format="json")
    again = api("dana").post(f"/api/v1/approvals/{approval.id}/edits", body, format="json")

    shown = answer.json()
    assert answer.status_code == 201, shown
    assert (shown["tool_call_id"], shown["version"], shown["approval"]["state"]) == (str(call.id), 2, "approved")
    assert UUID(shown["vote_id"])
    assert (again.status_code, again.json()["code"]) == (409, "approval.already_decided")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["900.00"]


def test_by_the_api_errors_point_at_the_arguments(writer: Robot, api: Callable[[str], APIClient]) -> None:
    _, approval = parked(writer)
    body = {"digest": approval.digest, "arguments": credit("1.5")}
    answer = api("dana").post(f"/api/v1/approvals/{approval.id}/edits", body, format="json")

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/amount"}
