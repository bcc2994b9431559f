"""Which exceptions are in force, made ready to decide; and which a person may see, ask for and end."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.generations import CONFIGURATION, Moment
from apps.core.memory import Remembered
from apps.policies.exceptions import ExceptionFacts
from apps.policies.models import ExceptionState, PolicyException, PolicySet
from apps.registry.models import Agent, Process
from apps.registry.permissions import APPROVE, GOVERN, HALT, MANAGE
from apps.registry.queries import holds, processes_visible_to

EXCEPTION_PARTS = ("release__policy_set__process", "process", "agent", "tool", "requester", "approval")
# Ending one is the safe direction: who owns, builds, is on call for or approves in the process may.
ENDS = (GOVERN, MANAGE, HALT, APPROVE)

InForce = tuple[tuple[dt.datetime, ExceptionFacts], ...]

_in_force: Remembered[tuple[UUID, str], InForce] = Remembered(CONFIGURATION, size=2_000)


def exceptions_for(
    *, agent: Agent, tool: str, moment: Moment | None = None, only: Collection[str] | None = None
) -> tuple[ExceptionFacts, ...]:
    """Those that may concern a call of this agent to this tool at this moment; of `only` these ids where it is given.
    Remembered until something that is set up changes, so that there being none costs nothing. What either clock, the
    database's or this machine's, says is over is over.
    """
    if only is not None and not only:
        return ()
    process_id, environment = agent.process_id, agent.environment
    found = _in_force.get((process_id, environment), lambda: _read_in_force(process_id, environment), moment=moment)
    if not found:
        return ()
    now = max(clock.now(), moment.now) if moment is not None else clock.now()
    return tuple(
        facts
        for expires_at, facts in found
        if expires_at > now
        and facts.tool == tool
        and facts.agent in ("", agent.slug)
        and (only is None or facts.id in only)
    )


def _read_in_force(process_id: UUID, environment: str) -> InForce:
    rows = PolicyException.objects.filter(
        process=process_id, environment=environment, state=ExceptionState.ACTIVE, expires_at__gt=clock.now()
    )
    return tuple((row.expires_at, facts_of(row)) for row in rows.select_related(*EXCEPTION_PARTS).order_by("id"))


def facts_of(row: PolicyException) -> ExceptionFacts:
    until = f"{row.expires_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return ExceptionFacts(
        id=str(row.id),
        set=row.release.policy_set.slug,
        content_hash=row.release.content_hash,
        rules=tuple(row.rules),
        process=row.process.slug,
        agent=row.agent.slug if row.agent else "",
        tool=row.tool.name,
        cap_minor=row.cap_minor,
        currency=row.currency,
        says=f"An exception that two people agreed to lets this pass until {until}",
    )


def exceptions_visible_to(actor: Actor) -> QuerySet[PolicyException]:
    """By the process it is for: one to the global set names an agent and a tool of one process, too."""
    seen = PolicyException.objects.filter(process__in=processes_visible_to(actor))
    return seen.select_related(*EXCEPTION_PARTS)


def exceptions_of(actor: Actor, policy_set: PolicySet) -> QuerySet[PolicyException]:
    """Those to one set, newest first."""
    return exceptions_visible_to(actor).filter(release__policy_set=policy_set)


def exception_for(actor: Actor, exception_id: UUID, *, lock: bool = False) -> PolicyException:
    """Raises NotFound when unseen."""
    rows = exceptions_visible_to(actor).filter(id=exception_id)
    found = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if found is None:
        raise NotFound("policy.exception_not_found", "There is no such exception.")
    return found


def may_end(actor: Actor, process: Process) -> bool:
    """Whether the person is responsible where the exception holds, whatever set it is to."""
    return any(holds(actor, each, process) for each in ENDS)
