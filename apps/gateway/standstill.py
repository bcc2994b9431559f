"""What halts ask of this floor: which run a person means, what is being executed, what waits for a lift."""

import datetime as dt
from uuid import UUID

from django.db.models import Count, Max, Q

from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import first_id_at
from apps.gateway.covered import calls_covered, runs_covered
from apps.gateway.exhausted import budget_used_up
from apps.gateway.models import CallState, ToolCall
from apps.halts.above import Above, NamedRun, Observed, Restarts, Scoped, Watch
from apps.halts.models import Condition, Halt
from apps.runs.models import Run, RunState
from apps.runs.queries import runs_visible_to

# A call that was on its way for longer than this counts for no rule.
LONGEST_EXECUTION = dt.timedelta(hours=1)
WENT_WRONG = (CallState.FAILED, CallState.OUTCOME_UNKNOWN)


def named_run(actor: Actor, run_id: UUID, environment: str) -> NamedRun | None:
    run = runs_visible_to(actor).filter(id=run_id, environment=environment).first()
    return NamedRun(run.id, run.title, run.process_id) if run else None


def executing_in(scope: Scoped, environment: str) -> list[UUID]:
    """Calls under way, of which few are ever there at once."""
    calls = ToolCall.objects.filter(calls_covered(scope), environment=environment, state=CallState.EXECUTING)
    return list(calls.order_by("executing_at", "id").values_list("id", flat=True))


def last_admitted_in(scope: Scoped, environment: str, within: dt.timedelta) -> dt.datetime | None:
    """When the latest call in the scope became executing; None when none did within this time. It reads what began
    within it, in the scope or not.
    """
    calls = ToolCall.objects.filter(
        calls_covered(scope), environment=environment, executing_at__gte=clock.now() - within
    )
    moment: dt.datetime | None = calls.aggregate(last=Max("executing_at"))["last"]
    return moment


def restarts_in(scope: Scoped, environment: str) -> Restarts:
    calls = ToolCall.objects.filter(calls_covered(scope), environment=environment)
    runs = Run.objects.filter(runs_covered(scope), environment=environment, state=RunState.OPEN)
    return Restarts(
        queued_count=calls.filter(state=CallState.QUEUED).count(),
        open_run_count=runs.count(),
        waiting_count=calls.filter(state=CallState.AWAITING_APPROVAL, approval__paused_at__isnull=False).count(),
    )


def measured(watch: Watch) -> int:
    """What the condition comes to: percent, or a number of calls."""
    if watch.condition == Condition.BUDGET_USED_UP:
        return budget_used_up(watch)
    calls = ToolCall.objects.filter(
        calls_covered(watch.scope), environment=watch.environment, finished_at__gte=watch.since
    )
    if watch.condition == Condition.DENIED_PER_MINUTE:
        # asked for within the window, which the key of the table tells without an index of its own
        return calls.filter(id__gte=first_id_at(watch.since), state=CallState.DENIED).count()
    executed = calls.filter(executing_at__gte=watch.since - LONGEST_EXECUTION)
    ended = executed.filter(state__in=(CallState.SUCCEEDED, *WENT_WRONG))
    if watch.condition == Condition.CONSECUTIVE_FAILURES:
        last_success = ended.filter(state=CallState.SUCCEEDED).aggregate(last=Max("finished_at"))["last"]
        failed = ended.filter(state__in=WENT_WRONG)
        return (failed.filter(finished_at__gt=last_success) if last_success else failed).count()
    counts = ended.aggregate(all=Count("id"), wrong=Count("id", filter=Q(state__in=WENT_WRONG)))
    return 100 * counts["wrong"] // counts["all"] if counts["all"] >= max(1, watch.least_calls) else 0


def observed(halt: Halt) -> Observed:
    """Admissions are compared with the last one before the halt: both are by the clocks of the nodes that took them."""
    calls = ToolCall.objects.filter(calls_covered(halt), environment=halt.environment)
    since = halt.last_admitted_at or halt.placed_at
    later = calls.filter(executing_at__gt=since).exclude(id__in=halt.executing_calls)
    if halt.lifted_at is not None:
        later = later.filter(executing_at__lt=halt.lifted_at)
    tried = calls.filter(id__gte=first_id_at(halt.placed_at - LONGEST_EXECUTION), halt_id=halt.id)
    return Observed(turned_away_count=tried.count(), got_through_count=later.count())


ABOVE = Above(
    run=named_run,
    executing=executing_in,
    last_admitted=last_admitted_in,
    restarts=restarts_in,
    measured=measured,
    observed=observed,
)
