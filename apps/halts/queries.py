"""Reading halts."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.generations import HALTS, Moment, read_moment
from apps.core.ids import parse_uuid
from apps.core.memory import Remembered
from apps.halts.models import Halt, Mode, Scope
from apps.registry.models import Agent, Grant, Process, Tool
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to


@dataclass(frozen=True, slots=True)
class Reach:
    """What a call touches, as far as halts are concerned."""

    environment: str
    process_id: UUID
    agent_id: UUID
    tool_id: UUID


_in_force: Remembered[str, tuple[Halt, ...]] = Remembered(HALTS, size=100)


def halts_over(reach: Reach, *, moment: Moment | None = None) -> list[Halt]:
    """Halts in force that cover the reach, strictest first. Under the shared lock, with no moment or one that was read
    under it, this answer holds until the transaction ends (I6).
    """
    moment = moment or read_moment()
    # few are ever in force, and ids are unique across what they can name
    scope_ids = {None, reach.process_id, reach.agent_id, reach.tool_id}
    placed = _in_force.get(reach.environment, lambda: _read_in_force(reach.environment), moment=moment) or ()
    halts = [halt for halt in placed if halt.scope_id in scope_ids and halt.is_in_force(moment.now)]
    return sorted(halts, key=lambda halt: (STRICTNESS[Mode(halt.mode)], halt.id))


def _read_in_force(environment: str) -> tuple[Halt, ...]:
    return tuple(Halt.objects.in_force().filter(environment=environment))


STRICTNESS = {Mode.STOP: 0, Mode.HOLD: 1, Mode.DRAIN: 2}


def halts_visible_to(actor: Actor) -> QuerySet[Halt]:
    """A halt of the mesh is everyone's to see; any other is seen by who sees what it covers."""
    return Halt.objects.filter(
        Q(scope_type=Scope.MESH)
        | Q(scope_type=Scope.PROCESS, scope_id__in=processes_visible_to(actor).values("id"))
        | Q(scope_type=Scope.AGENT, scope_id__in=agents_visible_to(actor).values("id"))
        | Q(scope_type=Scope.TOOL, scope_id__in=tools_visible_to(actor).values("id"))
    )


def halt_for(actor: Actor, halt_id: UUID, *, lock: bool = False) -> Halt:
    """One halt this actor may see. Raises NotFound."""
    halts = halts_visible_to(actor).filter(id=halt_id)
    halt = (halts.select_for_update() if lock else halts).first()
    if halt is None:
        raise NotFound("halt.not_found", "There is no such halt.")
    return halt


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved scope: what it is, what it is called, and the processes (id to slug) whose work it touches."""

    scope_type: Scope
    scope_id: UUID | None
    name: str
    processes: dict[UUID, str]

    @property
    def process_slug(self) -> str:
        """The one process it touches; "" when it is wider."""
        return next(iter(self.processes.values())) if len(self.processes) == 1 and self.scope_type != Scope.MESH else ""


def target_for(actor: Actor, *, scope_type: str, reference: str, environment: str) -> Target:
    """Resolve a scope as people and programs write it (an id or a slug). Raises NotFound for what the actor may not
    see.
    """
    if scope_type == Scope.MESH:
        return Target(
            Scope.MESH, None, "the whole mesh", _slugs(Process.objects.filter(agents__environment=environment))
        )
    found = _scope_object(actor, scope_type, reference, environment)
    if found is None:
        raise NotFound(
            "halt.scope_not_found", f"There is no {scope_type} {reference!r} in {environment} that you may see."
        )
    return Target(Scope(scope_type), found.id, found.name, _slugs(_processes_of(found, environment)))


def _scope_object(actor: Actor, scope_type: str, reference: str, environment: str) -> Process | Agent | Tool | None:
    as_id = parse_uuid(reference)
    if scope_type == Scope.TOOL:
        return tools_visible_to(actor).filter(Q(id=as_id) if as_id else Q(name=reference)).first()
    named = Q(id=as_id) if as_id else Q(slug=reference)
    if scope_type == Scope.PROCESS:
        return processes_visible_to(actor).filter(named).first()
    return agents_visible_to(actor).filter(named, environment=environment).first()


def _processes_of(found: Process | Agent | Tool, environment: str) -> QuerySet[Process]:
    if isinstance(found, Process):
        return Process.objects.filter(id=found.id)
    if isinstance(found, Agent):
        return Process.objects.filter(id=found.process_id)
    users = Grant.objects.filter(tool=found, revoked_at=None, agent__environment=environment)
    return Process.objects.filter(id__in=users.values("agent__process"))


def _slugs(processes: QuerySet[Process]) -> dict[UUID, str]:
    return dict(processes.order_by("slug").distinct().values_list("id", "slug"))
