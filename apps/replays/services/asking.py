"""Asking for a replay or a shadow, and calling it off. Nothing is decided here: workers do that, chunk by chunk."""

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.gateway.models import Decision
from apps.policies.merging import DraftContent
from apps.policies.models import DraftState, DraftVersion, PolicyRelease, PolicySet, ReleaseRequest, RequestState
from apps.policies.queries import (
    REQUEST_PARTS,
    content_of,
    draft_for,
    known_to_registry,
    release_for,
    require_writer,
    set_for,
    version_of,
)
from apps.policies.services.publishing import invalid_policies
from apps.policies.validation import problems_of
from apps.registry.models import Environment
from apps.replays.events import ImpactReplayAsked, ImpactReplayEnded
from apps.replays.models import OPEN_STATES, ImpactReplay, Mode, ReplayState
from apps.replays.queries import replay_for
from apps.replays.telling import ACTOR, record_replay

LONGEST_SHADOW_DAYS = 14
REVIEWED_WINDOW = dt.timedelta(days=30)


def replay_draft(
    *,
    actor: Actor,
    draft_id: UUID,
    environment: str = Environment.PRODUCTION,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> ImpactReplay:
    """What the draft as it is saved now would have made of the decisions in `[since, until)`: from the first decision
    unless given, until now.

    Raises Invalid("policy.invalid") for a text with mistakes, Conflict("replay.under_way") while another replay of the
    set runs; the same one again is that one.
    """
    with transaction.atomic():
        draft = draft_for(actor, draft_id)
        version = checked_version(actor, draft_id)
        return _ask(actor, draft.policy_set, Mode.REPLAY, environment, since, until, version=version)


def replay_release(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str = Environment.PRODUCTION,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> ImpactReplay:
    """The same of a release: what going back, or on, to it would do."""
    with transaction.atomic():
        found = set_for(actor, policy_set)
        require_writer(actor, found.process)
        release = release_for(found, version)
        return _ask(actor, found, Mode.REPLAY, environment, since, until, release=release)


def replay_for_review(request_id: UUID) -> ImpactReplay | None:
    """Whoever decides on a change finds what it would have done in the last thirty days, also where nobody looked. None
    where it was replayed already, or another replay of the set is under way.
    """
    with transaction.atomic():
        request = ReleaseRequest.objects.select_related(*REQUEST_PARTS).filter(id=request_id).first()
        if request is None or request.state != RequestState.WAITING:
            return None
        version = request.draft_version
        release = request.source if version is None else None
        before = ImpactReplay.objects.filter(
            mode=Mode.REPLAY, policy_set=request.policy_set, environment=request.environment
        )
        same = Q(draft_version=version, release=release, state=ReplayState.DONE)
        if before.filter(same | Q(state__in=OPEN_STATES)).exists():
            return None
        since = clock.now() - REVIEWED_WINDOW
        return _ask(
            ACTOR,
            request.policy_set,
            Mode.REPLAY,
            request.environment,
            since,
            None,
            version=version,
            release=release,
        )


def shadow_draft(
    *, actor: Actor, draft_id: UUID, environment: str = Environment.PRODUCTION, days: int = 7
) -> ImpactReplay:
    """Decide each new decision again under the draft as it is saved now, for so many days, beside the call and never
    in its way.
    """
    if not 1 <= days <= LONGEST_SHADOW_DAYS:
        raise Invalid("replay.bad_window", f"A shadow follows for 1 to {LONGEST_SHADOW_DAYS} days.")
    with transaction.atomic():
        draft = draft_for(actor, draft_id)
        version = checked_version(actor, draft_id)
        now = clock.now()
        until = now + dt.timedelta(days=days)
        return _ask(actor, draft.policy_set, Mode.SHADOW, environment, now, until, version=version)


def cancel_replay(*, actor: Actor, replay_id: UUID) -> ImpactReplay:
    """Decide no more of it: what was counted stays. A chunk under way is thrown away."""
    with transaction.atomic():
        replay = replay_for(actor, replay_id, lock=True)
        require_writer(actor, replay.policy_set.process)
        if not replay.is_open:
            raise Conflict("replay.ended", "This has come to its end already.")
        replay.state, replay.ended_at = ReplayState.CANCELLED, clock.now()
        replay.save(update_fields=["state", "ended_at"])
        record_replay(actor, "stopped" if replay.is_shadow else "cancelled", replay)
        outbox.add(ImpactReplayEnded(str(replay.id), replay.state))
    return replay


def checked_version(actor: Actor, draft_id: UUID) -> DraftVersion:
    """The draft as it is saved now, without mistakes. Raises Invalid and Conflict."""
    draft = draft_for(actor, draft_id)
    require_writer(actor, draft.policy_set.process)
    if draft.state not in (DraftState.OPEN, DraftState.IN_REVIEW):
        raise Conflict("policy.draft_closed", f"This draft is {draft.get_state_display().lower()}.")
    version = version_of(draft)
    _check_readable(draft.policy_set, content_of(version))
    return version


def _check_readable(policy_set: PolicySet, content: DraftContent) -> None:
    problems = problems_of(text=content.text, parameters=dict(content.parameters), known=known_to_registry())
    if problems:
        raise invalid_policies(policy_set.slug, problems)


def _ask(
    actor: Actor,
    policy_set: PolicySet,
    mode: Mode,
    environment: str,
    since: dt.datetime | None,
    until: dt.datetime | None,
    *,
    version: DraftVersion | None = None,
    release: PolicyRelease | None = None,
) -> ImpactReplay:
    if environment not in Environment.values:
        raise Invalid("policy.unknown_environment", f"There is no environment “{environment}”.")
    now = clock.now()
    until = until if mode == Mode.SHADOW and until else min(until or now, now)
    if since is not None and since >= until:
        raise Invalid("replay.bad_window", "The window ends before it begins.")
    PolicySet.objects.select_for_update(of=("self",)).get(id=policy_set.id)
    under_way = ImpactReplay.objects.filter(
        policy_set=policy_set, environment=environment, mode=mode, state__in=OPEN_STATES
    ).first()
    if under_way is not None:
        return _same_or_refused(under_way, version, release, since)
    replay = ImpactReplay(
        mode=mode,
        policy_set=policy_set,
        draft_version=version,
        release=release,
        environment=environment,
        since=since,
        until=until,
        asked_by=actor.key,
        asked_by_name=actor.name[:160],
        asked_at=now,
        moved_at=now,
    )
    if mode == Mode.SHADOW:
        # what is committed from now on has a later id, or was asked for before
        replay.planned_to = Decision.objects.order_by("-id").values_list("id", flat=True).first()
        replay.state, replay.started_at = ReplayState.RUNNING, now
    replay.save(force_insert=True)
    record_replay(actor, "started", replay)
    outbox.add(ImpactReplayAsked(str(replay.id), policy_set.slug, mode))
    return replay


def _same_or_refused(
    under_way: ImpactReplay, version: DraftVersion | None, release: PolicyRelease | None, since: dt.datetime | None
) -> ImpactReplay:
    """Asked for twice it runs once. The end of a window that is open counts from when it was asked for first."""
    is_same = (under_way.draft_version, under_way.release) == (version, release)
    if is_same and (under_way.is_shadow or _about_alike(under_way.since, since)):
        return under_way
    raise Conflict(
        "replay.under_way",
        f"{under_way} was begun by {under_way.asked_by_name} and is under way. Wait for it, or cancel it.",
        replay_id=str(under_way.id),
    )


def _about_alike(one: dt.datetime | None, other: dt.datetime | None) -> bool:
    """“The last thirty days”, said twice within the hour."""
    if one is None or other is None:
        return one is other
    return abs(one - other) < dt.timedelta(hours=1)
