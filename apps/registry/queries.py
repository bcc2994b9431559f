"""What an actor may see and do. Every face starts its querysets here, so every face gives the same answer (I12, I13).

Permissions are held per process (guardian's rows), for the whole mesh (the person's own global permissions), or all of
them (superusers, and the product's own jobs). An agent sees its process and holds nothing in it. Each function asks the
database once; whoever is deactivated holds nothing, whatever is still written down for them.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from apps.accounts.models import User
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.core.ids import parse_uuid
from apps.registry.models import Agent, Grant, Process, ProcessUserPermission, Tool
from apps.registry.permissions import DOES, MANAGE, OPERATE, VIEW

NOBODY = Q(pk__in=())
EVERYBODY = ~NOBODY


def processes_visible_to(actor: Actor | None) -> QuerySet[Process]:
    """The processes whose agents, runs, approvals and log this actor may read."""
    return processes_where(actor, VIEW)


def processes_where(actor: Actor | None, permission: str) -> QuerySet[Process]:
    """The processes in which the actor holds the permission."""
    return Process.objects.filter(_may(actor, permission, process="pk"))


def process_named(actor: Actor, slug: str) -> Process:
    """The process that somebody's input names. Raises Invalid for one that they do not see."""
    process = processes_visible_to(actor).filter(slug=slug).first()
    if process is None:
        errors = [{"pointer": "/process", "sentence": "There is no such process."}]
        raise Invalid("process.unknown", "There is no such process.", errors=errors)
    return process


def holds(actor: Actor | None, permission: str, process: Process) -> bool:
    """Whether the actor holds the permission in this process."""
    return processes_where(actor, permission).filter(pk=process.pk).exists()


def holds_mesh_wide(actor: Actor | None, permission: str) -> bool:
    """Whether the actor holds the permission for the whole mesh, so also for what belongs to no process."""
    if actor is None or actor.is_agent:
        return False
    return actor.is_system or _people_who_hold_mesh_wide(actor.id, permission).exists()


def require(actor: Actor | None, permission: str, process: Process) -> None:
    """Raises NotFound when the actor may not know of the process, NotAllowed when they see it and may not do this."""
    found = (
        Process.objects.filter(pk=process.pk)
        .annotate(
            is_seen=_as_column(_may(actor, VIEW, process="pk")),
            is_held=_as_column(_may(actor, permission, process="pk")),
        )
        .values_list("is_seen", "is_held")
        .first()
    )
    if found is None or not found[0]:
        raise NotFound("process.not_found")
    if not found[1]:
        raise _missing(permission, process)


def require_mesh_wide(actor: Actor | None, permission: str) -> None:
    """Raises NotAllowed unless the actor holds the permission for the whole mesh."""
    if not holds_mesh_wide(actor, permission):
        raise NotAllowed("permission.missing", f"You may not {DOES[permission]} in the whole mesh.")


def holders_among(people: Collection[UUID], permission: str) -> dict[UUID, frozenset[UUID] | None]:
    """Of these people, who holds the permission and in which processes; None stands for all of them. Two queries for
    any number of people.
    """
    anywhere = Exists(_global_permissions(permission).filter(user=OuterRef("pk")))
    mesh_wide = User.objects.filter(pk__in=people, is_active=True).filter(Q(is_superuser=True) | Q(anywhere))
    holders: dict[UUID, frozenset[UUID] | None] = dict.fromkeys(mesh_wide.values_list("pk", flat=True))
    rows = ProcessUserPermission.objects.filter(
        user__in=people, user__is_active=True, permission__codename=permission
    ).values_list("user_id", "content_object_id")
    for person, process in rows:
        held = holders.get(person, frozenset())
        if held is not None:
            holders[person] = held | {process}
    return holders


def operators_of(processes: Collection[UUID]) -> set[UUID]:
    """Active people who operate one of these processes by a role they hold in it."""
    rows = ProcessUserPermission.objects.filter(
        content_object__in=processes, user__is_active=True, permission__codename=OPERATE
    )
    return set(rows.values_list("user_id", flat=True))


def agents_visible_to(actor: Actor | None) -> QuerySet[Agent]:
    """The agents of the processes the actor may see, an agent's own colleagues and itself included."""
    return Agent.objects.filter(_may(actor, VIEW, process="process"))


def agent_for(actor: Actor | None, agent: UUID | str, *, need: str = VIEW, lock: bool = False) -> Agent:
    """The agent with this id or slug, with its process and teams, locked on demand.

    Raises NotFound when unseen, NotAllowed when seen without the permission it needs.
    """
    agent_id = agent if isinstance(agent, UUID) else parse_uuid(agent)
    if agent_id is None and "\0" in str(agent):  # which PostgreSQL cannot be asked for
        raise NotFound("agent.not_found")
    wanted = Q(slug=agent) if agent_id is None else Q(pk=agent_id)
    rows = agents_visible_to(actor).select_related("process", "owner_team", "built_by")
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(wanted).annotate(is_held=_as_column(_may(actor, need, process="process"))).first()
    if found is None:
        raise NotFound("agent.not_found")
    if not found.is_held:
        raise _missing(need, found.process)
    return found


def tools_visible_to(actor: Actor | None) -> QuerySet[Tool]:
    """A person: tools that were ever granted to an agent they may see, all of them for who manages any process.

    An agent: the tools it holds a grant for at this moment; any other does not exist for it.
    """
    if actor is None:
        return Tool.objects.none()
    if actor.is_system:
        return Tool.objects.all()
    if actor.is_agent:
        in_force = Grant.objects.in_force(clock.now()).filter(agent=actor.id)
        return Tool.objects.filter(pk__in=in_force.values("tool"))
    seen = Grant.objects.filter(_may(actor, VIEW, process="agent__process"))
    return Tool.objects.filter(Q(pk__in=seen.values("tool")) | Q(Exists(processes_where(actor, MANAGE))))


def _may(actor: Actor | None, permission: str, *, process: str) -> Q:
    """The condition on rows whose path `process` leads to a process. Subqueries alone: it adds no query of its own."""
    if actor is None:
        return NOBODY
    if actor.is_system:
        return EVERYBODY
    if actor.is_agent:
        own = Agent.objects.filter(pk__in=[actor.id]).values("process")
        return Q(**{f"{process}__in": own}) if permission == VIEW else NOBODY
    held = ProcessUserPermission.objects.filter(
        user=actor.id,
        user__is_active=True,
        permission__codename=permission,
    )
    everywhere = _people_who_hold_mesh_wide(actor.id, permission)
    return Q(**{f"{process}__in": held.values("content_object")}) | Q(Exists(everywhere))


def _people_who_hold_mesh_wide(person_id: UUID | None, permission: str) -> QuerySet[User]:
    """The person themselves, if they are active and hold the permission globally, or nobody."""
    globally = _global_permissions(permission).filter(user=person_id)
    return User.objects.filter(pk__in=[person_id], is_active=True).filter(Q(is_superuser=True) | Q(Exists(globally)))


def _global_permissions(permission: str) -> "QuerySet[Any]":
    return User.user_permissions.through.objects.filter(
        permission__codename=permission, permission__content_type__app_label="registry"
    )


def _as_column(condition: Q) -> "ExpressionWrapper[Q]":
    return ExpressionWrapper(condition, output_field=BooleanField())


def _missing(permission: str, process: Process) -> NotAllowed:
    return NotAllowed("permission.missing", f"You may not {DOES[permission]} in {process.name}.")
