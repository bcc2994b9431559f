"""Voting. One vote or five hundred take the same way: read the facts once, ask the rules, write what they let pass."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F, Func, Value

from apps.approvals.ballots import Ballot, Capacity, Cast, capacity_for, check_words
from apps.approvals.events import (
    ApprovalChangesRequested,
    ApprovalOpened,
    ApprovalResolved,
    ApprovalVoted,
)
from apps.approvals.models import Approval, ApprovalState, Risk, Stage, Verdict, Vote, VoteWithdrawal
from apps.approvals.queries import ballots_of, locked_approvals, recent_approve_count
from apps.approvals.services.oversight import draw_second_looks
from apps.approvals.standing import Standing, Voter, voter_of
from apps.approvals.telling import line, subject_of
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import MeshError, NotAllowed, NotFound
from apps.core.outbox import DomainEvent
from apps.vault import services as vault
from apps.vault.models import Payload

# Nobody holds a decision back for longer than this.
LONGEST_UNDO_SECONDS = 60
DONE = "done"


@dataclass(frozen=True, slots=True)
class BallotPaper:
    """One approval to vote on, bound to the version or the digest that was seen, or to both."""

    approval_id: UUID
    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class VoteOutcome:
    """What became of one paper: `code` is "done" or that of the refusal, `sentence` its words."""

    approval_id: UUID
    code: str
    sentence: str = ""
    vote_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A vote that the rules let pass, with what it does to its approval.

    `end` is the state the approval gets by it; `settles_at` is set when it gets it later; `passed` are the stages it
    fills, `opens` the one that is voted on next.
    """

    ballot: Ballot
    vote: Vote
    end: ApprovalState | None
    settles_at: dt.datetime | None
    passed: tuple[Stage, ...]
    opens: Stage | None


def cast_vote(
    *,
    actor: Actor,
    approval_id: UUID,
    verdict: str,
    digest: str,
    reason_code: str = "",
    comment: str = "",
    undo_seconds: int | None = 0,
    dwell_seconds: float | None = None,
    on_behalf_of: str | None = None,
    confirmed_at: dt.datetime | None = None,
) -> Vote:
    """One person's verdict on exactly what they saw. Refuses with a code for every rule of I4, I5 and I8; then nothing
    is written.

    A rejection ends the approval at once, a request for changes hands it to the agent, and the vote that fills the last
    stage's quorum approves it: at once, or after `undo_seconds` (None: as long as the process lets people) where it can
    be undone and is not of high risk. `on_behalf_of` is the user name of who delegated; without it the vote counts in
    one's own name where that is possible. `confirmed_at` is when the voter last proved who they are.
    """
    check_words(verdict, reason_code)
    cast = Cast(verdict, digest=digest, on_behalf_of=on_behalf_of, confirmed_at=confirmed_at)
    with transaction.atomic():
        found = _count(actor, [BallotPaper(approval_id, digest=digest)], cast, reason_code, undo_seconds)
        counted = found[approval_id]
        if isinstance(counted, MeshError):
            raise counted
        counted.vote.dwell_seconds = dwell_seconds
        _write(actor, [counted], cast, comment)
    return counted.vote


def cast_votes(
    *,
    actor: Actor,
    ballots: list[BallotPaper],
    verdict: str,
    reason_code: str = "",
    comment: str = "",
    confirmed_at: dt.datetime | None = None,
    undo_seconds: int | None = 0,
) -> list[VoteOutcome]:
    """The same verdict on many approvals, each answering for itself, in one transaction and a fixed number of queries.
    Outcomes come in the order of the papers.
    """
    check_words(verdict, reason_code)
    cast = Cast(verdict, confirmed_at=confirmed_at)
    with transaction.atomic():
        found = _count(actor, ballots, cast, reason_code, undo_seconds)
        _write(actor, [one for one in found.values() if isinstance(one, Counted)], cast, comment)
    return [_outcome(paper.approval_id, found[paper.approval_id]) for paper in ballots]


def refusal_of_vote(actor: Actor, approval: Approval, verdict: str = Verdict.APPROVE) -> MeshError | None:
    """Why this actor could not cast this verdict on the approval as it is now; None when they could. For faces that
    hide what would be refused; whether they have to prove who they are first is no reason to hide.
    """
    try:
        voter = _voter(actor)
        [ballot] = ballots_of([approval])
        capacity_for(voter, ballot, Cast(verdict, confirmed_at=clock.now()), clock.now())
    except MeshError as refusal:
        return refusal
    return None


