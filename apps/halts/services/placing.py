"""Placing halts. When `place_halt` has returned, no call in its scope becomes `executing` any more (I6)."""

import datetime as dt
import time

from django.db import transaction

from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.core.rows import change_unseen, together
from apps.halts.above import above
from apps.halts.events import HaltPlaced
from apps.halts.models import Halt, Mode, ReasonCode, Scope
from apps.halts.targets import Target, target_for
from apps.halts.telling import record
from apps.registry.models import Environment
from apps.registry.permissions import HALT
from apps.registry.queries import processes_where

DEFAULT_DURATION = dt.timedelta(hours=4)
LONGEST_DURATION = dt.timedelta(days=30)
# How far the last call is looked for: as far as takes no time while everybody is held up, and then further. A full
# table is not searched for what was years ago.
RECENTLY = dt.timedelta(seconds=30)
LOOKED_BACK = dt.timedelta(days=1)


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
    commits. It is asked for first, because whatever comes behind it leaves the machine to the rest of this.
    """
    began = time.monotonic()
    _check_words(scope_type=scope_type, environment=environment, mode=mode, reason_code=reason_code)
    expires_at = _checked_expiry(expires_at)
    wanted = (actor, scope_type, scope_reference, environment)
    if not processes_where(actor, HALT).exists():
        _target_to_halt(*wanted)  # holds nobody up only to be refused
    with transaction.atomic(), together():
        locks.take_exclusive(locks.HALTS)
        target = _target_to_halt(*wanted)
        halt = Halt.objects.create(
            scope_type=target.scope_type,
            scope_id=target.scope_id,
            scope_agent_id=target.scope_agent_id,
            scope_text=target.scope_text,
            scope_process_id=target.scope_process_id,
            scope_name=target.name,
            environment=environment,
            mode=mode,
            reason_code=reason_code,
            reason=reason,
            placed_by=actor.key,
            placed_by_name=actor.name,
            expires_at=expires_at,
            # exact only here: nobody else can begin or be half-way through beginning a call
            executing_calls=above().executing(target, environment),
            last_admitted_at=above().last_admitted(target, environment, RECENTLY),
        )
        record(actor, "halt.placed", halt, target, reason=reason or ReasonCode(reason_code).label)
        outbox.add(HaltPlaced(halt_id=str(halt.id)))
        # up to the commit and without it: to write this afterwards would be one more wait before the answer
        halt.time_to_stop_ms = round((time.monotonic() - began) * 1000)
        change_unseen(Halt, {"time_to_stop_ms": halt.time_to_stop_ms}, id=halt.id)
    if halt.last_admitted_at is None:
        _look_further(halt, target)
    return halt


def _target_to_halt(actor: Actor, scope_type: str, reference: str, environment: str) -> Target:
    """Raises NotFound for what the actor may not see and NotAllowed for what they may not halt."""
    target = target_for(actor, scope_type=scope_type, reference=reference, environment=environment)
    if not may_place(actor, target):
        raise NotAllowed("halt.not_allowed", f"Only an operator may halt {target.name}.")
    return target


def _look_further(halt: Halt, target: Target) -> None:
    """Whoever stops what has been quiet wants to know of the last hours. Nobody is held up meanwhile; the halt stands
    whether or not this is written.
    """
    halt.last_admitted_at = above().last_admitted(target, halt.environment, LOOKED_BACK)
    if halt.last_admitted_at is not None:
        change_unseen(Halt, {"last_admitted_at": halt.last_admitted_at}, id=halt.id)


def may_place(actor: Actor, target: Target) -> bool:
    """Whether this actor could halt the target. For faces that hide what would be refused."""
    return processes_where(actor, HALT).filter(id__in=target.processes).exists()


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
