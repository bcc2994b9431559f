"""When what decides cannot be read: noticing it, and going back to what can, in one act of one person.

Nobody is asked first: nothing runs meanwhile, and what comes back is what decided here before.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction

from apps.accounts.models import Membership
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.policies.events import PolicyReadable, PolicyReleased, PolicyUnreadable
from apps.policies.models import ActiveRelease, PointerMove, PolicyRelease, PolicySet, UnreadableRelease
from apps.policies.queries import set_for
from apps.policies.services.publishing import activate, make_release
from apps.policies.unreadable import read_afresh
from apps.registry.models import Environment, Process

WATCHER = system_actor("policy-watch")
MAX_REASON_LENGTH = 300


def watch_releases() -> int:
    """Read every active release as its row is now. What cannot be read is noted down for every process, told once to
    who answers for it, and denies everywhere from then on; what can be read again is crossed out. How many cannot.
    """
    count = 0
    for active_id in list(ActiveRelease.objects.order_by("id").values_list("id", flat=True)):
        with transaction.atomic():
            active = ActiveRelease.objects.select_related("release__policy_set", "policy_set__process").get(
                id=active_id
            )
            count += _watched(active)
    return count


def _watched(active: ActiveRelease) -> bool:
    problem = read_afresh(active.release).problem
    notes = UnreadableRelease.objects.filter(policy_set=active.policy_set, environment=active.environment)
    noted = notes.first()
    if noted is not None and (not problem or noted.release_id != active.release_id):
        _cross_out(noted)
        noted = None
    if problem and noted is None:
        noted, is_new = UnreadableRelease.objects.get_or_create(
            policy_set=active.policy_set,
            environment=active.environment,
            defaults={"release": active.release, "why": problem[:500], "noticed_at": clock.now()},
        )
        if is_new:
            _record(WATCHER, "policy.unreadable", noted.release, noted.environment, reason=problem)
            outbox.add(PolicyUnreadable(str(noted.id), active.policy_set.slug, active.environment))
    return bool(problem)


def _cross_out(noted: UnreadableRelease) -> None:
    _record(WATCHER, "policy.readable", noted.release, noted.environment)
    outbox.add(PolicyReadable(str(noted.id), noted.policy_set.slug, noted.environment))
    noted.delete()


def recover_release(*, actor: Actor, policy_set: str, environment: str, reason: str) -> PolicyRelease:
    """Release again what decided here last and can be read, as a version that names it. One member of the team that
    owns the process or is on call for it is enough; of the global set, of any process.

    Raises Conflict where what decides can be read (`policy.readable`), and where nothing earlier can
    (`policy.nothing_readable`).
    """
    if environment not in Environment.values:
        raise Invalid("policy.unknown_environment", f"There is no environment “{environment}”.")
    reason = reason.replace("\0", "").strip()[:MAX_REASON_LENGTH]
    if not reason:
        raise Invalid("policy.reason_missing", "Say why: it is kept with the release.")
    with transaction.atomic():
        owner = set_for(actor, policy_set, lock=True)
        if not may_recover(actor, owner):
            raise NotAllowed(
                "permission.missing", "The teams that own a process or are on call for it bring this back."
            )
        active = owner.active_releases.select_related("release__policy_set").filter(environment=environment).first()
        if active is None or not read_afresh(active.release).problem:
            raise Conflict("policy.readable", "What decides here can be read. To go back, ask for a rollback.")
        source = last_readable(owner, environment)
        if source is None:
            sentence = (
                "No earlier release of this environment can be read either. Release from files, or restore a backup."
            )
            raise Conflict("policy.nothing_readable", sentence)
        release = make_release(
            owner,
            text=source.text,
            parameters=source.parameters,
            cases=source.cases,
            hash_of_schema=source.schema_hash,
            message=reason,
            released_by=actor.key,
            source=source,
        )
        activate(release, environment, actor, before=active, message=reason, data={"recovers": source.version})
        # beside the line of every release: this one asked nobody
        broken = active.release.version
        _record(actor, "policy.recovered", release, environment, reason=reason, unreadable=broken)
        for noted in UnreadableRelease.objects.filter(policy_set=owner, environment=environment):
            outbox.add(PolicyReadable(str(noted.id), owner.slug, environment))
            noted.delete()
        outbox.add(PolicyReleased(owner.slug, release.version, str(release.id), [environment], actor.key))
    return release


def may_recover(actor: Actor, policy_set: PolicySet) -> bool:
    if not actor.is_person:
        return False
    processes = Process.objects.filter(id=policy_set.process_id) if policy_set.process_id else Process.objects.all()
    teams = {team for pair in processes.values_list("owner_team", "oncall_team") for team in pair}
    return Membership.objects.filter(user=actor.known_id, team__in=teams).exists()


def last_readable(policy_set: PolicySet, environment: str) -> PolicyRelease | None:
    """What decided here last and can be read."""
    return next((release for release in _before(policy_set, environment) if not read_afresh(release).problem), None)


def _before(policy_set: PolicySet, environment: str) -> Iterator[PolicyRelease]:
    """What decided here, newest first, each once."""
    moves = PointerMove.objects.filter(policy_set=policy_set, environment=environment).order_by("-id")
    seen = set()
    for move in moves.select_related("release__policy_set", "before__policy_set"):
        for release in (move.release, move.before):
            if release is not None and release.id not in seen:
                seen.add(release.id)
                yield release


def _record(
    actor: Actor, code: str, release: PolicyRelease, environment: str, *, reason: str = "", **data: int
) -> None:
    process = release.policy_set.process
    audit.record(
        actor,
        code,
        subject_type="policy_release",
        subject_id=release.id,
        subject_name=f"{release.policy_set.slug}@{release.version}",
        process=process.slug if process else "",
        environment=environment,
        reason=reason[:500],
        data={"set": release.policy_set.slug, "version": release.version, **data},
    )
