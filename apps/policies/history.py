"""What people read of policies: the sets, the history of one, what a version says. A list takes few queries."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, Q

from apps.accounts.models import User
from apps.approvals.models import Verdict, Vote
from apps.core.actor import Actor, system_actor
from apps.core.errors import NotFound
from apps.core.ids import parse_uuid
from apps.core.memory import BoundedCache
from apps.core.paging import Page, page_of
from apps.policies.afterwards import marks_of
from apps.policies.cedar_text import TextError
from apps.policies.differences import Content, difference
from apps.policies.merging import DraftContent
from apps.policies.models import (
    UNDER_WAY,
    ActiveRelease,
    DraftState,
    EmergencyRelease,
    PointerMove,
    PolicyDraft,
    PolicyRelease,
    PolicySet,
    ReleaseRequest,
    RequestState,
)
from apps.policies.queries import content_of, draft_for, ground_of, release_for, sets_visible_to, version_of
from apps.policies.reading import read_set
from apps.policies.sentences import Setting, sentences_of
from apps.policies.wording import parameter_words

# How a draft is named where a version may stand.
DRAFT = "draft:"

_summaries: BoundedCache[tuple[UUID | None, UUID], str] = BoundedCache(2_000)


@dataclass(frozen=True, slots=True)
class SetRow:
    """A set, what of it decides where, and what is under way."""

    policy_set: PolicySet
    live: list[ActiveRelease]
    draft_count: int
    review_count: int
    scheduled: list[ReleaseRequest]


@dataclass(slots=True)
class VersionRow:
    """One release in the history of its set."""

    release: PolicyRelease
    author: str
    approvers: list[str]
    live: list[str]
    summary: str
    periods: list[tuple[str, dt.datetime, dt.datetime | None]] = field(default_factory=list)
    emergencies: list[EmergencyRelease] = field(default_factory=list)

    @property
    def at(self) -> dt.datetime:
        return self.release.released_at


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One move of a pointer."""

    move: PointerMove
    emergency: EmergencyRelease | None = None

    @property
    def at(self) -> dt.datetime:
        return self.move.moved_at


@dataclass(frozen=True, slots=True)
class History:
    """Newest first; at one moment the move stands before the version it moved to."""

    rows: list[VersionRow | MoveRow]
    page: Page[PolicyRelease]


def set_rows(actor: Actor) -> list[SetRow]:
    """Every set the actor may see; the global one first."""
    return rows_of(sorted(sets_visible_to(actor), key=lambda found: (found.process_id is not None, found.slug)))


def rows_of(sets: Sequence[PolicySet]) -> list[SetRow]:
    """These sets, in their order, in three queries."""
    open_drafts = Count("drafts", filter=Q(drafts__state=DraftState.OPEN), distinct=True)
    waiting = Count("requests", filter=Q(requests__state=RequestState.WAITING), distinct=True)
    counts = {
        row["id"]: row
        for row in PolicySet.objects.filter(id__in=[found.id for found in sets])
        .annotate(draft_count=open_drafts, review_count=waiting)
        .values("id", "draft_count", "review_count")
    }
    live: dict[UUID, list[ActiveRelease]] = defaultdict(list)
    for row in ActiveRelease.objects.filter(policy_set__in=sets).select_related("release").order_by("environment"):
        live[row.policy_set_id].append(row)
    scheduled: dict[UUID, list[ReleaseRequest]] = defaultdict(list)
    for request in ReleaseRequest.objects.filter(policy_set__in=sets, state=RequestState.SCHEDULED).order_by("id"):
        scheduled[request.policy_set_id].append(request)
    return [
        SetRow(
            found,
            live[found.id],
            counts[found.id]["draft_count"],
            counts[found.id]["review_count"],
            scheduled[found.id],
        )
        for found in sets
    ]


def history_of(policy_set: PolicySet, *, cursor: str | None) -> History:
    """A page of versions with the moves that led to them."""
    page = page_of(policy_set.releases.select_related("source"), cursor=cursor, order=("-version",))
    rows = {row.release.id: row for row in _version_rows(policy_set, page.items)}
    moves = list(PointerMove.objects.filter(release__in=rows).select_related("release", "before"))
    for move, end in _with_ends(policy_set, moves):
        rows[move.release_id].periods.append((move.environment, move.moved_at, end))
    alone = marks_of(page.items)
    for (release_id, _), emergency in alone.items():
        rows[release_id].emergencies.append(emergency)
    moved = [MoveRow(move, alone.get((move.release_id, move.environment))) for move in moves]
    everything: list[VersionRow | MoveRow] = [*moved, *rows.values()]
    return History(sorted(everything, key=lambda row: row.at, reverse=True), page)


def approvers_of(requests: Iterable[ReleaseRequest]) -> dict[UUID, list[str]]:
    """Who said yes, by the approval."""
    found: dict[UUID, list[str]] = defaultdict(list)
    approvals = [request.approval_id for request in requests]
    votes = Vote.objects.filter(approval__in=approvals, verdict=Verdict.APPROVE, withdrawal=None).order_by("id")
    for vote in votes.select_related("voter", "on_behalf_of"):
        name = str(vote.voter)
        found[vote.approval_id].append(f"{name} for {vote.on_behalf_of}" if vote.on_behalf_of else name)
    return found


