"""Agents."""

from django.db import transaction

from apps.accounts.models import Team
from apps.audit import services as audit
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.ids import parse_uuid
from apps.registry.models import Agent, Environment, Process
from apps.registry.permissions import MANAGE
from apps.registry.queries import require
from apps.registry.services.changes import bring_up_to_date


def register_agent(
    *,
    slug: str,
    name: str,
    process: Process,
    environment: str,
    owner_team: Team,
    built_by: Team,
    actor: Actor,
) -> Agent:
    """The agent with this slug, made or brought up to date. It stays in its process and its environment."""
    require(actor, MANAGE, process)
    if parse_uuid(slug) is not None:
        raise Invalid("agent.bad_slug", "A slug must not look like an id: agents are found by either.")
    if environment not in Environment.values:
        raise Invalid("agent.unknown_environment", f"There is no environment “{environment}”.")
    details = {"name": name, "owner_team": owner_team, "built_by": built_by}
    with transaction.atomic():
        agent, is_new = Agent.objects.select_related("process", "owner_team", "built_by").get_or_create(
            slug=slug, defaults={"process": process, "environment": environment, **details}
        )
        if (agent.process_id, agent.environment) != (process.id, environment):
            raise Conflict(
                "agent.bound",
                f"{agent.name} belongs to {agent.process.name} in {agent.environment} and stays there: "
                "its grants and its history do. Register another agent.",
            )
        changed = [] if is_new else bring_up_to_date(agent, details)
        if is_new or changed:
            audit.record(
                actor,
                "agent.registered" if is_new else "agent.changed",
                subject_type="agent",
                subject_id=agent.id,
                subject_name=agent.name,
                process=process.slug,
                environment=environment,
                data={"fields": changed} if changed else {"owner_team": owner_team.slug, "built_by": built_by.slug},
            )
    return agent
