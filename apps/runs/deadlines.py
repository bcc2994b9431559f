"""How long a run may take: the process says so, its agent may ask for less, and an owner may give more.

What is judged here is the row at hand; nobody asks the database for it. The run of a single call is that call's affair
and has no end of its own, until a second call joins it.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.clock import rfc3339
from apps.core.errors import Conflict, Exhausted, Invalid
from apps.registry.models import Process
from apps.registry.permissions import GOVERN
from apps.registry.queries import require
from apps.runs.events import RunExtended, RunTimedOut
from apps.runs.models import Run, RunState
from apps.runs.queries import run_for
from apps.runs.telling import record

SWEEP = system_actor("run-time")
LONGEST = dt.timedelta(days=366)
BATCH_SIZE = 200
# By then an owner may have given it more time.
ASK_AGAIN_SECONDS = 3600
RUN_TIME_OVER = "run_time_over"


def deadline_for(process: Process, *, asked_seconds: int | None = None) -> dt.datetime | None:
    """Until when a run that begins now may take; None where nothing says so. Raises Invalid for more than the process
    lets it have.
    """
    allowed = process.run_time_budget_seconds
    most = allowed if allowed is not None else int(LONGEST.total_seconds())
    if asked_seconds is not None and not 1 <= asked_seconds <= most:
        sentence = f"A run of {process.name} may take from 1 to {most} seconds."
        errors = [{"pointer": "/time_budget_seconds", "sentence": sentence}]
        raise Invalid("run.bad_time_budget", sentence, errors=errors)
    seconds = allowed if asked_seconds is None else asked_seconds
    return None if seconds is None else clock.now() + dt.timedelta(seconds=seconds)


def seconds_left(run: Run) -> float | None:
    """None of a run that may take as long as it likes; nothing or less where its time is over."""
    if run.deadline_at is None or run.is_implicit:
        return None
    return (run.deadline_at - clock.now()).total_seconds()


def is_over(run: Run) -> bool:
    """Whether its time is over, whether or not that was written down yet."""
    left = seconds_left(run)
    return run.state == RunState.TIMED_OUT or (left is not None and left <= 0)


def run_time_over() -> Exhausted:
    """What an agent is told: like a budget of the run, its time may be raised by a person."""
    return Exhausted(
        RUN_TIME_OVER,
        "The time of this run is over. Nothing more is done in it unless an owner of its process gives it more.",
        retry_after_seconds=ASK_AGAIN_SECONDS,
    )


def extend_run(*, actor: Actor, run_id: UUID, until: dt.datetime, reason: str) -> Run:
    """Let a run go on until then, also one that has run out of time. What was ended with it stays ended."""
    if not reason.strip():
        errors = [{"pointer": "/reason", "sentence": "Missing."}]
        raise Invalid("run.reason_missing", "Say why it may take longer.", errors=errors)
    seen = run_for(actor, run_id)
    require(actor, GOVERN, seen.process)
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("process").get(id=seen.id)
        if run.deadline_at is None or run.is_implicit:
            raise Conflict("run.no_deadline", "This run may take as long as it likes.")
        if run.state not in (RunState.OPEN, RunState.TIMED_OUT):
            raise Conflict("run.ended", f"This run has ended: {run.get_state_display().lower()}.")
        now = clock.now()
        if not max(now, run.deadline_at) < until <= now + LONGEST:
            errors = [{"pointer": "/until", "sentence": "Later than now and than what it has, within a year."}]
            raise Invalid("run.bad_deadline", "More time ends later than the time it has.", errors=errors)
        before, was_over = run.deadline_at, run.state == RunState.TIMED_OUT
        run.deadline_at, run.state, run.ended_at = until, RunState.OPEN, None
        run.save(update_fields=["deadline_at", "state", "ended_at"])
        data = {"before": rfc3339(before), "after": rfc3339(until), "was_over": was_over}
        record(actor, "run.extended", run, outcome=run.state, reason=reason, data=data)
        outbox.add(RunExtended(str(run.id), rfc3339(until) or ""))
    return run


def time_out_runs() -> int:
    """End every open run whose time is over; returns how many. What still runs in it is not torn away."""
    due = Run.objects.filter(state=RunState.OPEN, is_implicit=False, deadline_at__lte=clock.now())
    return sum(_time_out(run_id) for run_id in list(due.values_list("id", flat=True)[:BATCH_SIZE]))


def _time_out(run_id: UUID) -> bool:
    with transaction.atomic():
        runs = Run.objects.select_for_update(of=("self",), skip_locked=True).select_related("process")
        due = runs.filter(state=RunState.OPEN, is_implicit=False, deadline_at__lte=clock.now())
        run = due.filter(id=run_id).first()
        if run is None:
            return False
        run.state, run.ended_at = RunState.TIMED_OUT, clock.now()
        run.save(update_fields=["state", "ended_at"])
        deadline = rfc3339(run.deadline_at) or ""
        data = {"deadline_at": deadline}
        record(SWEEP, "run.timed_out", run, outcome=run.state, reason="Its time was over.", data=data)
        outbox.add(RunTimedOut(str(run.id), deadline))
    return True
