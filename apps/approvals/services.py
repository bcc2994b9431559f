"""Asking for consent, voting, expiry. One engine for every kind of consent; nothing here knows what a tool call is."""

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.accounts.models import Team
from apps.approvals.events import ApprovalResolved, ApprovalVoted
from apps.approvals.models import Approval, ApprovalState, RejectReason, Stage, Verdict, Vote
from apps.approvals.queries import approval_for
from apps.approvals.requests import ConsentRequest
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed
from apps.registry.permissions import APPROVE
from apps.registry.queries import is_in_team, require
from apps.vault import services as vault

EXPIRY = system_actor("approval-expiry")


def request_consent(request: ConsentRequest, *, actor: Actor) -> Approval:
    """Put the request into the inbox of its first stage. Called inside the transaction of what wants consent."""
    now = clock.now()
    teams = Team.objects.in_bulk([stage.team for stage in request.stages], field_name="slug")
    [card] = vault.store(vault.Document(kind="approval.card", body=request.card))
    approval = Approval.objects.create(
        subject_type=request.subject_type,
        subject_id=request.subject_id,
        digest=request.digest,
        card=card,
        process=request.process,
        environment=request.environment,
        agent=request.agent,
        run_id=request.run_id,
        barred_people=list(request.barred_people),
        risk=request.risk,
        money_minor=request.money.minor if request.money else None,
        currency=request.money.currency if request.money else "",
        policy_ref=request.policy_ref,
        requested_at=now,
        expires_at=now + timedelta(seconds=request.expires_seconds),
    )
    Stage.objects.bulk_create(
        Stage(approval=approval, position=position, team=teams[stage.team], quorum=stage.quorum)
        for position, stage in enumerate(request.stages, start=1)
    )
    _record(actor, "approval.requested", approval, outcome=ApprovalState.PENDING)
    return approval


def cast_vote(
    *, actor: Actor, approval_id: UUID, verdict: str, digest: str, reason_code: str = "", comment: str = ""
) -> Vote:
    """One person's verdict on exactly what they saw. Refuses with a code for every rule of I4, I5 and I8; then nothing
    is written.

    A rejection ends the approval at once. The vote that fills the last stage's quorum approves it.
    """
    _check_verdict(verdict, reason_code)
    try:
        with transaction.atomic():
            approval = approval_for(actor, approval_id, lock=True)
            stage = _stage_to_vote_on(actor, approval, digest)
            vote = _write_vote(actor, approval, stage, verdict, reason_code, comment)
            _record(
                actor, "approval.voted", approval, outcome=verdict, reason=reason_code, data={"vote_id": str(vote.id)}
            )
            outbox.add(
                ApprovalVoted(
                    approval_id=str(approval.id),
                    vote_id=str(vote.id),
                    subject_type=approval.subject_type,
                    subject_id=str(approval.subject_id),
                )
            )
            _settle(actor, approval, stage, verdict)
    except IntegrityError as error:
        if "one_person_one_vote" not in str(error):
            raise
        raise _already_voted() from None
    return vote


def refusal_of_vote(actor: Actor, approval: Approval) -> MeshError | None:
    """Why this actor could not vote on the approval as it is now; None when they could. For faces that hide what would
    be refused.
    """
    try:
        _stage_to_vote_on(actor, approval, approval.digest)
    except MeshError as refusal:
        return refusal
    return None


def _check_verdict(verdict: str, reason_code: str) -> None:
    if verdict not in Verdict.values:
        raise Invalid(
            "approval.bad_verdict", f"A verdict is one of {', '.join(Verdict.values)}.", errors=[_at("/verdict")]
        )
    if verdict == Verdict.REJECT and reason_code not in RejectReason.values:
        raise Invalid(
            "approval.reason_missing",
            f"A rejection needs a reason code: one of {', '.join(RejectReason.values)}.",
            errors=[_at("/reason_code")],
        )


def _at(pointer: str) -> dict[str, str]:
    return {"pointer": pointer, "sentence": "Missing or not one of the choices."}


