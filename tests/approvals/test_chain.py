"""Stages, quorums, mixed votes: what each vote does to a chain."""

import pytest

from apps.approvals import services
from apps.approvals.models import Vote
from apps.core.errors import Conflict, MeshError, NotAllowed
from apps.core.models import OutboxEvent
from tests.approvals.questions import ask, join, newcomer, state_of, vote
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(world: FakeErp) -> None:
    """Everybody is there."""


def refused(username: str, approval: object, **more: object) -> str:
    with pytest.raises(MeshError) as refusal:
        vote(username, approval, **more)  # type: ignore[arg-type]
    return refusal.value.code


def test_a_quorum_of_two_needs_two_people() -> None:
    approval = ask("finance-approvers:2")
    vote("dana", approval)
    assert state_of(approval) == "pending"
    assert refused("dana", approval) == "approval.already_voted"
    vote("felix", approval)
    assert state_of(approval) == "approved"


def test_one_no_outweighs_any_number_of_yes() -> None:
    approval = ask("finance-approvers:2, cfo-office:1")
    vote("dana", approval)
    vote("felix", approval, "reject")
    assert state_of(approval) == "rejected"
    assert refused("carla", approval) == "approval.already_decided"


def test_a_no_in_a_later_stage_ends_what_earlier_stages_passed() -> None:
    approval = ask("finance-approvers:1, cfo-office:1")
    vote("dana", approval)
    vote("carla", approval, "reject")
    assert state_of(approval) == "rejected"


def test_a_request_for_changes_takes_it_off_every_queue_until_the_agent_answers() -> None:
    approval = ask("finance-approvers:2")
    vote("dana", approval)
    vote("felix", approval, "request_changes", reason_code="wrong_amount")
    assert state_of(approval) == "changes_requested"
    newcomer("nora", teams=("finance-approvers",))
    assert refused("nora", approval) == "approval.with_agent"
    assert OutboxEvent.objects.filter(name="ApprovalChangesRequested").count() == 1


def test_what_is_with_the_agent_still_runs_out(time_passes) -> None:  # type: ignore[no-untyped-def]
    approval = ask()
    vote("dana", approval, "request_changes")
    time_passes(hours=9)
    assert services.expire_due() == 1
    assert state_of(approval) == "expired"


def test_stages_are_voted_in_order_and_the_next_team_hears_of_it() -> None:
    approval = ask("finance-approvers:1, cfo-office:1")
    assert refused("carla", approval) == "approval.not_your_stage"
    vote("dana", approval)
    assert refused("felix", approval) == "approval.not_your_stage"
    opened = OutboxEvent.objects.filter(name="ApprovalOpened").order_by("id").values_list("body", flat=True)
    assert [(body["team"], body["position"]) for body in opened] == [("finance-approvers", 1), ("cfo-office", 2)]
    vote("carla", approval)
    assert state_of(approval) == "approved"


def test_one_person_in_two_teams_counts_once() -> None:
    join("dana", "cfo-office")
    approval = ask("finance-approvers:1, cfo-office:1")
    vote("dana", approval)
    assert refused("dana", approval) == "approval.already_voted"
    assert state_of(approval) == "pending"


def test_one_vote_counts_in_both_stages_where_the_process_says_so() -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", counts_twice=True)
    join("dana", "cfo-office")
    approval = ask("finance-approvers:1, cfo-office:1")
    vote("dana", approval)
    assert state_of(approval) == "approved"
    assert Vote.objects.filter(approval=approval).count() == 1


def test_a_carried_vote_fills_one_seat_of_two() -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", counts_twice=True)
    join("dana", "cfo-office")
    approval = ask("finance-approvers:1, cfo-office:2")
    vote("dana", approval)
    assert state_of(approval) == "pending"
    assert approval.stages.get(position=2).carried_count == 1
    vote("carla", approval)
    assert state_of(approval) == "approved"


def test_a_process_that_does_not_say_so_keeps_people_apart() -> None:
    join("dana", "cfo-office")
    approval = ask("finance-approvers:1, cfo-office:1")
    vote("felix", approval)
    vote("dana", approval)
    assert state_of(approval) == "approved"


def test_a_new_version_is_voted_on_anew() -> None:
    from django.db import transaction

    from tests.approvals.questions import ASKER, question

    approval = ask("finance-approvers:2")
    vote("dana", approval)
    with transaction.atomic():
        later = services.supersede_approval(
            approval=approval,
            request=question("finance-approvers:2", subject_id=approval.subject_id, digest="b" * 64),
            actor=ASKER,
        )
    assert state_of(approval) == "superseded"
    assert later.previous_id == approval.id
    assert refused("felix", approval) == "approval.already_decided"
    vote("dana", later)
    vote("felix", later)
    assert state_of(later) == "approved"


def test_what_was_decided_is_not_superseded() -> None:
    from django.db import transaction

    from tests.approvals.questions import ASKER, question

    approval = ask()
    vote("dana", approval)
    with pytest.raises(Conflict) as refusal, transaction.atomic():
        services.supersede_approval(approval=approval, request=question(subject_id=approval.subject_id), actor=ASKER)
    assert refusal.value.code == "approval.already_decided"


def test_someone_without_the_right_is_told_so_whatever_the_state() -> None:
    approval = ask()
    with pytest.raises(NotAllowed) as before:
        vote("omar", approval)
    vote("dana", approval)
    with pytest.raises(NotAllowed) as after:
        vote("omar", approval)
    assert before.value.code == after.value.code == "permission.missing"
