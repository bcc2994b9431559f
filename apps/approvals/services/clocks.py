"""What time does to a request that waits: reminders, escalations, clocks that a halt holds, and more time for people.
Nothing here decides anything (I8), and the only clock is `apps.core.clock`.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from uuid import UUID

import structlog
from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import DateTimeField, DurationField, Expression, ExpressionWrapper, F, Func, Q, QuerySet, Value
from django.db.models.functions import Greatest

from apps.approvals.events import ApprovalReminded
from apps.approvals.models import OPEN_STATES, Approval, ApprovalState, Urgency
from apps.approvals.queries import approval_for
from apps.approvals.services.consent import BATCH_SIZE, CLOCK
from apps.approvals.services.oversight import (
    LONGEST_REASON,
    bring_before,
    check_waits,
    ladder_of,
    may_vote,
    next_policy_step,
    words_of,
)
from apps.approvals.telling import line, record, subject_of
from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.registry.permissions import GOVERN, MANAGE
from apps.registry.queries import holds

log = structlog.get_logger(__name__)

PERCENT = {Urgency.HALF: 50, Urgency.SOON: 90, Urgency.BREACHED: 100}
# What was given at first may be given once more, in one or in many steps, and no further.
MOST_TIMES_THE_ORIGINAL = 2
EXTENDED, RESUMED = "approval.extended", "approval.clock_resumed"


# --- by themselves ----------------------------------------------------------------------------------------------------


def mark_milestones() -> int:
    """Remind of every request of which 50 %, 90 % or all of the time to decide is gone, and return how many those were.

    From 90 % on those on call are told of it, from 100 % on the owners of the process. Where several marks have passed
    unseen, the last one is told.
    """
    return _each(_running().filter(next_milestone_at__lte=clock.now()).order_by("next_milestone_at"), _mark)


def escalate_due() -> int:
    """Bring every request before the team that policy names for when it has waited this long; return how many."""
    return _each(_running().filter(next_escalation_at__lte=clock.now()).order_by("next_escalation_at"), _escalate)


def _running() -> QuerySet[Approval]:
    """People have it, no halt holds its clock, and it is neither over nor about to settle."""
    return Approval.objects.filter(
        state=ApprovalState.PENDING, paused_at=None, settles_at=None, expires_at__gt=clock.now()
    )


def _each(due: QuerySet[Approval], act: Callable[[Approval], None]) -> int:
    """Each in a transaction of its own. What somebody else holds waits for the next time, and one that fails is logged
    and holds up no other.
    """
    done = 0
    for approval_id in list(due.values_list("id", flat=True)[:BATCH_SIZE]):
        try:
            with transaction.atomic():
                locked = due.filter(id=approval_id).select_for_update(of=("self",), skip_locked=True)
                approval = locked.select_related("process__oncall_team", "process__owner_team").first()
                if approval is not None:
                    act(approval)
                    done += 1
        except Exception:
            log.exception("approval.clock_failed", approval_id=str(approval_id))
    return done


def _mark(approval: Approval) -> None:
    _set_marks(approval, clock.now())
    percent = PERCENT[Urgency(approval.urgency)]
    approval.version += 1
    approval.save(update_fields=["urgency", "next_milestone_at", "version"])
    record(CLOCK, "approval.reminded", approval, outcome=approval.state, data={"percent": percent})
    outbox.add(ApprovalReminded(**subject_of(approval), percent=percent))
    rungs = {Urgency.SOON: 1, Urgency.BREACHED: 2}.get(Urgency(approval.urgency), 0)
    for team in ladder_of(approval.process)[:rungs]:
        bring_before(approval, team, actor=CLOCK, reason=f"{percent} % of the time to decide is gone")


def _set_marks(approval: Approval, now: dt.datetime) -> None:
    """`urgency` and the next milestone as they are at this moment."""
    ahead = [moment for moment in approval.milestones if moment > now]
    approval.urgency = Urgency.BREACHED - len(ahead)
    approval.next_milestone_at = ahead[0] if ahead else None


def _escalate(approval: Approval) -> None:
    """Every step that is due, since the clock may not have been read for a while."""
    while approval.next_escalation_at is not None and approval.next_escalation_at <= clock.now():
        waited = approval.escalations[0]["after_seconds"] // 60
        next_policy_step(approval, actor=CLOCK, reason=f"It has waited for {waited} minutes")
    approval.version += 1
    approval.save(update_fields=["escalations", "next_escalation_at", "escalated_team", "version"])


# --- held by a halt ---------------------------------------------------------------------------------------------------


def pause_clocks(approval_ids: Collection[UUID], *, since: dt.datetime) -> int:
    """Hold the clocks of these requests: nothing expires, reminds or escalates. Returns how many it held; those whose
    clock stands already, and those that were over before, stay as they are.
    """
    running = Q(paused_at=None) & (Q(expires_at__gt=since) | Q(settles_at__isnull=False))
    held = 0
    with transaction.atomic():
        for approvals in _locked(approval_ids, running):
            _update(approvals, paused_at=Greatest(Value(since), F("requested_at")))
            audit.record_many(
                [line(CLOCK, "approval.clock_paused", approval, outcome=approval.state) for approval in approvals]
            )
            held += len(approvals)
    return held


def resume_clocks(approval_ids: Collection[UUID]) -> int:
    """Let the clocks of these requests run on, everything that lies ahead later by as long as they stood. Returns how
    many stood.
    """
    now = clock.now()
    stood = ExpressionWrapper(Greatest(Value(now), F("paused_at")) - F("paused_at"), output_field=DurationField())
    later = {name: F(name) + stood for name in ("expires_at", "next_milestone_at", "next_escalation_at", "settles_at")}
    resumed = 0
    with transaction.atomic():
        for approvals in _locked(approval_ids, Q(paused_at__isnull=False)):
            _update(approvals, **later, milestones=_all_later("milestones", stood), paused_at=None)
            audit.record_many(
                [
                    line(CLOCK, RESUMED, approval, outcome=approval.state, data={"seconds": _stood(approval, now)})
                    for approval in approvals
                ]
            )
            resumed += len(approvals)
    return resumed


def _locked(approval_ids: Collection[UUID], condition: Q) -> Iterator[list[Approval]]:
    """The open ones, in portions, locked in the order of their ids as everywhere."""
    ids = sorted(approval_ids)
    for start in range(0, len(ids), BATCH_SIZE):
        found = Approval.objects.filter(condition, id__in=ids[start : start + BATCH_SIZE], state__in=OPEN_STATES)
        yield list(found.select_for_update(of=("self",)).select_related("process").order_by("id"))


def _update(approvals: list[Approval], **changes: object) -> None:
    ids = [approval.id for approval in approvals]
    Approval.objects.filter(id__in=ids).update(version=F("version") + 1, **changes)


def _all_later(column: str, by: Expression) -> Func:
    """Every moment of the array later by the interval, in its order."""
    return Func(
        F(column),
        by,
        template="ARRAY(SELECT moment + column2 FROM (VALUES (%(expressions)s)) AS one, "
        "unnest(column1) WITH ORDINALITY AS each (moment, place) ORDER BY place)",
        output_field=ArrayField(DateTimeField()),
    )


def _stood(approval: Approval, now: dt.datetime) -> float:
    return max((now - (approval.paused_at or now)).total_seconds(), 0.0)


# --- more time --------------------------------------------------------------------------------------------------------


def extend(*, actor: Actor, approval_id: UUID, until: dt.datetime, reason: str) -> Approval:
    """Let people have longer to decide: by someone who may vote on it, or who keeps the process. At most twice the time
    it was given at first, the time a halt held its clock aside; and never once it has expired.

    Where the time to decide was the time until it expires, reminders move along. An SLA does not: it was promised.
    """
    reason = words_of(reason, "Say why it needs more time.", longest=LONGEST_REASON)
    with transaction.atomic():
        approval = approval_for(actor, approval_id, lock=True)
        _check_may_extend(actor, approval)
        check_waits(approval)
        _check_until(approval, until)
        before, approval.expires_at = approval.expires_at, until
        if approval.due_at >= before:
            _stretch_milestones(approval)
        approval.version += 1
        approval.save(update_fields=["expires_at", "milestones", "urgency", "next_milestone_at", "version"])
        told = {"from": rfc3339(before), "until": rfc3339(until), "seconds": (until - before).total_seconds()}
        record(actor, EXTENDED, approval, outcome=approval.state, reason=reason, data=told)
    return approval


def _check_may_extend(actor: Actor, approval: Approval) -> None:
    if actor.id in approval.barred_people:
        raise NotAllowed("approval.own_request", "You asked for this, so someone else has to give it more time.")
    keeps = any(holds(actor, permission, approval.process) for permission in (GOVERN, MANAGE))
    if keeps or may_vote(actor, approval):
        return
    check_waits(approval)
    raise NotAllowed(
        "approval.not_your_stage", "Only those who may decide it, or keep the process, can give it more time."
    )


def _check_until(approval: Approval, until: dt.datetime) -> None:
    if until <= approval.expires_at:
        raise Invalid("approval.not_later", "That is no later than it expires now.")
    latest = _latest_expiry(approval)
    if until > latest:
        raise Conflict(
            "approval.extended_enough",
            f"It may wait for twice the time it was given at first, until {rfc3339(latest)}, and no longer.",
            latest=rfc3339(latest),
        )


def _latest_expiry(approval: Approval) -> dt.datetime:
    """Twice the time it was given at first, counted without the time its clock stood. The log knows what was added."""
    changes = AuditEntry.objects.filter(
        subject_type="approval", subject_id=str(approval.id), code__in=(EXTENDED, RESUMED)
    )
    seconds = {EXTENDED: 0.0, RESUMED: 0.0}
    for code, data in changes.values_list("code", "data"):
        seconds[code] += data["seconds"]
    stood = dt.timedelta(seconds=seconds[RESUMED])
    original = approval.expires_at - approval.requested_at - stood - dt.timedelta(seconds=seconds[EXTENDED])
    return approval.requested_at + stood + MOST_TIMES_THE_ORIGINAL * original


def _stretch_milestones(approval: Approval) -> None:
    """The marks at the same parts of the longer time. It began when, at an even pace, half of it led to the first."""
    half, due = approval.milestones[0], approval.due_at
    begun = half - (due - half)
    approval.milestones = [begun + (approval.expires_at - begun) * percent / 100 for percent in PERCENT.values()]
    _set_marks(approval, approval.paused_at or clock.now())
