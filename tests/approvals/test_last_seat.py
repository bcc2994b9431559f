"""Two people take the last seat of a quorum at the same instant: one resolution, one piece of news, whoever wins."""

from collections import Counter

import pytest

from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from tests.approvals.questions import ask, newcomer, vote
from tests.conftest import Robot, actor, at_once, parked, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 200
RELEASES = 20


def try_vote(username: str, approval: Approval, verdict: str) -> str:
    try:
        vote(username, approval, verdict)
    except MeshError as refusal:
        return refusal.code
    return "cast"


def test_two_at_once_on_the_last_seat_resolve_it_once(world: FakeErp) -> None:
    newcomer("nora", teams=("finance-approvers",))
    told: Counter[str] = Counter()
    for number in range(ROUNDS):
        approval = ask("finance-approvers:2")
        vote("nora", approval)
        verdicts = ("approve", "approve") if number % 2 else ("approve", "reject")
        answers = at_once(
            [
                lambda approval=approval, verdict=verdicts[0]: try_vote("dana", approval, verdict),  # type: ignore[misc]
                lambda approval=approval, verdict=verdicts[1]: try_vote("felix", approval, verdict),  # type: ignore[misc]
            ]
        )
        told.update(answers)
        approval.refresh_from_db()
        winner = verdicts[answers.index("cast")]
        assert sorted(answers) == ["approval.already_decided", "cast"]
        assert approval.state == {"approve": "approved", "reject": "rejected"}[winner]
        assert approval.votes.count() == 2
        news = OutboxEvent.objects.filter(name="ApprovalResolved", subject=f"approval:{approval.id}")
        assert news.count() == 1
        assert AuditEntry.objects.filter(code="approval.resolved", subject_id=str(approval.id)).count() == 1
    assert told == {"cast": ROUNDS, "approval.already_decided": ROUNDS}


def test_two_at_once_on_the_last_seat_release_one_call(writer: Robot, erp: FakeErp) -> None:
    for number in range(RELEASES):
        _, approval = parked(writer, key=f"seat-{number}")
        at_once(
            [
                lambda approval=approval: try_vote("dana", approval, "approve"),  # type: ignore[misc]
                lambda approval=approval: try_vote("felix", approval, "approve"),  # type: ignore[misc]
            ]
        )
        at_once([settle_news, settle_news])
    assert len(erp.ledger) == RELEASES
    assert len({entry["reference"] for entry in erp.ledger}) == RELEASES


def test_one_person_from_two_windows_has_one_vote(world: FakeErp) -> None:
    approval = ask("finance-approvers:2")
    answers = at_once([lambda: try_vote("dana", approval, "approve")] * 4)
    assert Counter(answers) == {"cast": 1, "approval.already_voted": 3}
    assert actor("dana").id in Approval.objects.get(id=approval.id).spent_people