def _stage_to_vote_on(actor: Actor, approval: Approval, digest: str) -> Stage:
    """The open stage, when this actor may vote in it on this digest now; otherwise the refusal that says why not."""
    if not actor.is_person or actor.id is None:
        raise NotAllowed(
            "approval.people_only", "Only people vote. An agent, whatever it is granted, is never a checker."
        )
    require(actor, APPROVE, approval.process)
    if actor.id in approval.barred_people:
        raise NotAllowed("approval.own_request", "You asked for this, so someone else has to decide it.")
    if approval.votes.filter(voter_id=actor.id).exists():
        raise _already_voted()
    if approval.state != ApprovalState.PENDING:
        raise _not_pending(approval)
    if approval.expires_at <= clock.now():
        raise Conflict(
            "approval.expired", "The time to decide this has run out. Nothing was done; the agent may ask again."
        )
    if digest != approval.digest:
        raise Conflict(
            "stale",
            "This is not what you were shown: it has changed since. Look again before you decide.",
            digest=approval.digest,
        )
    stage = approval.stages.select_related("team").filter(passed_at=None).order_by("position").first()
    if stage is None:
        raise RuntimeError(f"pending approval {approval.id} has no open stage")
    if not is_in_team(actor, stage.team):
        raise NotAllowed("approval.not_your_stage", f"This waits for {stage.team.name}, and you are not one of them.")
    return stage


def _already_voted() -> MeshError:
    return Conflict("approval.already_voted", "You have voted on this already. One person has one vote.")


def _not_pending(approval: Approval) -> MeshError:
    if approval.state == ApprovalState.EXPIRED:
        return Conflict(
            "approval.expired", "The time to decide this has run out. Nothing was done; the agent may ask again."
        )
    last = approval.votes.select_related("voter").order_by("-id").first()
    who = f" by {last.voter}" if last else ""
    return Conflict(
        "approval.already_decided",
        f"This was {approval.get_state_display().lower()}{who} already.",
        state=approval.state,
    )


def _write_vote(actor: Actor, approval: Approval, stage: Stage, verdict: str, reason_code: str, comment: str) -> Vote:
    words = vault.store(vault.Document(kind="vote.comment", body=comment)) if comment else [None]
    return Vote.objects.create(
        approval=approval,
        stage=stage,
        voter_id=actor.known_id,
        verdict=verdict,
        reason_code=reason_code,
        comment=words[0],
        digest=approval.digest,
        via=actor.via,
        cast_at=clock.now(),
    )


def _settle(actor: Actor, approval: Approval, stage: Stage, verdict: str) -> None:
    """Close the stage or the approval when this vote does."""
    if verdict == Verdict.REJECT:
        _resolve(actor, approval, ApprovalState.REJECTED)
        return
    if stage.votes.filter(verdict=Verdict.APPROVE).count() < stage.quorum:
        return
    Stage.objects.filter(id=stage.id).update(passed_at=clock.now())
    if not approval.stages.filter(passed_at=None).exists():
        _resolve(actor, approval, ApprovalState.APPROVED)


def _resolve(actor: Actor, approval: Approval, state: ApprovalState) -> None:
    """End the approval. The caller holds its row lock and has seen it pending."""
    approval.state = state
    approval.resolved_at = clock.now()
    approval.save(update_fields=["state", "resolved_at"])
    _record(actor, "approval.resolved", approval, outcome=state)
    outbox.add(
        ApprovalResolved(
            approval_id=str(approval.id),
            subject_type=approval.subject_type,
            subject_id=str(approval.subject_id),
            state=state,
        )
    )


def cancel_approval(*, approval_id: UUID, actor: Actor) -> bool:
    """End a pending approval because what it asks about is no longer wanted. True when it was pending."""
    with transaction.atomic():
        approval = _pending(Approval.objects.filter(id=approval_id))
        if approval is None:
            return False
        _resolve(actor, approval, ApprovalState.CANCELLED)
    return True


def expire_due() -> int:
    """End every pending approval whose time has run out, each in a transaction of its own. Nothing is ever approved by
    time (I8).
    """
    due = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__lte=clock.now()).values_list("id", flat=True)
    expired = 0
    for approval_id in list(due[:500]):
        with transaction.atomic():
            approval = _pending(Approval.objects.filter(id=approval_id))
            if approval is not None:
                _resolve(EXPIRY, approval, ApprovalState.EXPIRED)
                expired += 1
    return expired


def _pending(approvals: QuerySet[Approval]) -> Approval | None:
    """The approval, locked, when it is still pending."""
    return (
        approvals.select_for_update(of=("self",)).select_related("process").filter(state=ApprovalState.PENDING).first()
    )


def _record(
    actor: Actor, code: str, approval: Approval, *, outcome: str, reason: str = "", data: dict[str, str] | None = None
) -> None:
    audit.record(
        actor,
        code,
        subject_type="approval",
        subject_id=approval.id,
        process=approval.process.slug,
        environment=approval.environment,
        run_id=approval.run_id,
        outcome=outcome,
        reason=reason,
        data={
            "digest": approval.digest,
            "subject_type": approval.subject_type,
            "subject_id": str(approval.subject_id),
            **(data or {}),
        },
    )
