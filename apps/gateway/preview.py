"""What a halt touches: counted before anyone confirms it; what still runs is told by name to whoever placed it (I6)."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet, Sum

from apps.core.actor import Actor
from apps.core.money import Money
from apps.gateway.models import CallState, ToolCall
from apps.halts.models import Halt, Scope
from apps.halts.queries import Target, target_for
from apps.registry.models import Agent
from apps.registry.queries import processes_visible_to
from apps.runs.models import Run, RunState


@dataclass(frozen=True, slots=True)
class HaltPreview:
    """What a halt would touch, before anyone confirms it."""

    agent_count: int
    open_run_count: int
    executing: list[ToolCall]
    waiting_count: int
    waiting_sums: list[Money]


def preview_of(actor: Actor, target: Target, environment: str) -> HaltPreview:
    """Counted over what the actor sees of the scope (I13)."""
    seen = Q(process__in=processes_visible_to(actor))
    calls = ToolCall.objects.filter(_calls_in(target), seen, environment=environment)
    waiting = calls.filter(state=CallState.AWAITING_APPROVAL)
    sums = waiting.exclude(currency="").order_by("currency").values_list("currency").annotate(total=Sum("money_minor"))
    return HaltPreview(
        agent_count=_agents_in(target, environment).filter(seen).count(),
        open_run_count=Run.objects.filter(_runs_in(target), seen, environment=environment, state=RunState.OPEN)
        .distinct()
        .count(),
        executing=list(_executing(actor, target, environment)),
        waiting_count=waiting.count(),
        waiting_sums=[Money(total, currency) for currency, total in sums],
    )


def _agents_in(target: Target, environment: str) -> QuerySet[Agent]:
    agents = Agent.objects.filter(environment=environment)
    conditions = {
        Scope.MESH: Q(),
        Scope.PROCESS: Q(process=target.scope_id),
        Scope.AGENT: Q(id=target.scope_id),
        Scope.TOOL: Q(grants__tool=target.scope_id, grants__revoked_at=None),
    }
    return agents.filter(conditions[target.scope_type]).distinct()


def _calls_in(target: Target) -> Q:
    fields = {Scope.PROCESS: "process", Scope.AGENT: "agent", Scope.TOOL: "tool"}
    return Q() if target.scope_type == Scope.MESH else Q(**{fields[target.scope_type]: target.scope_id})


def _runs_in(target: Target) -> Q:
    fields = {Scope.PROCESS: "process", Scope.AGENT: "opened_by", Scope.TOOL: "tool_calls__tool"}
    return Q() if target.scope_type == Scope.MESH else Q(**{fields[target.scope_type]: target.scope_id})


def executing_under(actor: Actor, halt: Halt) -> list[ToolCall]:
    """Every call in the halt's scope that was executing before it and may still finish: nothing can recall these."""
    target = target_for(
        actor, scope_type=halt.scope_type, reference=str(halt.scope_id or ""), environment=halt.environment
    )
    return list(_executing(actor, target, halt.environment))


def _executing(actor: Actor, target: Target, environment: str) -> QuerySet[ToolCall]:
    calls = ToolCall.objects.filter(_calls_in(target), process__in=processes_visible_to(actor), environment=environment)
    return calls.filter(state=CallState.EXECUTING).select_related("tool", "agent").order_by("executing_at")
