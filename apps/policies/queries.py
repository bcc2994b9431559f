"""Which releases decide, made ready; and what the registry knows that policies may name."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, Q, QuerySet

from apps.accounts.models import Team
from apps.core.actor import Actor
from apps.core.errors import NotAllowed, NotFound
from apps.core.generations import CONFIGURATION, Moment
from apps.core.memory import Remembered
from apps.policies.cases import Bench
from apps.policies.cedar_text import TextError
from apps.policies.checking import Ground
from apps.policies.detectors import installed
from apps.policies.evaluation import LoadedRelease, cache_release, cached_release, load_release
from apps.policies.lint_across import OtherSet
from apps.policies.merging import DraftContent
from apps.policies.models import (
    ActiveRelease,
    DraftVersion,
    InFlight,
    PolicyDraft,
    PolicyRelease,
    PolicySet,
    ReleaseRequest,
    UnreadableRelease,
)
from apps.policies.reading import read_set
from apps.policies.validation import Known
from apps.policies.verdicts import ReleaseRef, ToolFacts
from apps.registry.definitions import Definition, columns_of
from apps.registry.models import Agent, Connector, Environment, Process, Tool
from apps.registry.permissions import GOVERN, MANAGE
from apps.registry.queries import holds, holds_mesh_wide, processes_visible_to

WRITES = (GOVERN, MANAGE)
REQUEST_PARTS = (
    "policy_set__process",
    "draft_version__draft__author",
    "source",
    "replaces",
    "requester",
    "approval",
    "release",
    "emergency",
)

_active: Remembered[tuple[UUID, str], tuple[LoadedRelease, ...]] = Remembered(CONFIGURATION, size=2_000)
_keeping: Remembered[tuple[UUID, str], frozenset[str]] = Remembered(CONFIGURATION, size=2_000)


def active_releases(*, process_id: UUID, environment: str, moment: Moment | None = None) -> tuple[LoadedRelease, ...]:
    """The releases that decide calls of this process here: the global one and the process's own, as far as there are
    any.
    """
    return _active.get((process_id, environment), lambda: _read_active(process_id, environment), moment=moment) or ()


def _read_active(process_id: UUID, environment: str) -> tuple[LoadedRelease, ...]:
    """Two queries for their ids; their text is fetched, in one more, only by a process that sees a release for the
    first time.
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
    found = releases_by_id(wanted)
    return tuple(found[release_id] for release_id in wanted if release_id in found)


def releases_by_id(release_ids: Iterable[UUID]) -> dict[UUID, LoadedRelease]:
    """A query for those this process has not read before, and for those somebody could not read: what it remembers of
    them is not what everybody has.
    """
    wanted = set(release_ids)
    doubted = set(UnreadableRelease.objects.filter(release__in=wanted).values_list("release_id", flat=True))
    found = {release_id: cached_release(release_id) for release_id in wanted - doubted}
    missing = doubted | {release_id for release_id, release in found.items() if release is None}
    if missing:
        for row in PolicyRelease.objects.filter(id__in=missing).select_related("policy_set"):
            loaded = load_release(ref_of(row), text=row.text, parameters=row.parameters)
            # one that cannot be read may be mended
            found[row.id] = loaded if loaded.problem else cache_release(row.id, loaded)
    return {release_id: release for release_id, release in found.items() if release is not None}


def ref_of(release: PolicyRelease) -> ReleaseRef:
    """Reads the set: select it with the release."""
    return ReleaseRef(release.policy_set.slug, release.version, release.content_hash)


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