def no_such_approval() -> MeshError:
    return NotFound("approval.not_found", "There is no such approval.")


def _voter(actor: Actor) -> Voter:
    if not actor.is_person or actor.id is None:
        raise NotAllowed(
            "approval.people_only", "Only people vote. An agent, whatever it is granted, is never a checker."
        )
    return voter_of(actor)


def _count(
    actor: Actor, papers: list[BallotPaper], cast: Cast, reason_code: str, undo_seconds: int | None
) -> dict[UUID, Counted | MeshError]:
    """Lock what is voted on, in one order whoever locks, and ask the rules of each. Writes nothing."""
    voter = _voter(actor)
    approvals = locked_approvals(actor, [paper.approval_id for paper in papers])
    ballots = {ballot.approval.id: ballot for ballot in ballots_of(approvals)}
    is_paced = any(ballot.rules.votes_per_hour is not None for ballot in ballots.values())
    given_lately = recent_approve_count(actor.known_id) if is_paced else 0
    withdrawals = _withdrawals(voter.own.person, [ballot.approval.id for ballot in ballots.values()])
    now = clock.now()
    found: dict[UUID, Counted | MeshError] = {}
    for paper in papers:
        ballot = ballots.get(paper.approval_id)
        if ballot is None:
            found[paper.approval_id] = no_such_approval()
            continue
        own_cast = Cast(cast.verdict, paper.digest, paper.version, cast.on_behalf_of, cast.confirmed_at, given_lately)
        try:
            capacity = capacity_for(voter, ballot, own_cast, now)
        except MeshError as refusal:
            found[paper.approval_id] = refusal
            continue
        vote = _vote(actor, ballot, own_cast, reason_code, capacity, withdrawals.get(ballot.approval.id), now)
        found[paper.approval_id] = _effect(ballot, vote, capacity.standing, undo_seconds, now)
        given_lately += cast.verdict == Verdict.APPROVE
    return found


def _withdrawals(voter: UUID, approval_ids: list[UUID]) -> dict[UUID, VoteWithdrawal]:
    """The voter's last withdrawn vote by approval: a new vote names it, so that the database still knows one vote."""
    rows = VoteWithdrawal.objects.filter(vote__voter=voter, vote__approval__in=approval_ids).select_related("vote")
    return {row.vote.approval_id: row for row in rows.order_by("id")}


def _vote(
    actor: Actor,
    ballot: Ballot,
    cast: Cast,
    reason_code: str,
    capacity: Capacity,
    replaces: VoteWithdrawal | None,
    now: dt.datetime,
) -> Vote:
    return Vote(
        approval=ballot.approval,
        stage=ballot.stage,
        voter_id=actor.known_id,
        on_behalf_of=capacity.delegation.giver if capacity.delegation else None,
        delegation=capacity.delegation,
        verdict=cast.verdict,
        reason_code=reason_code if cast.verdict != Verdict.APPROVE else "",
        digest=cast.digest or ballot.approval.digest,
        via=actor.via,
        replaces=replaces,
        cast_at=now,
    )


def _effect(ballot: Ballot, vote: Vote, standing: Standing, undo_seconds: int | None, now: dt.datetime) -> Counted:
    """What the vote does. One no outweighs any number of yes; only a full last stage approves."""
    if vote.verdict == Verdict.REJECT:
        return Counted(ballot, vote, ApprovalState.REJECTED, None, (), None)
    if vote.verdict == Verdict.REQUEST_CHANGES:
        return Counted(ballot, vote, ApprovalState.CHANGES_REQUESTED, None, (), None)
    if ballot.stage is None or ballot.given + 1 < ballot.stage.quorum:
        return Counted(ballot, vote, None, None, (), ballot.stage)
    passed = [ballot.stage]
    for stage in ballot.later:
        stage.carried_count = ballot.carried_into(stage, standing)
        if stage.carried_count < stage.quorum:
            return Counted(ballot, vote, None, None, tuple(passed), stage)
        passed.append(stage)
    return Counted(ballot, vote, ApprovalState.APPROVED, _settles_at(ballot, undo_seconds, now), tuple(passed), None)


def _settles_at(ballot: Ballot, undo_seconds: int | None, now: dt.datetime) -> dt.datetime | None:
    if undo_seconds is None:
        undo_seconds = ballot.rules.undo_seconds
    if undo_seconds <= 0 or not ballot.approval.is_reversible or ballot.approval.risk == Risk.HIGH:
        return None
    return now + dt.timedelta(seconds=min(undo_seconds, LONGEST_UNDO_SECONDS))


