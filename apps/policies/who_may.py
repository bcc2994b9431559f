"""Who can do what: what the policies that decide now make of the tools that agents hold a grant for."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.policies.access import Access, Answer, Caller, Deciding, access_to
from apps.policies.cedar_text import TextError
from apps.policies.detectors import installed
from apps.policies.evaluation import load_release
from apps.policies.models import ActiveRelease, PolicyRelease, PolicySet
from apps.policies.parameters import Parameters
from apps.policies.queries import known_to_registry, tool_facts
from apps.policies.reading import ReadSet, read_set
from apps.policies.sentences import Setting
from apps.policies.verdicts import ReleaseRef
from apps.registry.models import Agent, Grant, Tool
from apps.registry.queries import agent_for, agents_visible_to

COLUMNS = ("agent", "environment", "process", "tool", "granted until", "answer", "asks", "sentence", "decided by")
# A page of more is no page; the file has them all.
MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Right:
    """One grant, and what policy makes of it."""

    agent: Agent
    grant: Grant
    access: Access
    releases: tuple[str, ...]

    @property
    def until(self) -> dt.datetime | None:
        return self.grant.expires_at

    def as_json(self) -> dict[str, Any]:
        return {
            "agent": self.agent.slug,
            "environment": self.agent.environment,
            "granted_until": clock.rfc3339(self.until),
            "releases": list(self.releases),
            **self.access.as_json(),
        }

    def as_row(self) -> tuple[Any, ...]:
        """In the order of COLUMNS."""
        return (
            self.agent.slug,
            self.agent.environment,
            self.agent.process.slug,
            self.access.tool,
            clock.rfc3339(self.until) or "",
            self.access.answer,
            ", ".join(f"{stage.team}:{stage.quorum}" for stage in self.access.stages),
            self.access.sentence,
            ", ".join(self.releases),
        )


@dataclass(frozen=True, slots=True)
class ToolRights:
    """One tool, and who can do what with it; by answer in the order of the words."""

    tool: str
    title: str
    by_answer: list[tuple[Answer, str, list[Right]]]


def rights_of(agents: Sequence[Agent]) -> list[Right]:
    """What these agents may do, by agent and tool. Reads their processes with the owner's team: select them. Five
    queries for any number of agents.
    """
    grants = Grant.objects.in_force(clock.now()).filter(agent__in=agents).select_related("tool__connector")
    of_agent: dict[UUID, list[Grant]] = defaultdict(list)
    for grant in grants.order_by("tool__name"):
        of_agent[grant.agent_id].append(grant)
    deciding = _deciding()
    setting = Setting(known_to_registry().tools, titles=dict(Tool.objects.values_list("name", "title")))
    found = []
    for agent in agents:
        releases = [
            release
            for (process, environment), release in deciding.items()
            if environment == agent.environment and process in (None, agent.process_id)
        ]
        names = tuple(f"{release.name}@{release.version}" for release in releases)
        caller = _caller(agent)
        for grant in of_agent[agent.id]:
            found.append(Right(agent, grant, access_to(tool_facts(grant.tool), caller, releases, setting), names))
    return found


def by_tool(rights: Sequence[Right]) -> list[ToolRights]:
    """The same, tool by tool."""
    tools: dict[str, list[Right]] = defaultdict(list)
    for right in rights:
        tools[right.access.tool].append(right)
    order: tuple[Answer, ...] = ("allowed", "asks", "depends", "forbidden")
    rows = []
    for name, of_tool in sorted(tools.items()):
        groups = [(answer, [right for right in of_tool if right.access.answer == answer]) for answer in order]
        shown = [(answer, group[0].access.word, group) for answer, group in groups if group]
        rows.append(ToolRights(name, of_tool[0].access.title, shown))
    return rows


def rights_of_agent(actor: Actor, agent: UUID | str) -> tuple[Agent, list[Right]]:
    """One agent, by id or slug, with what it may do. Raises NotFound when unseen."""
    found = agent_for(actor, agent)
    return found, rights_of(_whole(agents_visible_to(actor).filter(pk=found.pk)))


def rights_under(actor: Actor, policy_set: PolicySet) -> list[Right]:
    """What the agents may do that the set decides about, as far as the actor sees them."""
    agents = agents_visible_to(actor)
    return rights_of(_whole(agents if policy_set.process_id is None else agents.filter(process=policy_set.process_id)))


def _whole(agents: QuerySet[Agent]) -> list[Agent]:
    return list(agents.select_related("process__owner_team", "owner_team").order_by("slug"))


def _caller(agent: Agent) -> Caller:
    owners, teams = agent.process.owner_team.slug, (agent.owner_team.slug,)
    return Caller(agent.slug, agent.process.slug, teams, agent.environment, owners, installed())


def _deciding() -> dict[tuple[UUID | None, str], Deciding]:
    """Every release that decides somewhere, by its process (None for all) and environment; the global ones first."""
    rows = ActiveRelease.objects.select_related("release__policy_set").order_by("policy_set__process", "policy_set")
    found = {(row.release.policy_set.process_id, row.environment): _read(row.release) for row in rows}
    return dict(sorted(found.items(), key=lambda item: item[0][0] is not None))


def _read(release: PolicyRelease) -> Deciding:
    slug = release.policy_set.slug
    ref = ReleaseRef(slug, release.version, release.content_hash)
    loaded = load_release(ref, text=release.text, parameters=release.parameters)
    try:
        read = read_set(release.text, release.parameters)
    except TextError:
        read = ReadSet((), Parameters((), {}), {})
    return Deciding(slug, release.version, read, loaded.problem)