def names_of(keys: Collection[str]) -> dict[str, str]:
    """Names of actors by their keys; of what is no person, the job."""
    ids = {key: parse_uuid(key.removeprefix("person:")) for key in keys if key.startswith("person:")}
    people = User.objects.in_bulk([user_id for user_id in ids.values() if user_id])
    found = {key: people.get(user_id) for key, user_id in ids.items() if user_id}
    jobs = {key: system_actor(key.removeprefix("system:")).name for key in keys if key.startswith("system:")}
    return {key: str(found.get(key) or jobs.get(key) or key) for key in keys}


def open_work(policy_set: PolicySet) -> tuple[list[PolicyDraft], list[ReleaseRequest]]:
    """The drafts that can be changed, and what is in review."""
    drafts = policy_set.drafts.filter(state=DraftState.OPEN).select_related("author", "base")
    waiting = policy_set.requests.filter(state__in=UNDER_WAY)
    return list(drafts), list(waiting.select_related("policy_set", "requester", "source", "draft_version"))


def setting_of(policy_set: PolicySet) -> Setting:
    """What sentences of this set are said in front of."""
    return ground_of(policy_set).setting


def side_of(actor: Actor, found: PolicySet, name: str) -> DraftContent:
    """The content behind `3`, `0` (nothing) or `draft:ID`. Raises NotFound."""
    if name.startswith(DRAFT) and (draft_id := parse_uuid(name.removeprefix(DRAFT))):
        draft = draft_for(actor, draft_id)
        if draft.policy_set_id == found.id:
            return content_of(version_of(draft))
    if name.isascii() and name.isdigit() and len(name) < 9:
        return content_of(release_for(found, int(name))) if int(name) else DraftContent("", {})
    raise NotFound("policy.version_not_found", f"{found} has no version “{name[:60]}”.")


def spoken(content: DraftContent, setting: Setting) -> list[tuple[str, str, int]]:
    """(id, sentence, line) of each rule; nothing of a text that cannot be read."""
    try:
        read = read_set(content.text, dict(content.parameters))
    except TextError:
        return []
    said = sentences_of(read, setting)
    return [(policy.id, said[policy.id], policy.line) for policy in read.policies]


def parameters_shown(content: DraftContent) -> list[tuple[str, str, str]]:
    """(name, label, value) of each parameter."""
    return [
        (name, str(stored.get("label", "")) if isinstance(stored, dict) else "", parameter_words(stored))
        for name, stored in sorted(content.parameters.items())
    ]


def _version_rows(policy_set: PolicySet, releases: list[PolicyRelease]) -> list[VersionRow]:
    done = list(ReleaseRequest.objects.filter(release__in=releases, state=RequestState.DONE).order_by("id"))
    votes = approvers_of(done)
    approvers: dict[UUID, list[str]] = defaultdict(list)
    for request in done:
        if request.release_id and request.approval_id:
            approvers[request.release_id] += votes.get(request.approval_id, [])
    names = names_of({release.released_by for release in releases})
    live: dict[UUID, list[str]] = defaultdict(list)
    for row in policy_set.active_releases.order_by("environment"):
        live[row.release_id].append(row.environment)
    befores = {release.version: release for release in releases}
    if releases:
        oldest = policy_set.releases.filter(version=releases[-1].version - 1).first()
        befores |= {oldest.version: oldest} if oldest else {}
    return [
        VersionRow(
            release,
            names[release.released_by],
            list(dict.fromkeys(approvers[release.id])),
            live[release.id],
            _summary(befores.get(release.version - 1), release),
        )
        for release in releases
    ]


def _summary(before: PolicyRelease | None, after: PolicyRelease) -> str:
    """What a version changed, in one line. Releases never change, so it is said once, unless one is damaged."""
    key = (before.id if before else None, after.id)
    known = _summaries.get(key)
    if known is not None:
        return known
    old, new = content_of(before), content_of(after)
    change = difference(Content(old.text, old.parameters), Content(new.text, new.parameters), Setting())
    return change.summary if change.problem else _summaries.put(key, change.summary)


def _with_ends(policy_set: PolicySet, moves: list[PointerMove]) -> list[tuple[PointerMove, dt.datetime | None]]:
    """Each move with when the next one in its environment ended it."""
    times: dict[str, list[tuple[UUID, dt.datetime]]] = defaultdict(list)
    if moves:
        later = PointerMove.objects.filter(policy_set=policy_set, id__gte=min(move.id for move in moves))
        for move_id, environment, moved_at in later.order_by("id").values_list("id", "environment", "moved_at"):
            times[environment].append((move_id, moved_at))
    return [(move, next((at for move_id, at in times[move.environment] if move_id > move.id), None)) for move in moves]
