"""Reads that look across floors: the halt preview, agents with what holds them, the audit log."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Exists, Q, QuerySet, Sum

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from apps.core.money import Money
from apps.gateway.models import OPEN_STATES, CallState, ToolCall
from apps.halts.models import Halt, Scope
from apps.halts.queries import Target
from apps.registry.models import Agent
from apps.registry.permissions import AUDIT, HALT
from apps.registry.queries import agents_visible_to, processes_visible_to, processes_where
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
        executing=list(
            calls.filter(state=CallState.EXECUTING).select_related("tool", "agent").order_by("executing_at")[:20]
        ),
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


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent with what holds it and what it has under way."""

    agent: Agent
    halts: list[Halt]
    in_flight: int
    waiting: int
    tools: int
    may_halt: bool


def agent_rows(actor: Actor) -> list[AgentRow]:
    """Every agent the actor sees, by name, in a fixed number of queries."""
    agents = list(
        agents_visible_to(actor)
        .select_related("process", "owner_team")
        .annotate(tool_count=Count("grants", filter=Q(grants__revoked_at=None), distinct=True))
        .order_by("process__name", "name")
    )
    counts: dict[UUID, dict[str, int]] = defaultdict(dict)
    open_calls = ToolCall.objects.filter(agent__in=agents, state__in=OPEN_STATES)
    for agent_id, state, count in open_calls.values_list("agent", "state").annotate(count=Count("id")):
        counts[agent_id][state] = count
    halts = list(Halt.objects.in_force().exclude(scope_type=Scope.TOOL))
    haltable = set(processes_where(actor, HALT).values_list("id", flat=True))
    return [
        AgentRow(
            agent=agent,
            halts=[halt for halt in halts if _covers(halt, agent)],
            in_flight=counts[agent.id].get(CallState.EXECUTING, 0) + counts[agent.id].get(CallState.QUEUED, 0),
            waiting=counts[agent.id].get(CallState.AWAITING_APPROVAL, 0),
            tools=agent.tool_count,
            may_halt=agent.process_id in haltable,
        )
        for agent in agents
    ]


def _covers(halt: Halt, agent: Agent) -> bool:
    if halt.environment != agent.environment:
        return False
    return halt.scope_type == Scope.MESH or halt.scope_id in (agent.id, agent.process_id)


def entries_visible_to(actor: Actor) -> QuerySet[AuditEntry]:
    """Lines of the processes whose log the actor may read; lines of no process for whoever may read any."""
    processes = processes_where(actor, AUDIT)
    return AuditEntry.objects.filter(Q(process__in=processes.values("slug")) | Q(Exists(processes), process=""))
