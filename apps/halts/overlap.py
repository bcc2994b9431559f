"""Which halts lie over the same work, so that whoever lifts one is told what still holds."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.halts.models import Halt, Scope
from apps.halts.queries import halts_visible_to
from apps.registry.models import Agent, Tool


@dataclass(frozen=True, slots=True)
class _Footprint:
    """What a halt demands of a call; None where it demands nothing."""

    agents: frozenset[UUID] | None = None
    tools: frozenset[UUID] | None = None
    run: UUID | None = None
    counterparty: str | None = None
    person: UUID | None = None

    def meets(self, other: "_Footprint") -> bool:
        """Whether one call could be under both."""
        pairs = ((self.agents, other.agents), (self.tools, other.tools))
        if any(mine is not None and theirs is not None and not mine & theirs for mine, theirs in pairs):
            return False
        same = ((self.run, other.run), (self.counterparty, other.counterparty), (self.person, other.person))
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in same)


def still_holding(actor: Actor, halt: Halt) -> list[Halt]:
    """Other halts in force that cover something of what this one covers, of those the actor may see."""
    others = Halt.objects.in_force().filter(environment=halt.environment).exclude(id=halt.id)
    seen = halts_visible_to(actor).values("id")
    mine = _footprint(halt)
    return [other for other in others.filter(id__in=seen).order_by("id") if mine.meets(_footprint(other))]


def _footprint(halt: Halt) -> _Footprint:
    ids = frozenset({halt.scope_id}) if halt.scope_id else None
    match Scope(halt.scope_type):
        case Scope.BUSINESS_UNIT:
            return _Footprint(agents=_ids(Agent.objects.filter(process__business_unit=halt.scope_text)))
        case Scope.PROCESS:
            return _Footprint(agents=_ids(Agent.objects.filter(process=halt.scope_id)))
        case Scope.AGENT:
            return _Footprint(agents=ids)
        case Scope.CONNECTOR:
            return _Footprint(tools=_ids(Tool.objects.filter(connector=halt.scope_id)))
        case Scope.TOOL:
            return _Footprint(tools=ids)
        case Scope.TOOL_AGENT:
            return _Footprint(tools=ids, agents=frozenset({halt.scope_agent_id} - {None}))  # type: ignore[arg-type]
        case Scope.RUN:
            return _Footprint(run=halt.scope_id, agents=_ids(Agent.objects.filter(process=halt.scope_process_id)))
        case Scope.COUNTERPARTY:
            return _Footprint(counterparty=halt.scope_text)
        case Scope.PRINCIPAL:
            return _Footprint(person=halt.scope_id)
        case _:
            return _Footprint()


def _ids(rows: QuerySet[Agent] | QuerySet[Tool]) -> frozenset[UUID]:
    return frozenset(rows.values_list("id", flat=True))
