"""Ending requests: because their agent takes them back, or because a person stopped what they belong to."""

import datetime as dt
from uuid import UUID

import structlog
from django.db import transaction

from apps.approvals import services as approvals
from apps.approvals.models import OPEN_STATES, Approval, ApprovalState
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict
from apps.external.events import ExternalApprovalCancelled, ExternalApprovalHalted
from apps.external.models import ExternalRequest
from apps.external.queries import external_request_for, requests_under
from apps.external.telling import record_request
from apps.halts.models import Halt, Mode

log = structlog.get_logger(__name__)

HALTS = system_actor("halts")
# Older stops were carried out long ago.
STOPS_SWEPT_FOR = dt.timedelta(days=1)


def cancel_external_approval(*, actor: Actor, request_id: UUID) -> ExternalRequest:
    """Take back a request that was not claimed, whether people have approved it or not. Raises Conflict when it has
    ended.
    """
    with transaction.atomic():
        request = external_request_for(actor, request_id, lock=True)
        # the request first, then its approval: everybody who needs both takes them in this order
        approval = Approval.objects.select_for_update().get(id=request.approval_id)
        request.approval.state = approval.state
        if request.claimed_at is not None or request.state not in (*OPEN_STATES, ApprovalState.APPROVED):
            ended = "claimed" if request.claimed_at is not None else request.state
            raise Conflict("external.not_cancellable", f"This is {ended} already: too late to cancel.", state=ended)
        request.cancelled_at = clock.now()
        request.save(update_fields=["cancelled_at"])
        approvals.cancel_approval(approval_id=approval.id, actor=actor)
        record_request(actor, "external.cancelled", request, outcome="cancelled")
        outbox.add(ExternalApprovalCancelled(request_id=str(request.id), approval_id=str(approval.id)))
    return external_request_for(actor, request_id)


def stops_to_carry_out() -> list[UUID]:
    """Stops that still cover a request from before them: their news was lost, or came too late."""
    stops = Halt.objects.filter(mode=Mode.STOP, placed_at__gte=clock.now() - STOPS_SWEPT_FOR)
    return [halt.id for halt in stops if requests_under(halt).exists()]


def end_requests_under(halt_id: UUID) -> int:
    """Carry out a stop: end every request in its scope that is older than it, also when it was lifted since: whoever
    stopped them meant them to end. Repeatable; returns how many were ended.
    """
    halt = Halt.objects.filter(id=halt_id, mode=Mode.STOP).first()
    if halt is None:
        return 0
    return sum(_end_one(request_id, halt) for request_id in list(requests_under(halt).values_list("id", flat=True)))


def _end_one(request_id: UUID, halt: Halt) -> bool:
    """One request in a transaction of its own: what is wrong with one keeps no other from ending."""
    try:
        with transaction.atomic():
            ExternalRequest.objects.select_for_update().get(id=request_id)
            request = requests_under(halt).filter(id=request_id).first()
            if request is not None:
                _end(request, halt)
    except Exception:  # whatever it is, the next sweep tries again
        log.exception("external.stop_failed", request_id=str(request_id))
        return False
    return request is not None


def _end(request: ExternalRequest, halt: Halt) -> None:
    request.halted_at = clock.now()
    request.halt_id = halt.id
    request.save(update_fields=["halted_at", "halt_id"])
    approvals.cancel_approval(approval_id=request.approval_id, actor=HALTS)
    record_request(HALTS, "external.halted", request, outcome="halted", data={"halt_id": str(halt.id)})
    outbox.add(
        ExternalApprovalHalted(request_id=str(request.id), approval_id=str(request.approval_id), halt_id=str(halt.id))
    )
