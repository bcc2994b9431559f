"""The clocks of what waits for people stand while a halt would keep it from running, and run on afterwards.

One function compares what should stand with what stands, so that it does not matter which news was lost, which halt was
lifted and which has run out, or how many overlap.
"""

import datetime as dt
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.approvals import services as approvals
from apps.approvals.models import OPEN_STATES, Approval
from apps.core import clock
from apps.gateway.models import CallState, ToolCall
from apps.halts.models import Halt, Mode, Scope

# Acts that wait outside: an agent's, for which another gateway asks. They name no tool of ours.
EXTERNAL = "external"
# A halt that ended longer ago than this has nothing standing any more.
SWEPT_FOR = dt.timedelta(days=1)


def keep_clocks() -> int:
    """Hold the clocks under every hold and stop in force, and let those run that none covers any more. Repeatable;
    returns how many clocks it held or let run.

    A drain lets what waits already run, so it holds no clock.
    """
    holding = Halt.objects.in_force().exclude(mode=Mode.DRAIN)
    moved = sum(approvals.pause_clocks(_running_under(halt), since=halt.placed_at) for halt in holding)
    if holding or _recently_ended().exists():
        moved += approvals.resume_clocks(_standing_free())
    return moved


def _recently_ended() -> QuerySet[Halt]:
    since = clock.now() - SWEPT_FOR
    return Halt.objects.exclude(mode=Mode.DRAIN).filter(Q(lifted_at__gte=since) | Q(expires_at__gte=since))


def _running_under(halt: Halt) -> list[UUID]:
    """What waits in the halt's scope with its clock running."""
    calls = _waiting_calls().filter(_covered_by(halt), environment=halt.environment, approval__paused_at=None)
    found = list(calls.values_list("approval_id", flat=True))
    if halt.scope_type != Scope.TOOL:
        outside = _outside().filter(_covered_by(halt), environment=halt.environment, paused_at=None)
        found += outside.values_list("id", flat=True)
    return found


def _covered_by(halt: Halt) -> Q:
    fields = {Scope.PROCESS: "process_id", Scope.AGENT: "agent_id", Scope.TOOL: "tool_id"}
    return Q() if halt.scope_type == Scope.MESH else Q(**{fields[Scope(halt.scope_type)]: halt.scope_id})


def _standing_free() -> list[UUID]:
    """What stands and is under no halt."""
    calls = _waiting_calls().filter(~Exists(_covering("process_id", "agent_id", "tool_id")))
    outside = _outside().filter(~Exists(_covering("process_id", "agent_id")), paused_at__isnull=False)
    free = calls.filter(approval__paused_at__isnull=False).values_list("approval_id", flat=True)
    return [*free, *outside.values_list("id", flat=True)]


def _covering(*columns: str) -> QuerySet[Halt]:
    """The halts that hold the row outside; ids are unique across what a halt can name."""
    scope = Q(scope_type=Scope.MESH)
    for column in columns:
        scope |= Q(scope_id=OuterRef(column))
    return Halt.objects.in_force().filter(scope, ~Q(mode=Mode.DRAIN), environment=OuterRef("environment"))


def _waiting_calls() -> QuerySet[ToolCall]:
    return ToolCall.objects.filter(state=CallState.AWAITING_APPROVAL, approval__state__in=OPEN_STATES)


def _outside() -> QuerySet[Approval]:
    return Approval.objects.filter(subject_type=EXTERNAL, resolved_at=None)
