"""Lifting halts: a narrow one at once, a wide one in production after a second person and in steps."""

from uuid import UUID

from django.db import transaction

from apps.approvals import services as approvals
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.core.ids import uuid7
from apps.halts.consent import consent_request, second_person_for
from apps.halts.events import HaltLifted, HaltLiftRequested
from apps.halts.models import Halt, LiftRequest, LiftState
from apps.halts.queries import halt_for, is_in_force
from apps.halts.targets import Target, target_of
from apps.halts.telling import record
from apps.registry.permissions import HALT
from apps.registry.queries import holds_mesh_wide, processes_where

OPEN = (LiftState.WAITING, LiftState.RAMPING)


def lift_halt(*, actor: Actor, halt_id: UUID, reason: str) -> Halt:
    """End a halt, or ask a second person to agree when it is wide. Starting again is the dangerous side: the actor must
    be allowed to halt every process in the scope.

    The halt that is returned has `lifted_at` only when it is lifted.
    """
    if not reason.strip():
        raise Invalid(
            "halt.reason_missing",
            "Say why it is safe to start again.",
            errors=[{"pointer": "/reason", "sentence": "Missing."}],
        )
    with transaction.atomic():
        halt = halt_for(actor, halt_id, lock=True)
        target = target_of(halt)
        if not may_lift(actor, target):
            raise NotAllowed(
                "halt.lift_not_allowed", f"Lifting this needs an operator of every process that {target.name} touches."
            )
        if halt.lifted_at is not None:
            raise Conflict("halt.already_lifted", f"{halt.lifted_by_name} has lifted this halt already.")
        if _needs_second_person(actor, halt, target):
            _ask_second_person(actor, halt, target, reason)
        else:
            end_halt(actor, halt, target, reason=reason)
    return halt


def may_lift(actor: Actor, target: Target) -> bool:
    """All of what it touches; and where that is nothing any more, the whole mesh."""
    if not target.processes:
        return holds_mesh_wide(actor, HALT)
    return processes_where(actor, HALT).filter(id__in=target.processes).count() == len(target.processes)


def end_halt(actor: Actor, halt: Halt, target: Target, *, reason: str) -> None:
    """Write that it is over. The caller holds the row's lock and has seen it in place."""
    halt.lifted_at = clock.now()
    halt.lifted_by = actor.key
    halt.lifted_by_name = actor.name
    halt.lift_reason = reason
    halt.save(update_fields=["lifted_at", "lifted_by", "lifted_by_name", "lift_reason"])
    record(actor, "halt.lifted", halt, target, reason=reason)
    outbox.add(HaltLifted(halt_id=str(halt.id)))


def _needs_second_person(actor: Actor, halt: Halt, target: Target) -> bool:
    """A wide one that still holds something. The product's own jobs end what two people agreed to."""
    return halt.is_wide and not actor.is_system and bool(target.processes) and is_in_force(halt)


def _ask_second_person(actor: Actor, halt: Halt, target: Target, reason: str) -> LiftRequest:
    if halt.lift_requests.filter(state__in=OPEN).exists():
        raise Conflict("halt.lift_under_way", "Lifting this halt was asked for already; see its page.")
    request = LiftRequest(
        id=uuid7(),
        halt=halt,
        requested_by=actor.key,
        requested_by_name=actor.name,
        requester=actor.known_id,
        reason=reason,
        requested_at=clock.now(),
    )
    second = second_person_for(halt, target, actor.known_id)
    request.save(force_insert=True)
    request.approval = approvals.request_consent(consent_request(request, target, second), actor=actor)
    request.save(update_fields=["approval"])
    record(
        actor,
        "halt.lift_requested",
        halt,
        target,
        reason=reason,
        data={"approval_id": str(request.approval.id), "team": second.team.slug},
    )
    outbox.add(HaltLiftRequested(halt_id=str(halt.id), approval_id=str(request.approval.id)))
    return request
