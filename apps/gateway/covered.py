"""What halts cover, as conditions on tables. `apps.halts.queries.halts_over` says the same of one call; a test compares
the two for every scope.
"""

from collections.abc import Iterable

from django.db.models import F, IntegerField, Q, TextField, Value
from django.db.models.expressions import Combinable, Func
from django.db.models.functions import Cast
from django.db.models.lookups import GreaterThanOrEqual

from apps.halts.above import Scoped
from apps.halts.models import BUCKETS, Halt, Mode, Scope

NOTHING = Q(pk__in=())


def calls_covered(scope: Scoped) -> Q:
    """Tool calls in the scope, of any environment."""
    entity_type, _, entity_id = scope.scope_text.partition(":")
    conditions = {
        Scope.MESH: Q(),
        Scope.BUSINESS_UNIT: Q(process__business_unit=scope.scope_text),
        Scope.PROCESS: Q(process_id=scope.scope_id),
        Scope.AGENT: Q(agent_id=scope.scope_id),
        Scope.CONNECTOR: Q(tool__connector_id=scope.scope_id),
        Scope.TOOL: Q(tool_id=scope.scope_id),
        Scope.TOOL_AGENT: Q(tool_id=scope.scope_id, agent_id=scope.scope_agent_id),
        Scope.RUN: Q(run_id=scope.scope_id),
        Scope.COUNTERPARTY: Q(entity_type=entity_type, entity_id=entity_id),
        Scope.PRINCIPAL: Q(on_behalf_of=scope.scope_id),
    }
    return conditions[Scope(scope.scope_type)]


def runs_covered(scope: Scoped) -> Q:
    """Runs that a stop ends. A stopped tool, connector or counterparty ends calls, not the runs that would have made
    them.
    """
    conditions = {
        Scope.MESH: Q(),
        Scope.BUSINESS_UNIT: Q(process__business_unit=scope.scope_text),
        Scope.PROCESS: Q(process_id=scope.scope_id),
        Scope.AGENT: Q(opened_by_id=scope.scope_id),
        Scope.RUN: Q(id=scope.scope_id),
    }
    return conditions.get(Scope(scope.scope_type), NOTHING)


def outside_covered(scope: Scoped) -> Q:
    """Acts outside, requests and approvals alike: they name an agent, and no tool, run or counterparty of ours."""
    conditions = {
        Scope.MESH: Q(),
        Scope.BUSINESS_UNIT: Q(process__business_unit=scope.scope_text),
        Scope.PROCESS: Q(process_id=scope.scope_id),
        Scope.AGENT: Q(agent_id=scope.scope_id),
    }
    return conditions.get(Scope(scope.scope_type), NOTHING)


def calls_held(halts: Iterable[Halt]) -> Q:
    """Waiting calls that one of these halts in force keeps from running. A drain lets them run, and a ramp a part of
    them.
    """
    held = NOTHING
    for halt in halts:
        if halt.mode != Mode.DRAIN:
            held |= calls_covered(halt) & _behind_the_ramp(halt) & Q(environment=halt.environment)
    return held


def outside_held(halts: Iterable[Halt]) -> Q:
    """The same of what waits outside, which belongs to no run and so to the last step of a ramp."""
    held = NOTHING
    for halt in halts:
        if halt.mode != Mode.DRAIN:
            held |= outside_covered(halt) & Q(environment=halt.environment)
    return held


def _behind_the_ramp(halt: Halt) -> Q:
    percent = halt.ramp_percent(halt.seen_at)
    return Q(GreaterThanOrEqual(_bucket_of(halt, F("run_id")), percent)) if percent else Q()


def _bucket_of(halt: Halt, run_id: Combinable) -> Func:
    """`apps.halts.models.ramp_bucket` in SQL."""
    return Func(
        Value(f"{halt.id}:", output_field=TextField()),
        Cast(run_id, TextField()),
        template=f"mod(('x' || substr(md5(%(expressions)s), 1, 8))::bit(32)::bigint, {BUCKETS})",
        arg_joiner=" || ",
        output_field=IntegerField(),
    )