def facts_of_definition(definition: Definition) -> ToolFacts:
    """What policies would see of a tool that is not registered, or not like this."""
    return tool_facts(
        Tool(name=definition["name"], connector=Connector(slug=definition["connector"]), **columns_of(definition))
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


def ground_of(policy_set: PolicySet) -> Ground:
    """What the set stands on at this moment."""
    known = known_to_registry()
    agents = list(Agent.objects.select_related("process", "owner_team", "built_by").order_by("slug"))
    own = [agent for agent in agents if policy_set.process_id in (None, agent.process_id)]
    processes = Process.objects.select_related("owner_team")
    bench = Bench(
        tools={tool.name: tool for tool in known.tools},
        agents={agent.slug: (agent.process.slug, (agent.owner_team.slug,)) for agent in agents},
        owners={process.slug: process.owner_team.slug for process in processes},
        process=policy_set.process.slug if policy_set.process else "",
    )
    makers = frozenset(team.slug for agent in own for team in (agent.owner_team, agent.built_by))
    titles = dict(Tool.objects.values_list("name", "title"))
    return Ground(known, bench, makers, titles, _deciding_beside(policy_set))


def _deciding_beside(policy_set: PolicySet) -> tuple[OtherSet, ...]:
    """Beside the set of a process the global one, beside that all others: what decides in production, or as near to it
    as there is. What cannot be read is left out: it denies, and says so elsewhere.
    """
    rows = ActiveRelease.objects.exclude(policy_set=policy_set).select_related("release", "policy_set__process")
    if policy_set.process_id is not None:
        rows = rows.filter(policy_set__process=None)
    order = Environment.values
    nearest = {row.policy_set_id: row for row in sorted(rows, key=lambda row: order.index(row.environment))}
    found = []
    for row in sorted(nearest.values(), key=lambda row: row.policy_set.slug):
        process = row.policy_set.process.slug if row.policy_set.process else ""
        try:
            read = read_set(row.release.text, row.release.parameters)
        except TextError:
            continue
        found.append(OtherSet(row.policy_set.slug, process, read))
    return tuple(found)


def sets_visible_to(actor: Actor) -> QuerySet[PolicySet]:
    """The sets of the processes a person may see, and the global one, which decides in all of them."""
    seen = processes_visible_to(actor)
    of_all = Q(process=None) & Q(Exists(seen))
    return PolicySet.objects.filter(Q(process__in=seen) | of_all).select_related("process")


def set_for(actor: Actor, slug: str, *, lock: bool = False) -> PolicySet:
    """Raises NotFound when unseen."""
    sets = sets_visible_to(actor)
    found = (sets.select_for_update(of=("self",)) if lock else sets).filter(slug=slug).first()
    if found is None:
        raise NotFound("policy.set_not_found", "There is no such set of policies.")
    return found


def may_write(actor: Actor, process: Process | None) -> bool:
    """Who changes policies: owner and engineers of the process; for the global set, those of the whole mesh."""
    if not actor.is_person:
        return False
    if process is None:
        return any(holds_mesh_wide(actor, permission) for permission in WRITES)
    return any(holds(actor, permission, process) for permission in WRITES)


def require_writer(actor: Actor, process: Process | None) -> None:
    if not may_write(actor, process):
        where = process.name if process else "the whole mesh"
        raise NotAllowed("permission.missing", f"You may not change policies in {where}.")


def drafts_visible_to(actor: Actor) -> QuerySet[PolicyDraft]:
    drafts = PolicyDraft.objects.filter(policy_set__in=sets_visible_to(actor))
    return drafts.select_related("policy_set__process", "base", "author")


def draft_for(actor: Actor, draft_id: UUID, *, lock: bool = False) -> PolicyDraft:
    """Raises NotFound when unseen."""
    drafts = drafts_visible_to(actor).filter(id=draft_id)
    found = (drafts.select_for_update(of=("self",)) if lock else drafts).first()
    if found is None:
        raise NotFound("policy.draft_not_found", "There is no such draft.")
    return found


def requests_visible_to(actor: Actor) -> QuerySet[ReleaseRequest]:
    requests = ReleaseRequest.objects.filter(policy_set__in=sets_visible_to(actor))
    return requests.select_related(*REQUEST_PARTS)


def request_for(actor: Actor, request_id: UUID, *, lock: bool = False) -> ReleaseRequest:
    """Raises NotFound when unseen."""
    requests = requests_visible_to(actor).filter(id=request_id)
    found = (requests.select_for_update(of=("self",)) if lock else requests).first()
    if found is None:
        raise NotFound("policy.request_not_found", "There is no such review.")
    return found


def release_for(policy_set: PolicySet, version: int) -> PolicyRelease:
    """Raises NotFound for a version there never was."""
    found = policy_set.releases.select_related("policy_set__process", "source").filter(version=version).first()
    if found is None:
        raise NotFound("policy.version_not_found", f"{policy_set} has no version {version}.")
    return found


def live_releases(policy_set: PolicySet) -> dict[str, PolicyRelease]:
    """By environment."""
    rows = policy_set.active_releases.select_related("release__policy_set")
    return {row.environment: row.release for row in rows}


def present_release(policy_set: PolicySet) -> PolicyRelease | None:
    """What a new draft begins from: what decides in production, or as near to it as there is."""
    live = live_releases(policy_set)
    for environment in reversed(Environment.values):
        if environment in live:
            return live[environment]
    return policy_set.releases.order_by("-version").first()


def version_of(draft: PolicyDraft, number: int | None = None) -> DraftVersion:
    """What the draft is now, or was after an earlier save."""
    found = draft.versions.select_related("edited_by").filter(number=number or draft.version).first()
    if found is None:
        raise NotFound("policy.version_not_found", f"This draft has no version {number}.")
    return found


def content_of(stored: DraftVersion | PolicyRelease | None) -> DraftContent:
    """Nothing is an empty set, and so is what a bad disk left of its parts: pages are shown nevertheless."""
    if stored is None:
        return DraftContent("", {})
    parameters = stored.parameters if isinstance(stored.parameters, dict) else {}
    cases = stored.cases if isinstance(stored.cases, list) else []
    return DraftContent(stored.text, parameters, tuple(case for case in cases if isinstance(case, dict)))


def requested_content(request: ReleaseRequest) -> DraftContent:
    """What is asked for."""
    return content_of(request.draft_version or request.source)


def kept_releases(
    decided: Iterable[ReleaseRef], *, process_id: UUID, environment: str, moment: Moment | None = None
) -> tuple[LoadedRelease, ...]:
    """The releases that decide a call again that was decided before under `decided`: those of this moment, save for a
    set whose present release lets what waited keep what it was approved under.
    """
    active = active_releases(process_id=process_id, environment=environment, moment=moment)
    keeping = _keeping.get((process_id, environment), lambda: _read_keeping(process_id, environment), moment=moment)
    if not keeping:
        return active
    before = {ref.set: ref for ref in decided if ref.set in keeping}
    kept = {release.ref.set: release for release in releases_of(before.values())} if before else {}
    return tuple(kept.get(release.ref.set, release) for release in active)


def _read_keeping(process_id: UUID, environment: str) -> frozenset[str]:
    whose = Q(policy_set__process=None) | Q(policy_set__process_id=process_id)
    keeping = ActiveRelease.objects.filter(whose, environment=environment, in_flight=InFlight.KEEP)
    return frozenset(keeping.values_list("policy_set__slug", flat=True))
