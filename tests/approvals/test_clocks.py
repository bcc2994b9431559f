"""Time: reminders, the ladder, policy's escalations, clocks that a halt holds, and more time on request."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Team
from apps.approvals import services
from apps.approvals.models import Approval, ApprovalState, ConsentRules, Urgency
from apps.approvals.requests import EscalationRequest
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed, NotFound
from apps.registry.models import Process
from tests.approvals.questions import vote
from tests.approvals.waiting import HOUR, asked, fresh, news, told
from tests.conftest import actor, at_once
from tests.fakes.erp import FakeErp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
Ahead = Callable[..., None]


@pytest.fixture
def sla() -> None:
    """Four hours to decide, by day and by night."""
    ConsentRules.objects.create(
        process=Process.objects.get(slug="order-to-cash"),
        sla_seconds=4 * HOUR,
        work_days=list(range(7)),
        work_starts=dt.time(0),
        work_ends=dt.time(23, 59, 59, 999_999),
    )


def teams(approval: Approval) -> list[tuple[str, bool]]:
    """Whom it was brought before, and whether they may vote."""
    return list(approval.steps_up.order_by("id").values_list("team__slug", "may_vote"))


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(MeshError) as refusal:
        act()
    return refusal.value.code


# --- reminders --------------------------------------------------------------------------------------------------------


def test_reminders_come_at_half_and_at_ninety_percent_of_the_time(time_passes: Ahead) -> None:
    approval = asked(hours=10)
    assert services.mark_milestones() == 0

    time_passes(hours=5, seconds=1)
    assert (services.mark_milestones(), services.mark_milestones()) == (1, 0)
    half = fresh(approval)
    assert (half.urgency, half.version, teams(half)) == (Urgency.HALF, approval.version + 1, [])

    time_passes(hours=9, seconds=1)
    assert services.mark_milestones() == 1
    assert fresh(approval).urgency == Urgency.SOON
    assert [body["percent"] for body in news(approval, "ApprovalReminded")] == [50, 90]
    assert told(approval).count("approval.reminded") == 2


@pytest.mark.usefixtures("sla")
def test_the_ladder_tells_who_is_on_call_and_then_who_owns_the_process(time_passes: Ahead) -> None:
    approval = asked(hours=48)
    time_passes(hours=3, minutes=37)
    services.mark_milestones()
    assert teams(approval) == [("o2c-oncall", False)]

    time_passes(hours=4, minutes=1)
    services.mark_milestones()
    overdue = fresh(approval)
    assert (overdue.urgency, overdue.next_milestone_at) == (Urgency.BREACHED, None)
    assert teams(approval) == [("o2c-oncall", False), ("o2c-builders", False)]
    assert [body["team"] for body in news(approval, "ApprovalEscalated")] == ["o2c-oncall", "o2c-builders"]
    assert overdue.escalated_team is None
    assert overdue.state == ApprovalState.PENDING


def test_who_is_told_may_still_not_vote(time_passes: Ahead) -> None:
    approval = asked(hours=10)
    time_passes(hours=9, minutes=1)
    services.mark_milestones()
    assert refused(lambda: vote("omar", approval)) == "permission.missing"
    assert refused(lambda: vote("carla", approval)) == "approval.not_your_stage"


@pytest.mark.usefixtures("sla")
def test_of_several_marks_that_passed_unseen_the_last_is_told(time_passes: Ahead) -> None:
    approval = asked(hours=48)
    time_passes(hours=20)
    services.mark_milestones()
    assert [body["percent"] for body in news(approval, "ApprovalReminded")] == [100]
    assert len(teams(approval)) == 2


def test_nothing_is_reminded_that_is_decided_settles_or_is_over(time_passes: Ahead) -> None:
    decided, settling, over = asked(hours=10), asked(hours=10, reversible=True), asked(hours=1)
    time_passes(hours=5, minutes=1)
    vote("dana", decided)
    vote("dana", settling, undo_seconds=60)
    assert services.mark_milestones() == 0
    assert fresh(over).urgency == Urgency.CALM


def test_one_that_fails_holds_up_no_other(time_passes: Ahead) -> None:
    broken, sound = asked(hours=10), asked(hours=10)
    time_passes(hours=5, minutes=1)
    Approval.objects.filter(id=broken.id).update(milestones=[clock.now() + dt.timedelta(days=1)] * 5)
    assert services.mark_milestones() == 1
    assert fresh(sound).urgency == Urgency.HALF


@pytest.mark.django_db(transaction=True)
def test_two_workers_remind_once(world: FakeErp, time_passes: Ahead) -> None:
    approval = asked(hours=10)
    time_passes(hours=5, seconds=1)
    at_once([services.mark_milestones] * 4)
    assert len(news(approval, "ApprovalReminded")) == 1


# --- policy's own escalations -----------------------------------------------------------------------------------------

LATER = (EscalationRequest(2 * HOUR, "cfo-office"), EscalationRequest(4 * HOUR, "o2c-oncall"))


def test_policy_brings_it_before_a_team_that_may_vote(time_passes: Ahead) -> None:
    approval = asked(escalations=LATER)
    assert refused(lambda: vote("carla", approval)) == "approval.not_your_stage"

    time_passes(hours=2, seconds=1)
    assert (services.escalate_due(), services.escalate_due()) == (1, 0)
    escalated = fresh(approval)
    assert escalated.escalated_team == Team.objects.get(slug="cfo-office")
    assert teams(approval) == [("cfo-office", True)]
    assert escalated.next_escalation_at == approval.requested_at + dt.timedelta(hours=4)
    assert escalated.version == approval.version + 1
    [told_of] = news(approval, "ApprovalEscalated")
    assert (told_of["team"], told_of["escalated_by"]) == ("cfo-office", "system:approval-clock")

    vote("carla", escalated)
    assert fresh(approval).state == ApprovalState.APPROVED


def test_steps_that_were_missed_are_all_taken(time_passes: Ahead) -> None:
    approval = asked(escalations=LATER)
    time_passes(hours=5)
    assert services.escalate_due() == 1
    assert teams(approval) == [("cfo-office", True), ("o2c-oncall", True)]
    done = fresh(approval)
    assert (done.escalations, done.next_escalation_at) == ([], None)


@pytest.mark.usefixtures("sla")
def test_a_team_that_was_only_told_may_vote_once_policy_names_it(time_passes: Ahead) -> None:
    approval = asked(hours=48, escalations=(EscalationRequest(5 * HOUR, "o2c-oncall"),))
    time_passes(hours=3, minutes=37)
    services.mark_milestones()
    assert teams(approval) == [("o2c-oncall", False)]
    time_passes(hours=5, seconds=1)
    services.escalate_due()
    assert ("o2c-oncall", True) in teams(approval)
    assert ("o2c-oncall", False) not in teams(approval)


def test_a_decided_request_is_not_escalated(time_passes: Ahead) -> None:
    approval = asked(escalations=LATER)
    vote("dana", approval, "reject")
    time_passes(hours=3)
    assert services.escalate_due() == 0
    assert teams(approval) == []


# --- held by a halt ---------------------------------------------------------------------------------------------------


def test_nothing_expires_reminds_or_escalates_while_the_clock_stands(time_passes: Ahead) -> None:
    approval = asked(hours=10, escalations=LATER)
    assert services.pause_clocks([approval.id], since=clock.now()) == 1
    time_passes(days=3)
    assert (services.expire_due(), services.mark_milestones(), services.escalate_due()) == (0, 0, 0)
    assert fresh(approval).state == ApprovalState.PENDING


def test_what_lies_ahead_is_later_by_as_long_as_the_clock_stood(time_passes: Ahead) -> None:
    approval = asked(hours=10, escalations=LATER)
    time_passes(hours=1)
    services.pause_clocks([approval.id], since=clock.now())
    paused = fresh(approval)
    time_passes(hours=31)
    assert services.resume_clocks([approval.id]) == 1

    resumed = fresh(approval)
    assert resumed.paused_at is None
    stood = resumed.expires_at - approval.expires_at
    assert stood == pytest.approx(dt.timedelta(hours=30), abs=dt.timedelta(seconds=5))
    assert resumed.milestones == [moment + stood for moment in approval.milestones]
    assert resumed.next_milestone_at == resumed.milestones[0]
    assert approval.next_escalation_at is not None
    assert resumed.next_escalation_at == approval.next_escalation_at + stood
    assert resumed.settles_at is None
    assert (paused.version, resumed.version) == (approval.version + 1, approval.version + 2)
    assert told(approval)[-2:] == ["approval.clock_paused", "approval.clock_resumed"]
    time_passes(hours=39)
    assert services.expire_due() == 0
    time_passes(hours=41)
    assert services.expire_due() == 1


def test_marks_that_have_passed_stay_in_order(time_passes: Ahead) -> None:
    approval = asked(hours=10)
    time_passes(hours=6)
    services.mark_milestones()
    services.pause_clocks([approval.id], since=clock.now())
    time_passes(hours=7)
    services.resume_clocks([approval.id])
    resumed = fresh(approval)
    assert resumed.milestones == sorted(resumed.milestones)
    assert resumed.next_milestone_at == resumed.milestones[1]


def test_a_vote_that_settles_settles_later(time_passes: Ahead) -> None:
    approval = asked(reversible=True)
    vote("dana", approval, undo_seconds=30)
    before = fresh(approval).settles_at
    services.pause_clocks([approval.id], since=clock.now())
    time_passes(hours=1)
    services.resume_clocks([approval.id])
    after = fresh(approval).settles_at
    assert before is not None
    assert after is not None
    assert after - before >= dt.timedelta(minutes=59)


def test_a_clock_is_held_once_and_not_from_before_it_ran(time_passes: Ahead) -> None:
    before = clock.now() - dt.timedelta(hours=1)
    approval = asked()
    assert services.pause_clocks([approval.id], since=before) == 1
    assert fresh(approval).paused_at == approval.requested_at
    time_passes(hours=1)
    assert services.pause_clocks([approval.id], since=clock.now()) == 0
    assert services.resume_clocks([approval.id]) == 1
    assert services.resume_clocks([approval.id]) == 0
    assert told(approval).count("approval.clock_resumed") == 1


def test_what_was_over_before_or_is_decided_is_not_held(time_passes: Ahead) -> None:
    over, decided = asked(hours=1), asked(hours=30)
    vote("dana", decided, "reject")
    time_passes(hours=2)
    assert services.pause_clocks([over.id, decided.id], since=clock.now()) == 0
    assert services.expire_due() == 1


def test_many_clocks_take_as_many_statements_as_one(time_passes: Ahead, django_assert_max_num_queries: Any) -> None:
    approvals = [asked().id for _ in range(20)]
    with django_assert_max_num_queries(6):  # a savepoint and its release, lock, update, log
        assert services.pause_clocks(approvals, since=clock.now()) == 20
    with django_assert_max_num_queries(6):
        assert services.resume_clocks(approvals) == 20


# --- more time --------------------------------------------------------------------------------------------------------


def later(approval: Approval, **time: float) -> dt.datetime:
    return approval.expires_at + dt.timedelta(**time)


def extend(username: str, approval: Approval, until: dt.datetime, reason: str = "Waiting for the price list") -> Any:
    return services.extend(actor=actor(username), approval_id=approval.id, until=until, reason=reason)


@pytest.mark.parametrize("username", ["dana", "priya", "alex"])
def test_who_decides_it_or_keeps_the_process_gives_more_time(username: str, time_passes: Ahead) -> None:
    approval = asked(hours=10)
    time_passes(hours=6)
    services.mark_milestones()
    extended = extend(username, approval, later(approval, hours=10))

    assert extended.expires_at == later(approval, hours=10)
    assert extended.urgency == Urgency.CALM
    assert extended.next_milestone_at == extended.milestones[0] == approval.expires_at
    entry = AuditEntry.objects.get(subject_id=str(approval.id), code="approval.extended")
    assert entry.reason == "Waiting for the price list"
    assert entry.data["seconds"] == 10 * HOUR
    time_passes(hours=11)
    assert services.expire_due() == 0


@pytest.mark.usefixtures("sla")
def test_more_time_does_not_move_what_was_promised() -> None:
    approval = asked(hours=48)
    assert extend("dana", approval, later(approval, hours=10)).milestones == approval.milestones


def test_it_gets_twice_its_time_at_most_in_however_many_steps(time_passes: Ahead) -> None:
    approval = asked(hours=10)
    assert refused(lambda: extend("dana", approval, later(approval, hours=11))) == "approval.extended_enough"
    for hours in (4, 9, 10):
        extend("dana", approval, later(approval, hours=hours))
    with pytest.raises(Conflict) as refusal:
        extend("dana", approval, later(approval, hours=10, seconds=1))
    assert refusal.value.code == "approval.extended_enough"


def test_the_time_a_clock_stood_counts_neither_for_nor_against(time_passes: Ahead) -> None:
    approval = asked(hours=10)
    services.pause_clocks([approval.id], since=clock.now())
    time_passes(hours=100)
    services.resume_clocks([approval.id])
    resumed = fresh(approval)
    assert refused(lambda: extend("dana", resumed, later(resumed, hours=11))) == "approval.extended_enough"
    assert extend("dana", resumed, later(resumed, hours=9, minutes=59)).expires_at > resumed.expires_at


@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("carla", "approval.not_your_stage"),
        ("omar", "approval.not_your_stage"),
        ("chen", "approval.not_your_stage"),
        ("otto", "approval.not_found"),
    ],
)
def test_others_give_it_no_time(username: str, code: str) -> None:
    approval = asked()
    assert refused(lambda: extend(username, approval, later(approval, hours=1))) == code
    assert fresh(approval).expires_at == approval.expires_at
    assert "approval.extended" not in told(approval)


def test_who_asked_for_it_gives_it_no_time_however_mighty() -> None:
    approval = asked(barred=("priya",))
    with pytest.raises(NotAllowed) as refusal:
        extend("priya", approval, later(approval, hours=1))
    assert refusal.value.code == "approval.own_request"


def test_what_has_expired_gets_no_time_whether_the_sweeper_came_by_or_not(time_passes: Ahead) -> None:
    approval = asked(hours=1)
    time_passes(hours=1, seconds=1)
    assert refused(lambda: extend("dana", approval, later(approval, hours=1))) == "approval.expired"
    services.expire_due()
    assert refused(lambda: extend("priya", approval, later(approval, hours=1))) == "approval.expired"


def test_what_is_decided_gets_no_time() -> None:
    approval = asked()
    vote("dana", approval, "reject")
    assert refused(lambda: extend("priya", approval, later(approval, hours=1))) == "approval.already_decided"
    assert refused(lambda: extend("felix", approval, later(approval, hours=1))) == "approval.already_decided"


def test_more_time_needs_a_reason_and_has_to_be_more() -> None:
    approval = asked()
    with pytest.raises(Invalid) as refusal:
        extend("dana", approval, later(approval, hours=1), reason="  ")
    assert refusal.value.code == "approval.reason_missing"
    assert refused(lambda: extend("dana", approval, approval.expires_at)) == "approval.not_later"


def test_an_agent_learns_of_nothing_here(writer: Any) -> None:
    approval = asked()
    with pytest.raises(NotFound):
        services.extend(actor=writer.actor, approval_id=approval.id, until=later(approval, hours=1), reason="Please")


def test_a_second_stage_keeps_its_clock(time_passes: Ahead) -> None:
    approval = asked("finance-approvers:1, cfo-office:1", hours=10)
    time_passes(hours=5, minutes=1)
    services.mark_milestones()
    vote("dana", fresh(approval))
    time_passes(hours=9, minutes=1)
    services.mark_milestones()
    assert fresh(approval).urgency == Urgency.SOON
