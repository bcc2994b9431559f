"""Reading halts."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, Q, QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.generations import HALTS, Moment, read_moment
from apps.core.memory import Remembered
from apps.halts.models import Halt, HaltDrill, HaltRule, Mode, Scope
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a call touches, as far as halts are concerned. Every part has to be given, so that none is forgotten; None
    or "" where the call has none.
    """

    environment: str
    process_id: UUID
    business_unit: str
    agent_id: UUID
    tool_id: UUID | None
    connector_id: UUID | None
    run_id: UUID | None
    entity_type: str
    entity_id: str
    principal_id: UUID | None

    def scopes(self) -> frozenset[tuple[str, str]]:
        """Every scope the call is in, as `scope_key` spells it."""
        return frozenset(
            {
                (Scope.MESH.value, ""),
                (Scope.BUSINESS_UNIT.value, self.business_unit),
                (Scope.PROCESS.value, str(self.process_id)),
                (Scope.AGENT.value, str(self.agent_id)),
                (Scope.CONNECTOR.value, str(self.connector_id)),
                (Scope.TOOL.value, str(self.tool_id)),
                (Scope.TOOL_AGENT.value, f"{self.tool_id}/{self.agent_id}"),
                (Scope.RUN.value, str(self.run_id)),
                (Scope.COUNTERPARTY.value, f"{self.entity_type}:{self.entity_id}"),
                (Scope.PRINCIPAL.value, str(self.principal_id)),
            }
        )


def scope_key(halt: Halt) -> tuple[str, str]:
    """What the halt covers, in one word per scope; the database sees to it that none is empty but the mesh's."""
    if halt.scope_type == Scope.TOOL_AGENT:
        return halt.scope_type, f"{halt.scope_id}/{halt.scope_agent_id}"
    return halt.scope_type, halt.scope_text or str(halt.scope_id or "")


_in_force: Remembered[str, tuple[Halt, ...]] = Remembered(HALTS, size=100)
_everywhere: Remembered[str, tuple[Halt, ...]] = Remembered(HALTS, size=1)


def halts_over(reach: Reach, *, moment: Moment | None = None) -> list[Halt]:
    """Halts in force that cover the reach, strictest first. Under the shared lock, with no moment or one that was read
    under it, this answer holds until the transaction ends (I6).
    """
    moment = moment or read_moment()
    # few are ever in force: chosen here, the query stays a simple one however many scopes there are
    placed = _in_force.get(reach.environment, lambda: _read_in_force(reach.environment), moment=moment)
    if not placed:  # nearly always
        return []
    scopes = reach.scopes()
    halts = [
        halt
        for halt in placed
        if scope_key(halt) in scopes
        and halt.is_in_force(moment.now)
        and not halt.lets_through(reach.run_id, moment.now)
    ]
    return sorted(halts, key=lambda halt: (STRICTNESS[Mode(halt.mode)], halt.id))


def all_in_force(moment: Moment) -> list[Halt]:
    """Of every environment, newest first; no query as long as none is placed or lifted."""
    halts = _everywhere.get("", lambda: tuple(Halt.objects.in_force().order_by("-id")), moment=moment) or ()
    return [halt for halt in halts if halt.is_in_force(moment.now)]


def _read_in_force(environment: str) -> tuple[Halt, ...]:
    return tuple(Halt.objects.in_force().filter(environment=environment))


STRICTNESS = {Mode.STOP: 0, Mode.HOLD: 1, Mode.DRAIN: 2}


def halts_visible_to(actor: Actor) -> QuerySet[Halt]:
    """A halt of the mesh is everyone's to see; any other is seen by who sees what it covers. One of a counterparty or
    of the work for a person is seen by people who see any process; agents learn of it when it turns them away.
    """
    processes, agents, tools = processes_visible_to(actor), agents_visible_to(actor), tools_visible_to(actor)
    seen = (
        Q(scope_type=Scope.MESH)
        | Q(scope_type=Scope.PROCESS, scope_id__in=processes.values("id"))
        | Q(scope_type=Scope.AGENT, scope_id__in=agents.values("id"))
        | Q(scope_type=Scope.TOOL, scope_id__in=tools.values("id"))
        | Q(scope_type=Scope.BUSINESS_UNIT, scope_text__in=processes.values("business_unit"))
        | Q(scope_type=Scope.CONNECTOR, scope_id__in=tools.values("connector"))
        | Q(scope_type=Scope.TOOL_AGENT, scope_agent_id__in=agents.values("id"))
        | Q(scope_type=Scope.RUN, scope_process_id__in=processes.values("id"))
    )
    if not actor.is_agent:
        sees_any = processes.values("id")
        seen |= Q(scope_type__in=(Scope.COUNTERPARTY, Scope.PRINCIPAL)) & Q(Exists(sees_any))
    return Halt.objects.filter(seen)


def halt_for(actor: Actor, halt_id: UUID, *, lock: bool = False) -> Halt:
    """One halt this actor may see. Raises NotFound."""
    halts = halts_visible_to(actor).filter(id=halt_id)
    halt = (halts.select_for_update() if lock else halts).first()
    if halt is None:
        raise NotFound("halt.not_found", "There is no such halt.")
    return halt


def rules_visible_to(actor: Actor) -> QuerySet[HaltRule]:
    """Rules in force, seen by people who see what they watch."""
    if actor.is_agent:
        return HaltRule.objects.none()
    seen = (
        Q(scope_type=Scope.PROCESS, scope_id__in=processes_visible_to(actor).values("id"))
        | Q(scope_type=Scope.AGENT, scope_id__in=agents_visible_to(actor).values("id"))
        | Q(scope_type=Scope.TOOL, scope_id__in=tools_visible_to(actor).values("id"))
    )
    return HaltRule.objects.filter(seen, retired_at=None)


def drills_visible_to(actor: Actor) -> QuerySet[HaltDrill]:
    """Drills on agents that the person may see, newest first."""
    if actor.is_agent:
        return HaltDrill.objects.none()
    seen = HaltDrill.objects.filter(agent__in=agents_visible_to(actor))
    return seen.select_related("agent__process", "halt")


def is_in_force(halt: Halt) -> bool:
    """By the database's clock."""
    return Halt.objects.in_force().filter(id=halt.id).exists()
