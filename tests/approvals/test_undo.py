"""Taking a vote back before it is released, and proving who one is before a large one."""

import datetime as dt
from collections.abc import Callable

import pytest

from apps.approvals import services
from apps.approvals.models import Vote, VoteWithdrawal
from apps.approvals.queries import approvals_in_view
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from tests.approvals.questions import ask, state_of, vote
from tests.conftest import actor
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(world: FakeErp) -> None:
    """Everybody is there."""


def news() -> list[str]:
    return list(OutboxEvent.objects.order_by("id").values_list("name", flat=True))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(MeshError) as refusal:
        act()
    return refusal.value.code


def test_nothing_is_released_until_the_time_to_undo_is_over(time_passes: Callable[..., None]) -> None:
    approval = ask()
    vote("dana", approval, undo_seconds=10)
    assert state_of(approval) == "pending"
    assert approval.settles_at is not None
    assert services.settle_due() == 0
    assert "ApprovalResolved" not in news()
    time_passes(seconds=10)
    assert services.settle_due() == 1
    assert state_of(approval) == "approved"
    assert news().count("ApprovalResolved") == 1


def test_meanwhile_it_waits_for_nobody_and_nobody_else_decides_it() -> None:
    approval = ask()
    vote("dana", approval, undo_seconds=10)
    assert not approvals_in_view(actor("felix"), "mine").exists()
    assert code_of(lambda: vote("felix", approval, "reject")) == "approval.settling"


def test_taken_back_it_waits_again_and_the_same_person_may_vote_again() -> None:
    approval = ask()
    first = vote("dana", approval, undo_seconds=10)
    services.withdraw_vote(actor=actor("dana"), approval_id=approval.id)
    assert state_of(approval) == "pending"
    assert approval.settles_at is None
    assert approvals_in_view(actor("dana"), "mine").filter(id=approval.id).exists()
    second = vote("dana", approval, "reject")
    assert state_of(approval) == "rejected"
    assert second.replaces == VoteWithdrawal.objects.get(vote=first)
    assert list(AuditEntry.objects.filter(code__startswith="approval.v").values_list("code", flat=True)) == [
        "approval.voted",
        "approval.vote_withdrawn",
        "approval.voted",
    ]


def test_the_database_knows_of_one_standing_vote_per_person() -> None:
    from django.db import IntegrityError, transaction

    approval = ask()
    cast = vote("dana", approval, undo_seconds=10)
    copy = Vote(**{field.attname: getattr(cast, field.attname) for field in Vote._meta.concrete_fields} | {"id": None})
    copy.id = approval.id
    with pytest.raises(IntegrityError, match="one_person_one_vote"), transaction.atomic():
        copy.save(force_insert=True)


def test_too_late_is_too_late(time_passes: Callable[..., None]) -> None:
    approval = ask()
    vote("dana", approval, undo_seconds=10)
    time_passes(seconds=10)
    assert code_of(lambda: services.withdraw_vote(actor=actor("dana"), approval_id=approval.id)) == (
        "approval.not_settling"
    )
    services.settle_due()
    assert state_of(approval) == "approved"
    assert not VoteWithdrawal.objects.exists()


def test_nobody_takes_back_the_vote_of_another() -> None:
    approval = ask()
    vote("dana", approval, undo_seconds=10)
    assert code_of(lambda: services.withdraw_vote(actor=actor("felix"), approval_id=approval.id)) == (
        "approval.not_your_vote"
    )


@pytest.mark.parametrize("more", [{"risk": "high"}, {"reversible": False}])
def test_what_is_of_high_risk_or_cannot_be_undone_settles_at_once(more: dict[str, object]) -> None:
    approval = ask(**more)
    vote("dana", approval, undo_seconds=10)
    assert state_of(approval) == "approved"


def test_only_the_last_vote_is_held_back() -> None:
    approval = ask("finance-approvers:1, cfo-office:1")
    vote("dana", approval, undo_seconds=10)
    assert state_of(approval) == "pending"
    assert approval.settles_at is None
    vote("carla", approval, undo_seconds=10)
    services.withdraw_vote(actor=actor("carla"), approval_id=approval.id)
    approval.refresh_from_db()
    assert approval.open_team is not None
    assert approval.open_team.slug == "cfo-office"
    assert [stage.passed_at is not None for stage in approval.stages.all()] == [True, False]


def test_what_was_approved_in_time_is_not_expired_while_it_settles(time_passes: Callable[..., None]) -> None:
    approval = ask(expires_seconds=5)
    vote("dana", approval, undo_seconds=10)
    time_passes(seconds=11)
    assert services.expire_due() == 0
    assert services.settle_due() == 1
    assert state_of(approval) == "approved"


def test_what_is_cancelled_meanwhile_stays_cancelled(time_passes: Callable[..., None]) -> None:
    approval = ask()
    vote("dana", approval, undo_seconds=10)
    assert services.cancel_approval(approval_id=approval.id, actor=actor("dana"))
    time_passes(seconds=11)
    assert services.settle_due() == 0
    assert state_of(approval) == "cancelled"


# --- step-up --------------------------------------------------------------------------------------------------------


def proof_of(**ago: float) -> dt.datetime:
    return clock.now() - dt.timedelta(**ago)


def test_above_the_threshold_a_fresh_proof_is_needed_and_below_none() -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 100000})
    below, above = ask(amount="1000.00"), ask(amount="1000.01")
    vote("dana", below)
    assert code_of(lambda: vote("dana", above)) == "approval.step_up_needed"
    assert code_of(lambda: vote("dana", above, confirmed_at=proof_of(minutes=6))) == "approval.step_up_needed"
    vote("dana", above, confirmed_at=proof_of(minutes=4))
    assert (state_of(below), state_of(above)) == ("approved", "approved")


def test_saying_no_needs_no_proof() -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 0})
    approval = ask()
    vote("dana", approval, "reject")
    assert state_of(approval) == "rejected"


# --- pace -----------------------------------------------------------------------------------------------------------


def test_nobody_approves_more_in_an_hour_than_the_process_lets_them(time_passes: Callable[..., None]) -> None:
    services.change_rules(actor=actor("priya"), process="order-to-cash", votes_per_hour=2)
    one, two, three = ask(), ask(), ask()
    vote("dana", one)
    vote("dana", two)
    assert code_of(lambda: vote("dana", three)) == "approval.capacity"
    vote("felix", three)
    four = ask()
    time_passes(hours=1, seconds=1)
    vote("dana", four)
    assert state_of(four) == "approved"
