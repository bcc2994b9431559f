"""Escalating by hand: the next rung of the ladder, and who may climb it."""

from collections.abc import Callable

import pytest

from apps.approvals import services
from apps.approvals.models import Approval, ApprovalState, AuthorityLimit, Escalation
from apps.approvals.queries import approvals_in_view
from apps.approvals.requests import EscalationRequest
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import MeshError
from apps.registry.models import Process
from tests.approvals.questions import vote
from tests.approvals.waiting import HOUR, asked, fresh, news, told
from tests.conftest import Robot, actor, at_once, person
from tests.fakes.erp import FakeErp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

TO_THE_CFO = (EscalationRequest(2 * HOUR, "cfo-office"),)


def escalate(username: str, approval: Approval, reason: str = "The price list does not say") -> Escalation:
    return services.escalate(actor=actor(username), approval_id=approval.id, reason=reason)


def refusal(username: str, approval: Approval, reason: str = "The price list does not say") -> str:
    with pytest.raises(MeshError) as refused:
        escalate(username, approval, reason)
    return refused.value.code


def test_it_climbs_from_policys_team_to_who_is_on_call_to_who_owns_the_process() -> None:
    approval = asked(escalations=TO_THE_CFO)
    steps = [escalate("dana", approval) for _ in range(3)]
    assert [(step.team.slug, step.may_vote) for step in steps] == [
        ("cfo-office", True),
        ("o2c-oncall", False),
        ("o2c-builders", False),
    ]
    assert refusal("dana", approval) == "approval.top_of_ladder"
    assert [body["team"] for body in news(approval, "ApprovalEscalated")] == [
        "cfo-office",
        "o2c-oncall",
        "o2c-builders",
    ]
    climbed = fresh(approval)
    assert (climbed.version, climbed.escalations, climbed.next_escalation_at) == (approval.version + 3, [], None)
    assert climbed.state == ApprovalState.PENDING


def test_an_escalation_says_who_when_and_why() -> None:
    approval = asked()
    step = escalate("dana", approval, "  The customer asked for a manager ")
    assert (step.escalated_by_name, step.reason) == ("Dana Ruiz", "The customer asked for a manager")
    assert step.escalated_by == actor("dana").key
    entry = AuditEntry.objects.get(subject_id=str(approval.id), code="approval.escalated")
    assert (entry.actor_name, entry.reason) == ("Dana Ruiz", "The customer asked for a manager")
    assert entry.data["team"] == "o2c-oncall"


def test_policys_team_may_vote_at_once_and_the_others_never(time_passes: Callable[..., None]) -> None:
    approval = asked(escalations=TO_THE_CFO)
    escalate("dana", approval)
    escalate("dana", approval)
    with pytest.raises(MeshError) as refused:
        vote("omar", approval)
    assert refused.value.code == "permission.missing"
    vote("carla", approval)
    assert fresh(approval).state == ApprovalState.APPROVED
    time_passes(hours=3)
    assert services.escalate_due() == 0


def test_a_step_taken_early_leaves_the_later_ones_at_their_time() -> None:
    steps = (EscalationRequest(2 * HOUR, "cfo-office"), EscalationRequest(5 * HOUR, "o2c-oncall"))
    approval = asked(escalations=steps)
    escalate("dana", approval)
    due = fresh(approval).next_escalation_at
    assert due is not None
    assert (due - approval.requested_at).total_seconds() == 5 * HOUR


def test_it_stands_in_the_view_of_the_team_it_was_brought_before() -> None:
    approval = asked()
    assert approval not in approvals_in_view(actor("omar"), "team")
    escalate("dana", approval)
    assert approval in approvals_in_view(actor("omar"), "team")
    assert approval not in approvals_in_view(actor("omar"), "mine")
    assert approval in approvals_in_view(actor("dana"), "mine")


def test_who_may_not_approve_so_much_may_still_escalate() -> None:
    AuthorityLimit.objects.create(
        process=Process.objects.get(slug="order-to-cash"),
        person=person("dana"),
        currency="EUR",
        limit_minor=100,
        reason="New here",
        set_by="tests",
        set_at=clock.now(),
    )
    approval = asked()
    with pytest.raises(MeshError) as refused:
        vote("dana", approval)
    assert refused.value.code == "approval.over_limit"
    assert escalate("dana", approval).team.slug == "o2c-oncall"


def test_who_was_told_brings_it_further() -> None:
    approval = asked()
    escalate("dana", approval)
    assert escalate("omar", approval).team.slug == "o2c-builders"


def test_a_delegate_escalates_for_who_could_vote() -> None:
    approval = asked()
    assert refusal("carla", approval) == "approval.not_your_stage"
    services.delegate(
        actor=actor("dana"),
        receiver="carla",
        starts_at=clock.now(),
        ends_at=fresh(approval).expires_at,
        process="order-to-cash",
        caps={},
        reason="Leave",
    )
    assert escalate("carla", approval).escalated_by_name == "Carla Meyer"


@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("carla", "approval.not_your_stage"),
        ("chen", "approval.not_your_stage"),
        ("priya", "approval.not_your_stage"),
        ("otto", "approval.not_found"),
    ],
)
def test_who_it_does_not_wait_for_does_not_escalate(username: str, code: str) -> None:
    approval = asked()
    assert refusal(username, approval) == code
    assert told(approval) == ["approval.requested"]


def test_who_asked_for_it_does_not_bring_it_before_others() -> None:
    approval = asked(barred=("dana",), escalations=TO_THE_CFO)
    assert refusal("dana", approval) == "approval.own_request"


def test_an_agent_does_not_escalate(writer: Robot) -> None:
    approval = asked()
    with pytest.raises(MeshError) as refused:
        services.escalate(actor=writer.actor, approval_id=approval.id, reason="Hurry")
    assert refused.value.code == "approval.not_found"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_it_takes_words_and_not_too_many(reason: str) -> None:
    assert refusal("dana", asked(), reason) in ("approval.reason_missing", "approval.reason_too_long")


def test_what_is_over_decided_or_settling_is_not_escalated(time_passes: Callable[..., None]) -> None:
    decided, over, settling = asked(hours=9), asked(hours=1), asked(hours=9, reversible=True)
    vote("dana", decided, "reject")
    time_passes(hours=2)
    vote("dana", settling, undo_seconds=60)
    assert refusal("felix", decided) == "approval.already_decided"
    assert refusal("felix", over) == "approval.expired"
    assert refusal("felix", settling) == "approval.settling"


@pytest.mark.django_db(transaction=True)
def test_two_who_escalate_at_once_climb_two_rungs(world: FakeErp) -> None:
    approval = asked()
    at_once([lambda: escalate("dana", approval), lambda: escalate("felix", approval)])
    assert set(approval.steps_up.values_list("team__slug", flat=True)) == {"o2c-oncall", "o2c-builders"}
    assert fresh(approval).version == approval.version + 2
