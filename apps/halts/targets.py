"""What can be named as a scope: found for whoever names it, with the agents and processes it touches."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.ids import parse_uuid
from apps.halts.above import Scoped, above
from apps.halts.models import Halt, HaltRule, Scope
from apps.registry.models import Agent, Connector, Process, Tool
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A resolved scope: what it is, what it is called, and the processes (id to slug) whose work it touches."""

    scope_type: Scope
    name: str
    scope_id: UUID | None = None
    scope_agent_id: UUID | None = None
    scope_text: str = ""
    scope_process_id: UUID | None = None
    processes: dict[UUID, str]

    @property
    def process_slug(self) -> str:
        """The one process it touches; "" when it is wider."""
        return next(iter(self.processes.values())) if len(self.processes) == 1 and self.scope_type != Scope.MESH else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What a reference was found to be."""

    name: str
    scope_id: UUID | None = None
    scope_agent_id: UUID | None = None
    scope_text: str = ""
    scope_process_id: UUID | None = None


def target_for(actor: Actor, *, scope_type: str, reference: str, environment: str) -> Target:
    """Resolve a scope as people and programs write it. Raises NotFound for what the actor may not see."""
    named = None if "\0" in reference else _FINDERS[Scope(scope_type)](actor, reference, environment)
    if named is None:
        raise NotFound(
            "halt.scope_not_found", f"There is no {scope_type} {reference!r} in {environment} that you may see."
        )
    target = Target(
        scope_type=Scope(scope_type),
        name=named.name,
        scope_id=named.scope_id,
        scope_agent_id=named.scope_agent_id,
        scope_text=named.scope_text,
        scope_process_id=named.scope_process_id,
        processes={},
    )
    target.processes.update(_processes_touched(target, environment))
    return target


def target_of(halt: Halt) -> Target:
    """What a halt covers now: grants, agents and processes may have come and gone since it was placed."""
    target = Target(
        scope_type=Scope(halt.scope_type),
        name=halt.scope_name,
        scope_id=halt.scope_id,
        scope_agent_id=halt.scope_agent_id,
        scope_text=halt.scope_text,
        scope_process_id=halt.scope_process_id,
        processes={},
    )
    target.processes.update(_processes_touched(target, halt.environment))
    return target


def target_of_rule(rule: HaltRule) -> Target:
    """What a rule watches."""
    target = Target(scope_type=Scope(rule.scope_type), name=rule.scope_name, scope_id=rule.scope_id, processes={})
    target.processes.update(_processes_touched(target, rule.environment))
    return target


def agents_under(scope: Scoped, environment: str) -> QuerySet[Agent]:
    """The agents that would have a call turned away, or could have one."""
    agents = Agent.objects.filter(environment=environment)
    granted = Q(grants__revoked_at=None)
    conditions = {
        Scope.MESH: Q(),
        Scope.BUSINESS_UNIT: Q(process__business_unit=scope.scope_text),
        Scope.PROCESS: Q(process=scope.scope_id),
        Scope.AGENT: Q(id=scope.scope_id),
        Scope.CONNECTOR: Q(grants__tool__connector=scope.scope_id) & granted,
        Scope.TOOL: Q(grants__tool=scope.scope_id) & granted,
        Scope.TOOL_AGENT: Q(id=scope.scope_agent_id),
        Scope.RUN: Q(process=scope.scope_process_id),
        Scope.COUNTERPARTY: Q(grants__tool__entity_type=scope.scope_text.partition(":")[0]) & granted,
        Scope.PRINCIPAL: Q(),
    }
    return agents.filter(conditions[Scope(scope.scope_type)]).distinct()


def _processes_touched(scope: Scoped, environment: str) -> dict[UUID, str]:
    touched = Q(id__in=agents_under(scope, environment).values("process"))
    if scope.scope_type == Scope.PROCESS:
        touched |= Q(id=scope.scope_id)
    return dict(Process.objects.filter(touched).order_by("slug").values_list("id", "slug"))


def _mesh(actor: Actor, reference: str, environment: str) -> _Named | None:
    return _Named(name="the whole mesh")


def _business_unit(actor: Actor, reference: str, environment: str) -> _Named | None:
    seen = bool(reference) and processes_visible_to(actor).filter(business_unit=reference).exists()
    return _Named(name=f"business unit {reference}", scope_text=reference) if seen else None


def _process(actor: Actor, reference: str, environment: str) -> _Named | None:
    process = processes_visible_to(actor).filter(_named(reference, "slug")).first()
    return _Named(name=process.name, scope_id=process.id) if process else None


def _agent(actor: Actor, reference: str, environment: str) -> _Named | None:
    agent = agents_visible_to(actor).filter(_named(reference, "slug"), environment=environment).first()
    return _Named(name=agent.name, scope_id=agent.id) if agent else None


def _connector(actor: Actor, reference: str, environment: str) -> _Named | None:
    seen = tools_visible_to(actor).values("connector")
    connector = Connector.objects.filter(_named(reference, "slug"), id__in=seen).first()
    return _Named(name=f"everything in {connector.name}", scope_id=connector.id) if connector else None


def _tool(actor: Actor, reference: str, environment: str) -> _Named | None:
    tool = _seen_tool(actor, reference)
    return _Named(name=tool.name, scope_id=tool.id) if tool else None


def _tool_agent(actor: Actor, reference: str, environment: str) -> _Named | None:
    """`<tool>/<agent>`, each by name or id."""
    tool_reference, _, agent_reference = reference.rpartition("/")
    tool, agent = _seen_tool(actor, tool_reference), _agent(actor, agent_reference, environment)
    if tool is None or agent is None:
        return None
    return _Named(name=f"{tool.name} by {agent.name}", scope_id=tool.id, scope_agent_id=agent.scope_id)


def _run(actor: Actor, reference: str, environment: str) -> _Named | None:
    run_id = parse_uuid(reference)
    run = above().run(actor, run_id, environment) if run_id else None
    return _Named(name=f"the run {run.name}"[:200], scope_id=run.id, scope_process_id=run.process_id) if run else None


def _counterparty(actor: Actor, reference: str, environment: str) -> _Named | None:
    """`<type>:<id>`, as the tools that touch it name it."""
    entity_type, _, entity_id = reference.partition(":")
    if not (entity_type and entity_id and len(reference) <= LONGEST_TEXT):
        return None
    seen = tools_visible_to(actor).filter(entity_type=entity_type).exists()
    return _Named(name=f"{entity_type} {entity_id}", scope_text=reference) if seen else None


def _principal(actor: Actor, reference: str, environment: str) -> _Named | None:
    if not processes_visible_to(actor).exists():
        return None
    person = User.objects.filter(_named(reference, "username")).first()
    return _Named(name=f"work for {person}", scope_id=person.id) if person else None


LONGEST_TEXT = 160
_FINDERS: dict[Scope, Callable[[Actor, str, str], _Named | None]] = {
    Scope.MESH: _mesh,
    Scope.BUSINESS_UNIT: _business_unit,
    Scope.PROCESS: _process,
    Scope.AGENT: _agent,
    Scope.CONNECTOR: _connector,
    Scope.TOOL: _tool,
    Scope.TOOL_AGENT: _tool_agent,
    Scope.RUN: _run,
    Scope.COUNTERPARTY: _counterparty,
    Scope.PRINCIPAL: _principal,
}


def _seen_tool(actor: Actor, reference: str) -> Tool | None:
    return tools_visible_to(actor).filter(_named(reference, "name")).first()


def _named(reference: str, field: str) -> Q:
    as_id = parse_uuid(reference)
    return Q(id=as_id) if as_id else Q(**{field: reference})
