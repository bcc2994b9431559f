"""Reading replays: which there are, the decisions each is about, and those that would be others."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.gateway.models import Decision, DecisionMoment
from apps.policies.models import DraftVersion, PolicyDraft, PolicyRelease
from apps.policies.queries import releases_of, sets_visible_to
from apps.policies.releases import LoadedRelease, cache_release, cached_release, content_hash, load_release
from apps.policies.verdicts import ReleaseRef
from apps.registry.queries import processes_visible_to
from apps.replays.kinds import Kind
from apps.replays.models import ImpactReplay, Mode, ReplayedDecision

PARTS = ("policy_set__process", "draft_version__draft", "release__policy_set")
# What nobody needs who reads what a replay came to.
CONTENT = tuple(f"{part}__{name}" for part in ("draft_version", "release") for name in ("text", "parameters", "cases"))


def replays_visible_to(actor: Actor) -> QuerySet[ImpactReplay]:
    """Those of the sets a person may see."""
    return _to_read().filter(policy_set__in=sets_visible_to(actor))


def replay_for(actor: Actor, replay_id: UUID, *, lock: bool = False) -> ImpactReplay:
    """Raises NotFound when unseen."""
    replays = replays_visible_to(actor).filter(id=replay_id)
    found = (replays.select_for_update(of=("self",)) if lock else replays).first()
    if found is None:
        raise NotFound("replay.not_found", "There is no such replay.")
    return found


def latest_of_draft(draft: PolicyDraft) -> dict[str, ImpactReplay]:
    """The newest replay and the newest shadow of any version of it, by mode."""
    newest = _to_read().filter(draft_version__draft=draft).order_by("mode", "-id").distinct("mode")
    return {replay.mode: replay for replay in newest}


def latest_of_release(release: PolicyRelease) -> ImpactReplay | None:
    return _to_read().filter(release=release, mode=Mode.REPLAY).order_by("-id").first()


def rows_visible_to(actor: Actor, replay: ImpactReplay, kind: Kind) -> QuerySet[ReplayedDecision]:
    """The decisions behind one number, as far as the actor sees the processes they were made in."""
    rows = replay.rows.filter(kind=kind, process__in=processes_visible_to(actor))
    return rows.select_related("tool_call__tool", "tool_call__agent", "tool_call__process", "decision")


def decisions_of(replay: ImpactReplay) -> QuerySet[Decision]:
    """What is decided again: calls as they were asked for, each once. What people then made of a call, and the second
    look when it was released, would have been another history.
    """
    decisions = Decision.objects.filter(
        moment=DecisionMoment.INTAKE, tool_call__environment=replay.environment, decided_at__lt=replay.until
    )
    if replay.policy_set.process_id is not None:
        decisions = decisions.filter(tool_call__process_id=replay.policy_set.process_id)
    since = Q(decided_at__gte=replay.since) if replay.since else Q()
    return decisions.filter(since)


def candidate_of(replay: ImpactReplay) -> LoadedRelease:
    """The policies to decide under, made ready as those that decide calls are. Neither versions of drafts nor releases
    ever change.
    """
    if replay.release is not None:
        [loaded] = releases_of([_ref_of(replay.release)])
        return loaded
    version = replay.draft_version
    if version is None:
        raise ValueError("A replay of nothing, which the database does not hold.")
    return candidate_in(version, policy_set=replay.policy_set.slug)


def candidate_in(version: DraftVersion, *, policy_set: str) -> LoadedRelease:
    """The same of a version of a draft of this set."""
    known = cached_release(version.id)
    if known is not None:
        return known
    parameters = dict(version.parameters)
    ref = ReleaseRef(policy_set, 0, content_hash(version.text, parameters))
    return cache_release(version.id, load_release(ref, text=version.text, parameters=parameters))


class Beside:
    """The releases to decide under: the one to try, and of the other sets those a decision was made under. With none to
    try they are those of then.
    """

    def __init__(self, candidate: LoadedRelease | None = None) -> None:
        self._candidate = candidate
        self._known: dict[tuple[ReleaseRef, ...], tuple[LoadedRelease, ...] | None] = {}

    def releases(self, refs: Iterable[dict[str, object]]) -> tuple[LoadedRelease, ...] | None:
        """None where one of the others is not there any more, or is not what it was."""
        others = tuple(
            ReleaseRef(str(ref["set"]), int(str(ref["version"])), str(ref["content_hash"]))
            for ref in refs
            if self._candidate is None or ref["set"] != self._candidate.ref.set
        )
        if others not in self._known:
            self._known[others] = self._read(others)
        return self._known[others]

    def _read(self, others: tuple[ReleaseRef, ...]) -> tuple[LoadedRelease, ...] | None:
        found = releases_of(others)
        is_whole = {release.ref for release in found} == set(others) and not any(release.problem for release in found)
        if not is_whole:
            return None
        return found if self._candidate is None else (*found, self._candidate)


def _to_read() -> QuerySet[ImpactReplay]:
    return ImpactReplay.objects.select_related(*PARTS).defer(*CONTENT)


def _ref_of(release: PolicyRelease) -> ReleaseRef:
    return ReleaseRef(release.policy_set.slug, release.version, release.content_hash)
