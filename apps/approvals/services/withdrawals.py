"""Taking votes back while they settle, one or many by the same way."""

from collections import defaultdict
from uuid import UUID

from django.db import transaction
from django.db.models import F, Func, Value

from apps.approvals.events import VoteWithdrawn
from apps.approvals.models import Approval, Stage, Vote, VoteWithdrawal
from apps.approvals.queries import approval_for, locked_approvals
from apps.approvals.services.votes import DONE, SPENT, VoteOutcome, no_such_approval
from apps.approvals.telling import line, subject_of
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, MeshError, NotAllowed


def withdraw_vote(*, actor: Actor, approval_id: UUID) -> Approval:
    """Take back one's last vote while it settles. Raises Conflict when there is nothing to take back any more."""
    with transaction.atomic():
        approval = approval_for(actor, approval_id, lock=True)
        [found] = _to_take_back(actor, [approval])
        if isinstance(found, MeshError):
            raise found
        _take_back(actor, [(approval, found)])
    return approval


def withdraw_votes(*, actor: Actor, approval_ids: list[UUID]) -> list[VoteOutcome]:
    """The same for many, each answering for itself, in one transaction and a number of statements that does not grow
    with them. Outcomes come in the order of the ids.
    """
    with transaction.atomic():
        approvals = locked_approvals(actor, approval_ids)
        found = dict(zip([approval.id for approval in approvals], _to_take_back(actor, approvals), strict=True))
        _take_back(actor, [(each, vote) for each in approvals if not isinstance(vote := found[each.id], MeshError)])
    return [_withdrawal(approval_id, found.get(approval_id) or no_such_approval()) for approval_id in approval_ids]


def _withdrawal(approval_id: UUID, found: Vote | MeshError) -> VoteOutcome:
    if isinstance(found, MeshError):
        return VoteOutcome(approval_id, found.code, found.sentence)
    return VoteOutcome(approval_id, DONE, vote_id=found.id)


def _to_take_back(actor: Actor, approvals: list[Approval]) -> list[Vote | MeshError]:
    """The vote of each that this person may take back now, or why there is none."""
    votes = Vote.objects.filter(approval__in=approvals, withdrawal=None).select_related("stage").order_by("id")
    last = {vote.approval_id: vote for vote in votes}
    now = clock.now()
    found: list[Vote | MeshError] = []
    for approval in approvals:
        vote = last.get(approval.id)
        if approval.settles_at is None or approval.settles_at <= now or vote is None:
            sentence = "Too late to undo: this has been released, or was never approved."
            found.append(Conflict("approval.not_settling", sentence))
        elif vote.voter_id != actor.known_id:
            found.append(NotAllowed("approval.not_your_vote", "Only who cast the vote can take it back."))
        else:
            found.append(vote)
    return found


def _take_back(actor: Actor, votes: list[tuple[Approval, Vote]]) -> None:
    """Withdrawals, stages, approvals, log and news. The rows of the approvals are locked."""
    now = clock.now()
    VoteWithdrawal.objects.bulk_create(VoteWithdrawal(vote=vote, withdrawn_at=now) for _, vote in votes)
    by_position: dict[int, list[UUID]] = defaultdict(list)
    alike: dict[tuple[UUID, UUID | None], list[UUID]] = defaultdict(list)
    for approval, vote in votes:
        by_position[vote.stage.position].append(approval.id)
        alike[vote.stage.team_id, vote.on_behalf_of_id].append(approval.id)
        given_back = {vote.voter_id, vote.on_behalf_of_id}
        approval.spent_people = [person for person in approval.spent_people if person not in given_back]
        approval.settles_at = None
        approval.open_team_id = vote.stage.team_id
        approval.version += 1
    for position, approval_ids in by_position.items():
        reopened = Stage.objects.filter(approval__in=approval_ids, position__gte=position)
        reopened.filter(position__gt=position).update(carried_count=0)
        reopened.update(passed_at=None)
    for (team, giver), approval_ids in alike.items():
        spent = _without(F("spent_people"), actor.known_id)
        Approval.objects.filter(id__in=approval_ids).update(
            spent_people=_without(spent, giver) if giver else spent,
            settles_at=None,
            open_team=team,
            version=F("version") + 1,
        )
    audit.record_many(
        [
            line(actor, "approval.vote_withdrawn", approval, outcome=approval.state, data={"vote_id": str(vote.id)})
            for approval, vote in votes
        ]
    )
    outbox.add_many([VoteWithdrawn(**subject_of(approval), vote_id=str(vote.id)) for approval, vote in votes])


def _without(people: F | Func, person: UUID) -> Func:
    return Func(people, Value(person), function="array_remove", output_field=SPENT)
