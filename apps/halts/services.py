"""Placing and lifting halts. When `place_halt` has returned, no call in its scope becomes `executing` any more, on any
node (I6).
"""

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.halts.events import HaltLifted, HaltPlaced
from apps.halts.models import Halt, Mode, ReasonCode, Scope
from apps.halts.queries import Target, halt_for, target_for
from apps.registry.models import Environment
from apps.registry.permissions import HALT
from apps.registry.queries import holds_mesh_wide, processes_where

DEFAULT_DURATION = dt.timedelta(hours=4)
LONGEST_DURATION = dt.timedelta(days=30)


def place_halt(
    *,
    actor: Actor,
    scope_type: str,
    scope_reference: str,
    environment: str,
    mode: str,
    reason_code: str,
    reason: str = "",
    expires_at: dt.datetime | None = None,
) -> Halt:
    """Stop what the scope names. Anyone who may halt one of the processes in the scope may halt all of it: stopping is
    the safe side.

    Takes the halts lock exclusively: it waits for decisions under way to commit and no new one starts before this
    commits.
    """
    _check_words(scope_type=scope_type, environment=environment, mode=mode, reason_code=reason_code)
    expires_at = _checked_expiry(expires_at)
    target = target_for(actor, scope_type=scope_type, reference=scope_reference, environment=environment)
    if not may_place(actor, target):
        raise NotAllowed("halt.not_allowed", f"Only an operator may halt {target.name}.")
    with transaction.atomic():
        locks.take_exclusive(locks.HALTS)
        halt = Halt.objects.create(
            scope_type=target.scope_type,
            scope_id=target.scope_id,
            scope_name=target.name,
            environment=environment,
            mode=mode,
            reason_code=reason_code,
            reason=reason,
            placed_by=actor.key,
            placed_by_name=actor.name,
            expires_at=expires_at,
        )
        _record(actor, "halt.placed", halt, target, reason=reason or ReasonCode(reason_code).label)
        outbox.add(HaltPlaced(halt_id=str(halt.id)))
    return halt


def lift_halt(*, actor: Actor, halt_id: UUID, reason: str) -> Halt:
    """End a halt. Starting again is the dangerous side: the actor must be allowed to halt every process in the
    scope.
    """
    if not reason.strip():
        raise Invalid(
            "halt.reason_missing",
            "Say why it is safe to start again.",
            errors=[{"pointer": "/reason", "sentence": "Missing."}],
        )
    with transaction.atomic():
        halt = halt_for(actor, halt_id, lock=True)
        target = target_for(
            actor, scope_type=halt.scope_type, reference=str(halt.scope_id or ""), environment=halt.environment
        )
        if not _may_lift(actor, target):
            raise NotAllowed(
                "halt.lift_not_allowed", f"Lifting this needs an operator of every process that {target.name} touches."
            )
        if halt.lifted_at is not None:
            raise Conflict("halt.already_lifted", f"{halt.lifted_by_name} has lifted this halt already.")
        halt.lifted_at = clock.now()
        halt.lifted_by = actor.key
        halt.lifted_by_name = actor.name
        halt.lift_reason = reason
        halt.save(update_fields=["lifted_at", "lifted_by", "lifted_by_name", "lift_reason"])
        _record(actor, "halt.lifted", halt, target, reason=reason)
        outbox.add(HaltLifted(halt_id=str(halt.id)))
    return halt


def may_place(actor: Actor, target: Target) -> bool:
    """Whether this actor could halt the target. For faces that hide what would be refused."""
    return bool(_haltable(actor, target))


def _may_lift(actor: Actor, target: Target) -> bool:
    """All of what it touches; and where that is nothing any more, the whole mesh."""
    if not target.processes:
        return holds_mesh_wide(actor, HALT)
    return _haltable(actor, target) == set(target.processes)


def _haltable(actor: Actor, target: Target) -> set[UUID]:
    """The processes in the scope in which this actor may halt."""
    return set(processes_where(actor, HALT).filter(id__in=target.processes).values_list("id", flat=True))


def _check_words(**words: str) -> None:
    choices = {"scope_type": Scope, "environment": Environment, "mode": Mode, "reason_code": ReasonCode}
    errors = [
        {"pointer": f"/{name}", "sentence": f"Must be one of {', '.join(choices[name].values)}."}
        for name, word in words.items()
        if word not in choices[name].values
    ]
    if errors:
        raise Invalid("halt.invalid", "This halt does not say clearly what to stop.", errors=errors)


def _checked_expiry(expires_at: dt.datetime | None) -> dt.datetime:
    now = clock.now()
    if expires_at is None:
        return now + DEFAULT_DURATION
    if not now < expires_at <= now + LONGEST_DURATION:
        raise Invalid("halt.bad_expiry", "A halt must end in the future and within 30 days.")
    return expires_at


def _record(actor: Actor, code: str, halt: Halt, target: Target, *, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="halt",
        subject_id=halt.id,
        subject_name=halt.scope_name,
        process=target.process_slug,
        environment=halt.environment,
        reason=reason,
        outcome=halt.mode,
        data={"scope_type": halt.scope_type, "scope_id": str(halt.scope_id or ""), "reason_code": halt.reason_code},
    )
