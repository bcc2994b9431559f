"""Who hears of what: those who could act and may see it, each once, and nobody else."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.accounts import services as accounts
from apps.approvals import services as approvals
from apps.approvals.events import ApprovalReminded
from apps.approvals.models import Approval
from apps.approvals.services.oversight import escalate
from apps.approvals.telling import subject_of
from apps.core import clock, outbox
from apps.core.actor import system_actor
from apps.notifications import handlers, services
from apps.notifications.models import Delivery, News, NewsKind, Notice
from apps.notifications.queries import unseen_count
from apps.registry import services as registry
from apps.registry.models import Process
from tests.conftest import Robot, actor, parked, person
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, prefer, spread, states, sweep

pytestmark = pytest.mark.django_db
TimePasses = Callable[..., None]


def vote(username: str, approval: Approval, verdict: str = "approve", reason: str = "") -> Any:
    cast = approvals.cast_vote(
        actor=actor(username), approval_id=approval.id, verdict=verdict, digest=approval.digest, reason_code=reason
    )
    approvals.settle_due()
    return cast


def remind(approval: Approval, percent: int) -> None:
    with transaction.atomic():
        outbox.add(ApprovalReminded(**subject_of(approval), percent=percent))


def test_what_waits_is_told_to_those_who_could_approve_it(writer: Robot) -> None:
    parked(writer)
    spread()

    assert heard("dana") == heard("felix") == [NewsKind.OPENED]
    assert Notice.objects.exclude(person__username__in=["dana", "felix"]).count() == 0


def test_who_asked_for_it_hears_nothing(writer: Robot) -> None:
    _, approval = parked(writer)
    Approval.objects.filter(id=approval.id).update(barred_people=[person("dana").id])
    spread()

    assert (heard("dana"), heard("felix")) == ([], [NewsKind.OPENED])


def test_a_member_who_may_not_see_the_process_hears_nothing(writer: Robot) -> None:
    team = person("dana").teams.get()
    accounts.add_member(team=team, user=person("otto"), actor=system_actor("tests"))
    parked(writer)
    spread()

    assert heard("otto") == []


def test_a_deactivated_member_hears_nothing(writer: Robot) -> None:
    person("felix").__class__.objects.filter(username="felix").update(is_active=False)
    parked(writer)
    spread()

    assert heard("felix") == []


def test_the_second_team_hears_of_it_when_it_is_their_turn(writer: Robot) -> None:
    _, approval = parked(writer, "6000.00")
    spread()
    assert (heard("dana"), heard("carla")) == ([NewsKind.OPENED], [])

    vote("dana", approval)
    spread()
    assert heard("carla") == [NewsKind.OPENED]
    assert heard("felix") == [], "nobody in the first team is asked to act any more"


def test_a_handler_that_runs_twice_tells_once(writer: Robot, receiver: Receiver) -> None:
    channel = connected("dana", receiver)
    _, approval = parked(writer)
    event = {**subject_of(approval), "team": "finance-approvers", "position": 1}
    for _ in range(2):
        handlers.note_opened(event)
        sweep()
    outbox.drain()
    sweep()

    assert heard("dana") == [NewsKind.OPENED]
    assert (states(channel), len(receiver.got)) == (["sent"], 1)


def test_whoever_may_vote_for_an_absent_colleague_hears_of_it_as_delegated(writer: Robot) -> None:
    now = clock.now()
    with transaction.atomic():
        approvals.delegate(
            actor=actor("dana"),
            receiver="carla",
            starts_at=now,
            ends_at=now + dt.timedelta(days=1),
            process=None,
            caps={},
            reason="Away",
        )
    parked(writer)
    spread()

    assert heard("carla") == [NewsKind.DELEGATED]


def test_one_approval_handed_over_is_told_to_who_got_it(writer: Robot) -> None:
    _, approval = parked(writer)
    now = clock.now()
    approvals.delegate(
        actor=actor("dana"),
        receiver="carla",
        starts_at=now,
        ends_at=now + dt.timedelta(hours=4),
        process=None,
        approval_id=approval.id,
        caps={},
        reason="You know them",
    )
    spread()

    assert set(heard("carla")) == {NewsKind.DELEGATED}


@pytest.mark.parametrize(("percent", "kind"), [(50, "half"), (90, "soon"), (100, "overdue")])
def test_reminders_go_to_whom_it_waits_for(writer: Robot, percent: int, kind: str) -> None:
    _, approval = parked(writer)
    spread()
    remind(approval, percent)
    spread()

    assert heard("dana") == heard("felix") == ["opened", kind]
    assert heard("carla") == []


def test_extended_time_is_reminded_of_anew(writer: Robot) -> None:
    _, approval = parked(writer)
    remind(approval, 90)
    spread()
    Approval.objects.filter(id=approval.id).update(
        milestones=[moment + dt.timedelta(hours=1) for moment in approval.milestones]
    )
    remind(approval, 90)
    spread()

    assert heard("dana") == ["opened", "soon", "soon"]


def test_what_is_escalated_is_told_to_the_team_though_it_may_not_vote(writer: Robot) -> None:
    _, approval = parked(writer)
    escalate(actor=actor("dana"), approval_id=approval.id, reason="Nobody here knows this customer")
    spread()

    assert heard("omar") == [NewsKind.ESCALATED]
    assert heard("priya") == []


def test_the_end_is_told_to_who_voted_and_not_to_who_decided(writer: Robot) -> None:
    _, approval = parked(writer, "6000.00")
    vote("dana", approval)
    vote("carla", approval)
    spread()

    assert heard("dana") == [NewsKind.RESOLVED]
    assert heard("carla") == []


def test_an_approval_that_was_decided_asks_nobody_to_act_any_more(writer: Robot) -> None:
    _, approval = parked(writer)
    spread()
    assert unseen_count(actor("felix")) == 1

    vote("dana", approval)
    spread()
    assert unseen_count(actor("felix")) == 0


def test_asking_for_changes_is_told_to_who_voted_before(writer: Robot) -> None:
    _, approval = parked(writer, "6000.00")
    vote("dana", approval)
    vote("carla", approval, "request_changes", "wrong_amount")
    spread()

    assert heard("dana") == [NewsKind.CHANGES]
    assert heard("carla") == []


def test_what_nobody_wants_in_the_console_is_not_there(writer: Robot) -> None:
    prefer("dana", None, opened="never")
    parked(writer)
    spread()

    assert (heard("dana"), heard("felix")) == ([], [NewsKind.OPENED])


def test_a_room_hears_once_however_many_are_in_the_team(writer: Robot, receiver: Receiver) -> None:
    channel = connected("dana", receiver, team="finance-approvers")
    parked(writer)
    sweep()

    assert receiver.messages == [receiver.messages[0]]
    assert "An approval waits for Finance approvers." in receiver.messages[0]
    assert states(channel) == ["sent"]


def test_a_room_hears_nothing_of_what_nobody_in_its_team_may_act_on(writer: Robot, receiver: Receiver) -> None:
    channel = connected("dana", receiver, team="finance-approvers")
    _, approval = parked(writer)
    Approval.objects.filter(id=approval.id).update(barred_people=[person("dana").id, person("felix").id])
    sweep()

    assert states(channel) == []


def test_a_large_team_costs_what_a_small_one_does(writer: Robot, receiver: Receiver) -> None:
    connected("dana", receiver)
    counts = []
    for number, size in enumerate((2, 22)):
        for one in range(person("dana").teams.get().members.count(), size):
            join(f"colleague-{one}")
        parked(writer, key=f"k-{number}")
        outbox.drain()
        with CaptureQueriesContext(connection) as captured:
            services.spread_due()
        counts.append(len(captured))

    assert len(set(counts)) == 1, counts
    assert Notice.objects.count() == 2 + 22


def join(username: str) -> None:
    """One more finance approver."""
    tests = system_actor("tests")
    user, _ = accounts.create_person(username=username, email="", name=username, actor=tests)
    accounts.add_member(team=person("dana").teams.get(), user=user, actor=tests)
    registry.assign_role(user=user, role="approver", process=Process.objects.get(slug="order-to-cash"), actor=tests)


def test_news_that_cannot_be_spread_holds_up_no_other(writer: Robot, time_passes: TimePasses) -> None:
    services.note(kind=NewsKind.DELEGATED, key="broken", approval_id=parked(writer)[1].id, data={"delegation": "none"})
    spread()

    assert heard("dana") == [NewsKind.OPENED]
    broken = News.objects.get(key="broken")
    assert broken.spread_at is None
    assert broken.due_at > clock.now()


def test_what_was_told_long_ago_is_forgotten(writer: Robot, time_passes: TimePasses) -> None:
    parked(writer)
    spread()
    time_passes(days=91)

    assert services.forget_old() == 1
    assert (Notice.objects.count(), Delivery.objects.count()) == (0, 0)
