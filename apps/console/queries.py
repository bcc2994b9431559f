"""Reads that look across floors: the halt preview, agents with what holds them, the audit log."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Exists, Q, QuerySet

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from apps.core.ids import first_id_at
from apps.gateway.models import OPEN_STATES, CallState, Decision, ToolCall
from apps.gateway.queries import calls_visible_to
from apps.halts.models import Halt, Scope
from apps.policies.models import PolicyRelease
from apps.registry.models import Agent
from apps.registry.permissions import AUDIT, HALT
from apps.registry.queries import agents_visible_to, processes_where

# Scopes that hold all that an agent does.
WHOLE_AGENTS = (Scope.MESH, Scope.BUSINESS_UNIT, Scope.PROCESS, Scope.AGENT)


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
    halts = list(Halt.objects.in_force().filter(scope_type__in=WHOLE_AGENTS))
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
    if halt.scope_type == Scope.BUSINESS_UNIT:
        return halt.scope_text == agent.process.business_unit
    return halt.scope_type == Scope.MESH or halt.scope_id in (agent.id, agent.process_id)


def entries_visible_to(actor: Actor) -> QuerySet[AuditEntry]:
    """Lines of the processes whose log the actor may read; lines of no process for whoever may read any."""
    processes = processes_where(actor, AUDIT)
    return AuditEntry.objects.filter(Q(process__in=processes.values("slug")) | Q(Exists(processes), process=""))


def calls_under(actor: Actor, release: PolicyRelease) -> QuerySet[ToolCall]:
    """The calls, of those the actor may see, that were decided under this version. Calls and decisions carry their time
    in their ids, so only those since its release are looked at.
    """
    named = [{"set": release.policy_set.slug, "version": release.version}]
    since = first_id_at(release.released_at)
    decisions = Decision.objects.filter(id__gte=since, releases__contains=named)
    return calls_visible_to(actor).filter(id__in=decisions.values("tool_call"))
