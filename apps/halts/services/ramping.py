"""What follows a second person's answer: the ramp, its end, and stopping it on the way.

The share of the runs that is let through follows from `ramp_started_at` and the database's clock alone, read with the
halt itself under its lock. No job has to move it, and no node can be behind.
"""

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, locks, outbox
from apps.core.actor import Actor, person_actor, system_actor
from apps.core.errors import Conflict, NotAllowed
from apps.halts.consent import binding_digest
from apps.halts.events import HaltHeldAgain, HaltLiftRefused, HaltRampStarted
from apps.halts.models import RAMP_LENGTH, Halt, LiftRequest, LiftState
from apps.halts.queries import halt_for, is_in_force
from apps.halts.services.lifting import OPEN, end_halt, may_lift
from apps.halts.services.placing import may_place
from apps.halts.targets import Target, target_of
from apps.halts.telling import record

RAMPING = system_actor("halt-ramp")


def answer_lift_request(request_id: UUID) -> None:
    """Start the ramp when its approval says yes, note the refusal when it says no. Repeatable; everything that can have
    changed since is checked again.
    """
    with transaction.atomic():
        waiting = LiftRequest.objects.filter(id=request_id, state=LiftState.WAITING).first()
        if waiting is None:
            return
        # the halt first, then the request: everybody who needs both takes them in this order
        halt = Halt.objects.select_for_update().get(id=waiting.halt_id)
        request = LiftRequest.objects.select_for_update().filter(id=request_id, state=LiftState.WAITING).first()
        if request is None or request.approval_id is None:
            return
        request.halt = halt
        approval = Approval.objects.get(id=request.approval_id)
        if approval.resolved_at is None:
            return
        target = target_of(halt)
        refusal = _refusal(request, approval, target)
        if refusal:
            _end_request(request, LiftState.REFUSED)
            record(RAMPING, "halt.lift_refused", halt, target, reason=refusal)
            outbox.add(HaltLiftRefused(halt_id=str(halt.id)))
            return
        LiftRequest.objects.filter(id=request.id).update(state=LiftState.RAMPING)
        Halt.objects.filter(id=halt.id).update(ramp_started_at=Now())
        record(RAMPING, "halt.ramp_started", halt, target, reason=request.reason, data=_both(request))
        outbox.add(HaltRampStarted(halt_id=str(halt.id)))


def _refusal(request: LiftRequest, approval: Approval, target: Target) -> str:
    """Why it does not start; "" when it does."""
    if approval.state != ApprovalState.APPROVED:
        return f"The second person's answer: {approval.get_state_display().lower()}."
    digest = binding_digest(request)
    if {approval.digest, *approval.votes.values_list("digest", flat=True)} != {digest}:
        return "This is not what was agreed to."
    person = User.objects.filter(id=request.requester, is_active=True).first()
    if person is None or not may_lift(person_actor(user_id=person.id, name=str(person), via=""), target):
        return "Whoever asked may not lift this any more."
    if not is_in_force(request.halt):
        return "The halt is over already."
    return ""


def _both(request: LiftRequest) -> dict[str, str]:
    return {"requested_by": request.requested_by, "approval_id": str(request.approval_id)}


def hold_again(*, actor: Actor, halt_id: UUID, reason: str = "") -> Halt:
    """Stop the ramp, or take the wish to lift back: the halt holds everything again when this has returned (I6), for
    which it takes the halts lock exclusively like placing does. Whoever may place the halt may do it.
    """
    with transaction.atomic():
        locks.take_exclusive(locks.HALTS)
        halt = halt_for(actor, halt_id, lock=True)
        target = target_of(halt)
        if not may_place(actor, target):
            raise NotAllowed("halt.not_allowed", f"Only an operator may halt {target.name}.")
        request = halt.lift_requests.select_for_update().filter(state__in=OPEN).first()
        if request is None or not is_in_force(halt):
            raise Conflict("halt.not_being_lifted", "This halt is not being lifted.")
        _end_request(request, LiftState.STOPPED)
        Halt.objects.filter(id=halt.id).update(ramp_started_at=None)
        halt.ramp_started_at = None
        record(actor, "halt.held_again", halt, target, reason=reason, data=_both(request))
        outbox.add(HaltHeldAgain(halt_id=str(halt.id)))
        if request.approval_id is not None:
            approvals.cancel_approval(approval_id=request.approval_id, actor=actor)
    return halt


def finish_ramps() -> int:
    """Write down that halts have ended whose ramp has come to its end, and answer requests whose news was lost. They
    hold nothing any more, whether or not this runs. Returns how many ended.
    """
    lost = LiftRequest.objects.filter(state=LiftState.WAITING, approval__resolved_at__isnull=False)
    for request_id in list(lost.values_list("id", flat=True)):
        answer_lift_request(request_id)
    over = Halt.objects.filter(lifted_at=None, ramp_started_at__lte=Now() - RAMP_LENGTH)
    return sum(_finish(halt_id) for halt_id in list(over.values_list("id", flat=True)))


def _finish(halt_id: UUID) -> bool:
    with transaction.atomic():
        over = Halt.objects.filter(lifted_at=None, ramp_started_at__lte=Now() - RAMP_LENGTH)
        halt = over.select_for_update().filter(id=halt_id).first()
        if halt is None:
            return False
        request = halt.lift_requests.select_for_update().filter(state=LiftState.RAMPING).first()
        if request is not None:
            _end_request(request, LiftState.DONE)
        end_halt(RAMPING, halt, target_of(halt), reason=request.reason if request else "The ramp came to its end.")
    return True


def _end_request(request: LiftRequest, state: LiftState) -> None:
    request.state = state
    request.ended_at = clock.now()
    request.save(update_fields=["state", "ended_at"])
