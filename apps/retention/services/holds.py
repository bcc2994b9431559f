"""Legal holds: what they cover is erased by no rule and for nobody.

A hold holds when it answers. Placing takes the lock of erasures alone, each erasure shares it: when the request that
placed a hold has returned, those that had begun are committed, and those that come see it.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.registry.models import Process
from apps.registry.permissions import RETAIN
from apps.registry.queries import require
from apps.retention.events import LegalHoldLifted, LegalHoldPlaced
from apps.retention.models import LegalHold
from apps.retention.queries import hold_for
from apps.runs.models import Run

# Beside the numbers of `apps.core.locks`.
LOCK = 7330
MOST_REASON = 500


def place_legal_hold(
    *, actor: Actor, process: Process, run: Run | None, reason: str, expires_at: dt.datetime | None = None
) -> LegalHold:
    """Keep everything of the run, or of the whole process where that is None, until then or until it is lifted."""
    require(actor, RETAIN, process)
    words = checked_words(reason, "Say why it must be kept.")
    if expires_at is not None and expires_at <= clock.now():
        errors = [{"pointer": "/expires_at", "sentence": "Later than now."}]
        raise Invalid("legal_hold.bad_expiry", "A hold ends later than now.", errors=errors)
    with transaction.atomic():
        locks.take_exclusive(LOCK)
        hold = LegalHold.objects.create(
            process=process,
            run=run,
            reason=words,
            placed_by=actor.key,
            placed_by_name=actor.name,
            placed_at=clock.now(),
            expires_at=expires_at,
        )
        _tell(actor, "legal_hold.placed", hold, words)
        outbox.add(LegalHoldPlaced(hold_id=str(hold.id), process=process.slug, run_id=_run_id(hold)))
    return hold


def lift_legal_hold(*, actor: Actor, hold_id: UUID, reason: str) -> LegalHold:
    """Let what it held be erased again, by the rules as they are then."""
    seen = hold_for(actor, hold_id)
    require(actor, RETAIN, seen.process)
    words = checked_words(reason, "Say why it need not be kept any longer.")
    with transaction.atomic():
        changed = LegalHold.objects.filter(id=hold_id, lifted_at=None).update(
            lifted_at=clock.now(), lifted_by=actor.key, lifted_by_name=actor.name, lift_reason=words
        )
        if not changed:
            raise Conflict("legal_hold.already_lifted", "This hold was lifted already.")
        hold = hold_for(actor, hold_id)
        _tell(actor, "legal_hold.lifted", hold, words)
        outbox.add(LegalHoldLifted(hold_id=str(hold.id), process=hold.process.slug, run_id=_run_id(hold)))
    return hold


def checked_words(reason: str, sentence: str) -> str:
    """Raises Invalid where nobody says why."""
    if not reason.strip() or len(reason) > MOST_REASON:
        errors = [{"pointer": "/reason", "sentence": f"{sentence} Up to {MOST_REASON} characters."}]
        raise Invalid("retention.reason_missing", sentence, errors=errors)
    return reason.strip()


def _run_id(hold: LegalHold) -> str:
    return str(hold.run_id) if hold.run_id else ""


def _tell(actor: Actor, code: str, hold: LegalHold, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="legal_hold",
        subject_id=hold.id,
        subject_name=str(hold.run or hold.process),
        process=hold.process.slug,
        run_id=hold.run_id,
        reason=reason,
        data={"expires_at": clock.rfc3339(hold.expires_at), "whole_process": hold.run_id is None},
    )
