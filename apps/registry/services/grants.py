"""Grants: which agent may use which tool, who says so, why, and until when."""

import datetime as dt

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.registry.models import Agent, Grant, Tool
from apps.registry.permissions import MANAGE
from apps.registry.queries import require
from apps.registry.services.changes import bring_up_to_date


def give_grant(
    *,
    agent: Agent,
    tool: Tool,
    reason: str,
    actor: Actor,
    expires_at: dt.datetime | None = None,
) -> Grant:
    """The agent's standing grant of the tool, given or brought up to date."""
    require(actor, MANAGE, agent.process)
    wanted = {"reason": reason, "expires_at": expires_at}
    with transaction.atomic():
        grant, is_new = Grant.objects.get_or_create(
            agent=agent,
            tool=tool,
            revoked_at=None,
            defaults={"given_by": actor.key, "given_at": clock.now(), **wanted},
        )
        if is_new:
            _record(actor, "grant.given", grant, reason)
        elif bring_up_to_date(grant, wanted):
            _record(actor, "grant.changed", grant, reason)
    return grant


def revoke_grant(*, grant: Grant, reason: str, actor: Actor) -> Grant:
    """End the grant now: the tool no longer exists for the agent. Ending it twice is one end."""
    require(actor, MANAGE, grant.agent.process)
    now = clock.now()
    with transaction.atomic():
        if Grant.objects.filter(pk=grant.pk, revoked_at=None).update(revoked_at=now, revoked_by=actor.key):
            grant.revoked_at, grant.revoked_by = now, actor.key
            _record(actor, "grant.revoked", grant, reason)
    return grant


def _record(actor: Actor, code: str, grant: Grant, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="grant",
        subject_id=grant.id,
        subject_name=f"{grant.agent.name}: {grant.tool.name}",
        process=grant.agent.process.slug,
        environment=grant.agent.environment,
        reason=reason,
        data={
            "agent": grant.agent.slug,
            "tool": grant.tool.name,
            "expires_at": clock.rfc3339(grant.expires_at),
        },
    )
