"""The clocks of what waits for people stand while a halt would keep it from running, and run on afterwards.

One function compares what should stand with what stands, so that it does not matter which news was lost, which halt was
lifted and which has run out, or how many overlap.
"""

import datetime as dt
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.approvals import services as approvals
from apps.approvals.models import OPEN_STATES, Approval
from apps.core import clock
from apps.gateway.covered import calls_held, outside_held
from apps.gateway.models import CallState, ToolCall
from apps.halts.models import Halt, Mode

# Acts that wait outside: an agent's, for which another gateway asks. They name no tool of ours.
EXTERNAL = "external"
# A halt that ended longer ago than this has nothing standing any more.
SWEPT_FOR = dt.timedelta(days=1)


def keep_clocks() -> int:
    """Hold the clocks under every hold and stop in force, and let those run that none covers any more. Repeatable;
    returns how many clocks it held or let run.

    A drain lets what waits already run, so it holds no clock.
    """
    holding = list(Halt.objects.in_force().exclude(mode=Mode.DRAIN))
    moved = sum(approvals.pause_clocks(_running_under(halt), since=halt.placed_at) for halt in holding)
    if holding or _recently_ended().exists():
        moved += approvals.resume_clocks(_standing_free(holding))
    return moved


def _recently_ended() -> QuerySet[Halt]:
    since = clock.now() - SWEPT_FOR
    return Halt.objects.exclude(mode=Mode.DRAIN).filter(
        Q(lifted_at__gte=since) | Q(expires_at__gte=since) | Q(ramp_started_at__gte=since)
    )


def _running_under(halt: Halt) -> list[UUID]:
    """What the halt holds with its clock running."""
    calls = _waiting_calls().filter(calls_held([halt]), approval__paused_at=None)
    outside = _outside().filter(outside_held([halt]), paused_at=None)
    return [*calls.values_list("approval_id", flat=True), *outside.values_list("id", flat=True)]


def _standing_free(holding: list[Halt]) -> list[UUID]:
    """What stands and is held by none of them."""
    calls = _waiting_calls().filter(~calls_held(holding), approval__paused_at__isnull=False)
    outside = _outside().filter(~outside_held(holding), paused_at__isnull=False)
    return [*calls.values_list("approval_id", flat=True), *outside.values_list("id", flat=True)]


def _waiting_calls() -> QuerySet[ToolCall]:
    return ToolCall.objects.filter(state=CallState.AWAITING_APPROVAL, approval__state__in=OPEN_STATES)


def _outside() -> QuerySet[Approval]:
    return Approval.objects.filter(subject_type=EXTERNAL, resolved_at=None)
