"""Drills: the stop is tried on a canary agent, measured, and what it showed is kept."""

import datetime as dt
from uuid import UUID

import structlog
from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.halts.above import above
from apps.halts.events import HaltDrillFinished
from apps.halts.models import HaltDrill, Mode, ReasonCode, Scope
from apps.halts.queries import drills_visible_to
from apps.halts.services.lifting import lift_halt
from apps.halts.services.placing import place_halt
from apps.registry.permissions import HALT
from apps.registry.queries import agent_for, require

log = structlog.get_logger(__name__)

DRILL = system_actor("halt-drill")
# How long the canary is held and watched.
WATCHED_FOR = dt.timedelta(seconds=20)
# A worker that dies in a drill leaves the canary held no longer than this.
ENDS_BY_ITSELF_AFTER = dt.timedelta(minutes=5)
FARTHEST = dt.timedelta(days=366)
MOST_DAYS = 366


def schedule_drill(*, actor: Actor, agent: str, planned_for: dt.datetime, every_days: int = 0) -> HaltDrill:
    """Plan a drill on this agent; it is held for twenty seconds then. `every_days` plans the next one after each."""
    canary = agent_for(actor, agent, need=HALT)
    now = clock.now()
    if not (now - dt.timedelta(minutes=5) <= planned_for <= now + FARTHEST and 0 <= every_days <= MOST_DAYS):
        raise Invalid("halt_drill.bad_time", "A drill is planned for a time from now on and within a year.")
    with transaction.atomic():
        drill = HaltDrill.objects.create(
            agent=canary,
            planned_for=planned_for,
            every_days=every_days,
            scheduled_by=actor.key,
            scheduled_by_name=actor.name,
            scheduled_at=now,
        )
        _record(actor, "halt_drill.scheduled", drill, outcome="planned")
    return drill


def cancel_drill(*, actor: Actor, drill_id: UUID) -> HaltDrill:
    """Take a planned drill back, and with it those that would follow."""
    with transaction.atomic():
        drill = drills_visible_to(actor).select_for_update(of=("self",)).filter(id=drill_id).first()
        if drill is None:
            raise NotFound("halt_drill.not_found", "There is no such drill.")
        require(actor, HALT, drill.agent.process)
        if not drill.is_planned:
            raise Conflict("halt_drill.not_planned", "This drill has begun or was cancelled already.")
        drill.cancelled_at = clock.now()
        drill.save(update_fields=["cancelled_at"])
        _record(actor, "halt_drill.cancelled", drill, outcome="cancelled")
    return drill


def carry_out_drills() -> int:
    """Begin what is due and end what was watched long enough; returns how many steps were taken. Safe in several
    workers at once.
    """
    now = clock.now()
    still_open = HaltDrill.objects.filter(finished_at=None, cancelled_at=None)
    due = still_open.filter(halt=None, planned_for__lte=now)
    watched = still_open.filter(halt__placed_at__lte=now - WATCHED_FOR)
    taken = 0
    for rows, step in ((due, _begin), (watched, _finish)):
        for drill_id in list(rows.values_list("id", flat=True)):
            try:
                with transaction.atomic():
                    drill = _locked(drill_id)
                    if drill is not None:
                        step(drill)
                        taken += 1
            except Exception:  # what is wrong with one keeps no other waiting
                log.exception("halt_drill.failed", drill_id=str(drill_id))
    return taken


def _locked(drill_id: UUID) -> HaltDrill | None:
    rows = HaltDrill.objects.select_for_update(of=("self",), skip_locked=True).select_related("agent__process", "halt")
    return rows.filter(id=drill_id, finished_at=None, cancelled_at=None).first()


def _begin(drill: HaltDrill) -> None:
    """Place a hold like any other, clearly a drill."""
    if drill.halt_id is not None:
        return
    drill.halt = place_halt(
        actor=DRILL,
        scope_type=Scope.AGENT,
        scope_reference=str(drill.agent_id),
        environment=drill.agent.environment,
        mode=Mode.HOLD,
        reason_code=ReasonCode.DRILL,
        reason=f"Drill, planned by {drill.scheduled_by_name}",
        expires_at=clock.now() + ENDS_BY_ITSELF_AFTER,
    )
    drill.time_to_stop_ms = drill.halt.time_to_stop_ms
    drill.save(update_fields=["halt", "time_to_stop_ms"])


def _finish(drill: HaltDrill) -> None:
    """Count, lift, keep, and plan the next."""
    halt = drill.halt
    if halt is None:
        return
    seen = above().observed(halt)
    drill.turned_away_count, drill.got_through_count = seen.turned_away_count, seen.got_through_count
    drill.finished_at = clock.now()
    drill.save(update_fields=["turned_away_count", "got_through_count", "finished_at"])
    if halt.lifted_at is None:
        lift_halt(actor=DRILL, halt_id=halt.id, reason="The drill is over")
    _record(DRILL, "halt_drill.finished", drill, outcome="failed" if seen.got_through_count else "held")
    outbox.add(HaltDrillFinished(drill_id=str(drill.id), got_through_count=seen.got_through_count))
    if drill.every_days:
        HaltDrill.objects.create(
            agent=drill.agent,
            planned_for=drill.finished_at + dt.timedelta(days=drill.every_days),
            every_days=drill.every_days,
            scheduled_by=drill.scheduled_by,
            scheduled_by_name=drill.scheduled_by_name,
            scheduled_at=drill.finished_at,
        )


def _record(actor: Actor, code: str, drill: HaltDrill, *, outcome: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="halt_drill",
        subject_id=drill.id,
        subject_name=drill.agent.name,
        process=drill.agent.process.slug,
        environment=drill.agent.environment,
        outcome=outcome,
        data={
            "agent": drill.agent.slug,
            "halt_id": str(drill.halt_id or ""),
            "time_to_stop_ms": drill.time_to_stop_ms,
            "turned_away": drill.turned_away_count,
            "got_through": drill.got_through_count,
        },
    )