def _outcome(approval_id: UUID, counted: Counted | MeshError) -> VoteOutcome:
    if isinstance(counted, MeshError):
        return VoteOutcome(approval_id, counted.code, counted.sentence)
    return VoteOutcome(approval_id, DONE, vote_id=counted.vote.id)


def _write(actor: Actor, votes: list[Counted], cast: Cast, comment: str) -> None:
    """Votes, stages, approvals, log and news, in a number of statements that does not grow with the votes."""
    if not votes:
        return
    words: Payload | None = vault.store(vault.Document(kind="vote.comment", body=comment))[0] if comment else None
    for counted in votes:
        counted.vote.comment = words
    Vote.objects.bulk_create([counted.vote for counted in votes])
    now = clock.now()
    passed = [stage for counted in votes for stage in counted.passed]
    Stage.objects.filter(id__in=[stage.id for stage in passed]).update(passed_at=now)
    carried = [
        stage for counted in votes for stage in (*counted.passed, counted.opens) if stage and stage.carried_count
    ]
    if carried:
        Stage.objects.bulk_update(carried, ["carried_count"])
    _move_approvals(votes, now)
    lines = [
        line(
            actor,
            "approval.voted",
            counted.ballot.approval,
            outcome=counted.vote.verdict,
            reason=counted.vote.reason_code,
            data=_voted(counted.vote),
        )
        for counted in votes
    ]
    ended = [counted for counted in votes if counted.end is not None and counted.settles_at is None]
    for counted in ended:
        counted.ballot.approval.state = str(counted.end)
    lines += [
        line(
            actor,
            _END_CODE[counted.ballot.approval.state],
            counted.ballot.approval,
            outcome=counted.ballot.approval.state,
        )
        for counted in ended
    ]
    audit.record_many(lines)
    outbox.add_many([event for counted in votes for event in _news(counted)])
    draw_second_looks([counted.ballot.approval for counted in ended if counted.end == ApprovalState.APPROVED])


_END_CODE: dict[str, str] = {
    ApprovalState.APPROVED: "approval.resolved",
    ApprovalState.REJECTED: "approval.resolved",
    ApprovalState.CHANGES_REQUESTED: "approval.changes_requested",
}


def _voted(vote: Vote) -> dict[str, str]:
    told = {"vote_id": str(vote.id)}
    if vote.delegation is not None:
        told |= {"on_behalf_of": f"person:{vote.on_behalf_of_id}", "delegation_id": str(vote.delegation_id)}
    return told


def _move_approvals(votes: list[Counted], now: dt.datetime) -> None:
    """One UPDATE for all approvals that the votes move alike."""
    alike: dict[tuple[object, ...], list[Counted]] = defaultdict(list)
    for counted in votes:
        next_team = counted.opens.team_id if counted.opens else None
        spent = tuple(filter(None, (counted.vote.voter_id, counted.vote.on_behalf_of_id)))
        alike[counted.end, counted.settles_at, next_team, spent].append(counted)
    for group in alike.values():
        first = group[0]
        spent_now = [first.vote.voter_id] + ([first.vote.on_behalf_of_id] if first.vote.on_behalf_of_id else [])
        changes: dict[str, object] = {
            "version": F("version") + 1,
            "spent_people": Func(
                F("spent_people"), Value(spent_now, output_field=SPENT), function="array_cat", output_field=SPENT
            ),
            "settles_at": first.settles_at,
            "open_team": first.opens.team_id if first.opens else None,
        }
        if first.end is not None and first.settles_at is None:
            changes["state"] = first.end
            changes["resolved_at"] = None if first.end == ApprovalState.CHANGES_REQUESTED else now
        Approval.objects.filter(id__in=[counted.ballot.approval.id for counted in group]).update(**changes)


SPENT = Approval._meta.get_field("spent_people")


def _news(counted: Counted) -> list[DomainEvent]:
    subject = subject_of(counted.ballot.approval)
    vote_id = str(counted.vote.id)
    news: list[DomainEvent] = [ApprovalVoted(**subject, vote_id=vote_id)]
    if counted.opens is not None and counted.passed:
        news.append(ApprovalOpened(**subject, team=counted.opens.team.slug, position=counted.opens.position))
    if counted.end == ApprovalState.CHANGES_REQUESTED:
        news.append(ApprovalChangesRequested(**subject, vote_id=vote_id))
    elif counted.end is not None and counted.settles_at is None:
        news.append(ApprovalResolved(**subject, state=counted.end))
    return news
