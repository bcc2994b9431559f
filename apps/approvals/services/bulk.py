"""One verdict on everything in a selection. It acts on the frozen ids and versions and nothing else (I15), in portions,
each with its votes and its outcomes in one transaction: whatever is killed whenever, each row is voted on once and
every row gets its answer.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from apps.accounts.models import User
from apps.approvals.ballots import STEP_UP_LASTS, Cast, capacity_for, check_words
from apps.approvals.bulk import WITHDRAWN as WITHDRAWN
from apps.approvals.events import BulkVoteStarted
from apps.approvals.models import (
    Approval,
    BulkOutcome,
    BulkState,
    BulkVote,
    Risk,
    Selection,
    Verdict,
)
from apps.approvals.queries import approvals_visible_to, ballots_of
from apps.approvals.selection import NEEDS_A_LOOK, bulk_vote_for, selection_for
from apps.approvals.services.queue import open_selection
from apps.approvals.services.votes import DONE, BallotPaper, cast_votes
from apps.approvals.services.withdrawals import withdraw_votes
from apps.approvals.standing import voter_of
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, person_actor
from apps.core.errors import Conflict, Invalid, MeshError
from apps.vault import services as vault

# So many locks are held, and so many rows wait for them, at a time; about a second's work.
PORTION = 500
# Code and sentence of a row.
Outcome = tuple[str, str]
TO_LOOK_AT: Outcome = (NEEDS_A_LOOK, "This is of high risk or irreversible: look at it and decide it by itself.")
NOT_FOUND: Outcome = ("approval.not_found", "There is no such approval.")
LONGEST_SENTENCE = 500


def bulk_vote(
    *,
    actor: Actor,
    selection_id: UUID,
    verdict: str,
    reason_code: str = "",
    comment: str = "",
    confirmed_at: dt.datetime | None = None,
    undo_seconds: int | None = 0,
) -> BulkVote:
    """Vote on everything in one's selection. The first 500 have their outcome when this returns, the rest follow in the
    background, `RUNNING` until then.

    A selection is voted on once: the same request again finds the vote that was, another verdict is a Conflict. What is
    of high risk or irreversible is not approved in bulk, whatever was selected: its row says so.
    """
    check_words(verdict, reason_code)
    with transaction.atomic():
        selection = selection_for(actor, selection_id, lock=True)
        before = BulkVote.objects.filter(selection=selection).first()
        if before is not None:
            return _same_again(before, verdict, reason_code)
        open_selection(actor, selection_id)
        if not selection.summary["count"]:
            raise Invalid("selection.empty", "Nothing is selected.")
        _keep_terms(selection, confirmed_at, undo_seconds)
        words = vault.store(vault.Document(kind="vote.comment", body=comment))[0] if comment else None
        bulk = BulkVote.objects.create(
            selection=selection,
            voter_id=actor.known_id,
            verdict=verdict,
            reason_code=reason_code if verdict != Verdict.APPROVE else "",
            comment=words,
            via=actor.via,
            started_at=clock.now(),
        )
        _record(actor, "approval_bulk.started", bulk, count=selection.summary["count"])
        _vote_on_portion(bulk)
        if bulk.state == BulkState.RUNNING:
            outbox.add(BulkVoteStarted(bulk_vote_id=str(bulk.id)))
    return bulk


def _same_again(before: BulkVote, verdict: str, reason_code: str) -> BulkVote:
    same_reason = verdict == Verdict.APPROVE or before.reason_code == reason_code
    if before.verdict != verdict or not same_reason:
        raise Conflict("selection.voted", "This selection has been voted on already, in another way.")
    return before


def _keep_terms(selection: Selection, confirmed_at: dt.datetime | None, undo_seconds: int | None) -> None:
    """What the voter said and proved when they pressed the button holds for the last portion as for the first."""
    is_confirmed = confirmed_at is not None and confirmed_at >= clock.now() - STEP_UP_LASTS
    selection.summary |= {"terms": {"is_confirmed": is_confirmed, "undo_seconds": undo_seconds}}
    selection.save(update_fields=["summary"])


def run_bulk_vote(bulk_id: UUID) -> None:
    """Carry out what is left of it, portion by portion, until it is done or someone cancels it. Safe to call anywhere,
    any number of times: one worker is at it, others leave it alone.
    """
    while _vote_on_next_portion(bulk_id):
        pass


def interrupted_bulk_votes() -> list[UUID]:
    """Those that are not at their end; some may have a worker."""
    return list(BulkVote.objects.filter(state=BulkState.RUNNING).order_by("id").values_list("id", flat=True))


def _vote_on_next_portion(bulk_id: UUID) -> bool:
    """True while there is more to do."""
    with transaction.atomic():
        running = BulkVote.objects.select_related("selection").defer("selection__ids", "selection__versions")
        bulk = (
            running.filter(id=bulk_id, state=BulkState.RUNNING)
            .select_for_update(skip_locked=True, of=("self",))
            .first()
        )
        if bulk is None:
            return False
        _vote_on_portion(bulk)
    return bulk.state == BulkState.RUNNING


def _vote_on_portion(bulk: BulkVote) -> None:
    """The next rows without an outcome: votes, outcomes and progress. The caller holds the lock of the bulk vote."""
    papers = _next_papers(bulk)
    BulkOutcome.objects.bulk_create(
        BulkOutcome(
            bulk_vote=bulk,
            approval_id=paper.approval_id,
            code=code,
            sentence=sentence[:LONGEST_SENTENCE],
        )
        for paper, (code, sentence) in zip(papers, _outcomes_of(bulk, papers), strict=True)
    )
    bulk.done_count += len(papers)
    if bulk.done_count >= bulk.selection.summary["count"]:
        bulk.state, bulk.finished_at = BulkState.DONE, clock.now()
    bulk.save(update_fields=["done_count", "state", "finished_at"])


def _next_papers(bulk: BulkVote) -> list[BallotPaper]:
    part = slice(bulk.done_count, bulk.done_count + PORTION)
    rows = Selection.objects.filter(id=bulk.selection_id).values_list(F("ids")[part], F("versions")[part])
    [(ids, versions)] = rows
    return [BallotPaper(approval_id, version) for approval_id, version in zip(ids, versions, strict=True)]


def _outcomes_of(bulk: BulkVote, papers: list[BallotPaper]) -> list[Outcome]:
    """The outcome of each paper, in their order."""
    voter = _voter_of(bulk)
    outcomes = _kept_back(voter, papers) if bulk.verdict == Verdict.APPROVE else {}
    terms = bulk.selection.summary["terms"]
    cast = cast_votes(
        actor=voter,
        ballots=[paper for paper in papers if paper.approval_id not in outcomes],
        verdict=bulk.verdict,
        reason_code=bulk.reason_code,
        comment=vault.read(bulk.comment_id) or "",
        confirmed_at=clock.now() if terms["is_confirmed"] else None,
        undo_seconds=terms["undo_seconds"],
    )
    outcomes |= {outcome.approval_id: (outcome.code, outcome.sentence) for outcome in cast}
    return [outcomes[paper.approval_id] for paper in papers]


def _kept_back(actor: Actor, papers: list[BallotPaper]) -> dict[UUID, Outcome]:
    """What no bulk act approves, with the reason: what could not be voted on anyway has its own."""
    versions = {paper.approval_id: paper.version for paper in papers}
    grave = Approval.objects.filter(Q(risk=Risk.HIGH) | Q(is_reversible=False), id__in=list(versions))
    outcomes = dict.fromkeys(grave.values_list("id", flat=True), NOT_FOUND)
    if not outcomes:
        return {}
    voter, now = voter_of(actor), clock.now()
    for ballot in ballots_of(list(approvals_visible_to(actor).filter(id__in=list(outcomes)))):
        approval_id = ballot.approval.id
        try:
            capacity_for(voter, ballot, Cast(Verdict.APPROVE, version=versions[approval_id], confirmed_at=now), now)
        except MeshError as refusal:
            outcomes[approval_id] = (refusal.code, refusal.sentence)
        else:
            outcomes[approval_id] = TO_LOOK_AT
    return outcomes


def _voter_of(bulk: BulkVote) -> Actor:
    voter = User.objects.get(id=bulk.voter_id)
    return person_actor(user_id=voter.id, name=str(voter), via=bulk.via)


def cancel_bulk_vote(*, actor: Actor, bulk_id: UUID) -> BulkVote:
    """Vote on no more of it; what has been voted on stays. Waits for the portion under way."""
    with transaction.atomic():
        bulk = bulk_vote_for(actor, bulk_id, lock=True)
        if bulk.state != BulkState.RUNNING:
            raise Conflict("bulk_vote.not_running", "This has come to its end already.")
        _end(actor, bulk)
    return bulk


def withdraw_bulk_vote(*, actor: Actor, bulk_id: UUID) -> BulkVote:
    """Take back every vote of it that is still held back, and vote on no more. What was released stays as it is."""
    with transaction.atomic():
        bulk = bulk_vote_for(actor, bulk_id, lock=True)
        if bulk.state == BulkState.RUNNING:
            _end(actor, bulk)
        held_back = bulk.outcomes.filter(code=DONE, approval__settles_at__gt=clock.now()).order_by("id")
        taken_back = withdraw_votes(actor=actor, approval_ids=list(held_back.values_list("approval_id", flat=True)))
        withdrawn = [outcome.approval_id for outcome in taken_back if outcome.code == DONE]
        bulk.outcomes.filter(approval__in=withdrawn).update(code=WITHDRAWN, sentence="You took this vote back.")
        _record(actor, "approval_bulk.withdrawn", bulk, count=len(withdrawn))
    return bulk


def _end(actor: Actor, bulk: BulkVote) -> None:
    bulk.state, bulk.finished_at = BulkState.CANCELLED, clock.now()
    bulk.save(update_fields=["state", "finished_at"])
    _record(actor, "approval_bulk.cancelled", bulk, count=bulk.done_count)


def _record(actor: Actor, code: str, bulk: BulkVote, *, count: int) -> None:
    audit.record(
        actor,
        code,
        subject_type="approval_bulk_vote",
        subject_id=bulk.id,
        outcome=bulk.verdict,
        reason=bulk.reason_code,
        data={"selection_id": str(bulk.selection_id), "count": count},
    )
