"""Which releases decide, made ready; and what the registry knows that policies may name."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import Team
from apps.core.generations import CONFIGURATION, Moment
from apps.core.memory import Remembered
from apps.policies.detectors import installed
from apps.policies.evaluation import LoadedRelease, cache_release, cached_release, load_release
from apps.policies.models import ActiveRelease, PolicyRelease
from apps.policies.validation import Known
from apps.policies.verdicts import ReleaseRef, ToolFacts
from apps.registry.models import Agent, Connector, Process, Tool

_active: Remembered[tuple[UUID, str], tuple[LoadedRelease, ...]] = Remembered(CONFIGURATION, size=2_000)


def active_releases(*, process_id: UUID, environment: str, moment: Moment | None = None) -> tuple[LoadedRelease, ...]:
    """The releases that decide calls of this process here: the global one and the process's own, as far as there are
    any.
    """
    return _active.get((process_id, environment), lambda: _read_active(process_id, environment), moment=moment) or ()


def _read_active(process_id: UUID, environment: str) -> tuple[LoadedRelease, ...]:
    """One query for their ids; their text is fetched, in one more, only by a process that sees a release for the first
    time.
    """
    whose = Q(policy_set__process=None) | Q(policy_set__process_id=process_id)
    active = ActiveRelease.objects.filter(whose, environment=environment).order_by("policy_set__slug")
    return _loaded(active.values_list("release_id", flat=True))


def releases_of(refs: Iterable[ReleaseRef]) -> tuple[LoadedRelease, ...]:
    """The releases a verdict was reached under, to replay it. What is no longer found is missing from the answer."""
    wanted = Q(pk__in=[])
    for ref in refs:
        wanted |= Q(policy_set__slug=ref.set, version=ref.version)
    return _loaded(PolicyRelease.objects.filter(wanted).order_by("policy_set__slug").values_list("id", flat=True))


def _loaded(release_ids: Iterable[UUID]) -> tuple[LoadedRelease, ...]:
    wanted = list(release_ids)
    found = {release_id: cached_release(release_id) for release_id in wanted}
    missing = [release_id for release_id, release in found.items() if release is None]
    if missing:
        for row in PolicyRelease.objects.filter(id__in=missing).select_related("policy_set"):
            ref = ReleaseRef(row.policy_set.slug, row.version, row.content_hash)
            found[row.id] = cache_release(row.id, load_release(ref, text=row.text, parameters=row.parameters))
    return tuple(release for release_id in wanted if (release := found[release_id]) is not None)


def tool_facts(tool: Tool) -> ToolFacts:
    """The tool as policies see it. Reads the connector: select it with the tool."""
    return ToolFacts(
        name=tool.name,
        connector=tool.connector.slug,
        effect=tool.effect,
        is_irreversible=tool.is_irreversible,
        data_classes=tuple(tool.data_classes),
        has_money=tool.has_money,
        input_schema=tool.input_schema,
        definition_digest=tool.definition_digest,
    )


def known_to_registry() -> Known:
    """Every tool, and every name a policy may use."""
    return Known(
        tools=tuple(tool_facts(tool) for tool in Tool.objects.select_related("connector").order_by("name")),
        teams=frozenset(Team.objects.values_list("slug", flat=True)),
        connectors=frozenset(Connector.objects.values_list("slug", flat=True)),
        processes=frozenset(Process.objects.values_list("slug", flat=True)),
        agents=frozenset(Agent.objects.values_list("slug", flat=True)),
        detectors=frozenset(installed()),
    )
