"""Asking for consent, and the ends that no vote brings."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.accounts.models import Team
from apps.approvals.events import ApprovalOpened, ApprovalResolved
from apps.approvals.models import OPEN_STATES, Approval, ApprovalState, Stage
from apps.approvals.queries import rules_for
from apps.approvals.requests import ConsentRequest
from apps.approvals.services.oversight import draw_second_look
from apps.approvals.telling import record, subject_of
from apps.approvals.worktime import milestones
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict
from apps.vault import services as vault

CLOCK = system_actor("approval-clock")
EXPIRY = system_actor("approval-expiry")
BATCH_SIZE = 500


def request_consent(request: ConsentRequest, *, actor: Actor) -> Approval:
    """Put the request into the inbox of its first stage. Called inside the transaction of what wants consent."""
    return _ask(request, actor=actor, previous=None)


def supersede_approval(*, approval: Approval, request: ConsentRequest, actor: Actor) -> Approval:
    """Ask anew for a later version of the same subject: the open approval ends, the new one names it, and every vote is
    cast again (I4). Called inside the transaction of the change. Raises Conflict when the old one is not open any more.
    """
    old = _open(Approval.objects.filter(id=approval.id))
    if old is None or old.settles_at is not None:
        raise Conflict("approval.already_decided", "This was decided in the meantime.")
    resolve(actor, old, ApprovalState.SUPERSEDED)
    return _ask(request, actor=actor, previous=old)


def _ask(request: ConsentRequest, *, actor: Actor, previous: Approval | None) -> Approval:
    now = clock.now()
    expires_at = now + dt.timedelta(seconds=request.expires_seconds)
    teams = Team.objects.in_bulk([stage.team for stage in request.stages], field_name="slug")
    [card] = vault.store(vault.Document(kind="approval.card", body=request.card))
    half, ninety, due = milestones(now, request.process, rules_for(request.process), expires_at)
    escalations = sorted(request.escalations, key=lambda escalation: escalation.after_seconds)
    approval = Approval.objects.create(
        subject_type=request.subject_type,
        subject_id=request.subject_id,
        digest=request.digest,
        card=card,
        previous=previous,
        process=request.process,
        environment=request.environment,
        agent=request.agent,
        run_id=request.run_id,
        barred_people=list(request.barred_people),
        risk=request.risk,
        is_reversible=request.is_reversible,
        money_minor=request.money.minor if request.money else None,
        currency=request.money.currency if request.money else "",
        policy_ref=request.policy_ref,
        open_team=teams[request.stages[0].team],
        requested_at=now,
        milestones=[half, ninety, due],
        next_milestone_at=half,
        escalations=[{"after_seconds": each.after_seconds, "team": each.team} for each in escalations],
        next_escalation_at=now + dt.timedelta(seconds=escalations[0].after_seconds) if escalations else None,
        expires_at=expires_at,
    )
    Stage.objects.bulk_create(
        Stage(approval=approval, position=position, team=teams[stage.team], quorum=stage.quorum)
        for position, stage in enumerate(request.stages, start=1)
    )
    replaces = {"replaces": str(previous.id)} if previous else {}
    record(actor, "approval.requested", approval, outcome=ApprovalState.PENDING, data=replaces)
    outbox.add(ApprovalOpened(**subject_of(approval), team=request.stages[0].team, position=1))
    return approval


def resolve(actor: Actor, approval: Approval, state: ApprovalState) -> None:
    """End the approval. The caller holds its row lock and has seen it open; its process is at hand."""
    approval.state = state
    approval.resolved_at = clock.now()
    approval.settles_at = approval.open_team = None
    approval.version += 1
    approval.save(update_fields=["state", "resolved_at", "settles_at", "open_team", "version"])
    record(actor, "approval.resolved", approval, outcome=state)
    outbox.add(ApprovalResolved(**subject_of(approval), state=state))


def cancel_approval(*, approval_id: UUID, actor: Actor) -> bool:
    """End an open approval because what it asks about is no longer wanted. True when it was open."""
    with transaction.atomic():
        approval = _open(Approval.objects.filter(id=approval_id))
        if approval is None:
            return False
        resolve(actor, approval, ApprovalState.CANCELLED)
    return True


def settle_due() -> int:
    """Approve what nobody took back in time. Each in a transaction of its own; returns how many."""
    return sum(
        _settle(approval_id) for approval_id in _some(Approval.objects.filter(_settling()).order_by("settles_at"))
    )


def _settling() -> Q:
    return Q(settles_at__lte=clock.now(), paused_at=None)


def _settle(approval_id: UUID) -> bool:
    with transaction.atomic():
        approval = _open(Approval.objects.filter(_settling(), id=approval_id))
        if approval is None:
            return False
        resolve(CLOCK, approval, ApprovalState.APPROVED)
        draw_second_look(approval)
    return True


def expire_due() -> int:
    """End every open approval whose time has run out, each in a transaction of its own. Nothing is ever approved by
    time (I8); what is approved and only settles was decided in time, and a halt holds the clock.
    """
    return sum(
        _expire(approval_id) for approval_id in _some(Approval.objects.filter(_overdue()).order_by("expires_at"))
    )


def _overdue() -> Q:
    return Q(resolved_at=None, expires_at__lte=clock.now(), settles_at=None, paused_at=None)


def _expire(approval_id: UUID) -> bool:
    with transaction.atomic():
        approval = _open(Approval.objects.filter(_overdue(), id=approval_id))
        if approval is None:
            return False
        resolve(EXPIRY, approval, ApprovalState.EXPIRED)
    return True


def _some(approvals: QuerySet[Approval]) -> list[UUID]:
    return list(approvals.values_list("id", flat=True)[:BATCH_SIZE])


def _open(approvals: QuerySet[Approval]) -> Approval | None:
    """The approval, locked, when it is still open."""
    return approvals.select_for_update(of=("self",)).select_related("process").filter(state__in=OPEN_STATES).first()
