"""Asking for a release, a promotion or a rollback. Nobody changes alone what decides: a second person is asked, and
what they agree to is bound by a digest.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.approvals import services as approvals
from apps.approvals.models import Verdict, Vote
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.ids import uuid7
from apps.policies.checking import Ground, check
from apps.policies.consent import consent_request, makers_of, second_person_for
from apps.policies.events import PolicyReviewEnded, PolicyReviewRequested
from apps.policies.merging import DraftContent
from apps.policies.models import (
    UNDER_WAY,
    DraftState,
    InFlight,
    PolicyDraft,
    PolicyRelease,
    PolicySet,
    ReleaseRequest,
    RequestKind,
    RequestState,
)
from apps.policies.queries import (
    content_of,
    draft_for,
    ground_of,
    live_releases,
    may_write,
    release_for,
    request_for,
    require_writer,
    set_for,
    version_of,
)
from apps.policies.reach import reach_hash
from apps.policies.services.publishing import invalid_policies
from apps.policies.telling import record_draft, record_request
from apps.registry.models import Environment

# How far ahead a release may be scheduled.
MOST_DAYS_AHEAD = 30
# A version moves on in this order.
ORDER = (Environment.SANDBOX, Environment.STAGING, Environment.PRODUCTION)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What somebody wants released, checked and not written yet; the draft it comes from, locked."""

    request: ReleaseRequest
    ground: Ground
    draft: PolicyDraft | None = None


def request_release(
    *,
    actor: Actor,
    draft_id: UUID,
    version: int,
    environment: str,
    message: str = "",
    in_flight: str = InFlight.RECHECK,
    release_at: dt.datetime | None = None,
    team: str = "",
) -> ReleaseRequest:
    """Send a draft for review: this version of it, to decide in this environment. It cannot be changed meanwhile.
    `team` is who is asked; without it, the team of which most may vote now.

    With `release_at` it decides from then on, if it was agreed to by then. Raises Invalid("policy.not_ready") while it
    has mistakes, failing test cases or findings that are certain.
    """
    with transaction.atomic():
        prepared = prepare_release(
            actor=actor,
            draft_id=draft_id,
            version=version,
            environment=environment,
            message=message,
            in_flight=in_flight,
        )
        return _ask(actor, prepared, release_at, team)


def prepare_release(
    *, actor: Actor, draft_id: UUID, version: int, environment: str, message: str, in_flight: str
) -> Prepared:
    """This version of a draft, wanted in this environment: checked, not yet asked for. The set and the draft are
    locked.
    """
    _check_choices(environment, in_flight)
    draft = draft_for(actor, draft_id)
    require_writer(actor, draft.policy_set.process)
    policy_set = _locked(actor, draft.policy_set.slug)
    draft = draft_for(actor, draft_id, lock=True)
    _check_draft(draft, version)
    saved = version_of(draft)
    content, ground = content_of(saved), ground_of(policy_set)
    _check_ready(policy_set, content, ground)
    replaces = live_releases(policy_set).get(environment)
    _check_base(draft, replaces)
    if replaces is not None and content == content_of(replaces):
        raise Conflict("policy.no_change", f"This is what decides in {environment} already.")
    request = _request(actor, policy_set, RequestKind.RELEASE, environment, replaces, in_flight, ground, content)
    request.draft_version, request.message = saved, message.strip()[:300] or draft.message
    return Prepared(request, ground, draft)


def request_promotion(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str,
    message: str = "",
    in_flight: str = InFlight.RECHECK,
    release_at: dt.datetime | None = None,
    team: str = "",
) -> ReleaseRequest:
    """Ask that a version which decides in an earlier environment decides in this one, too."""
    _check_choices(environment, in_flight)
    with transaction.atomic():
        found = _locked(actor, policy_set)
        require_writer(actor, found.process)
        release = release_for(found, version)
        live = live_releases(found)
        earlier = ORDER[: ORDER.index(Environment(environment))]
        if release not in [live.get(each) for each in earlier]:
            raise Conflict(
                "policy.not_promotable",
                f"{release} decides in no environment before {environment}, so nobody tried it.",
            )
        kind = RequestKind.PROMOTION
        prepared = prepare_again(actor, found, kind, release, environment, message, in_flight, live)
        return _ask(actor, prepared, release_at, team)


def request_rollback(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str,
    message: str,
    in_flight: str = InFlight.RECHECK,
    release_at: dt.datetime | None = None,
    team: str = "",
) -> ReleaseRequest:
    """Ask that an earlier version is released again, as a new release that names it."""
    with transaction.atomic():
        prepared = prepare_rollback(
            actor=actor,
            policy_set=policy_set,
            version=version,
            environment=environment,
            message=message,
            in_flight=in_flight,
        )
        return _ask(actor, prepared, release_at, team)


def prepare_rollback(
    *, actor: Actor, policy_set: str, version: int, environment: str, message: str, in_flight: str
) -> Prepared:
    """An earlier version, wanted again in this environment: checked, not yet asked for. The set is locked."""
    _check_choices(environment, in_flight)
    require_reason(message, "Say why it is rolled back.", pointer="/message")
    found = _locked(actor, policy_set)
    require_writer(actor, found.process)
    release, live = release_for(found, version), live_releases(found)
    if environment not in live or release.version >= live[environment].version:
        raise Conflict("policy.not_earlier", f"{release} is not older than what decides in {environment}.")
    return prepare_again(actor, found, RequestKind.ROLLBACK, release, environment, message, in_flight, live)


def require_reason(words: str, sentence: str, *, pointer: str = "/reason") -> str:
    """The words, shortened to what a row holds. Raises Invalid where there are none."""
    if not words.strip():
        raise Invalid("policy.reason_missing", sentence, errors=[{"pointer": pointer, "sentence": "Missing."}])
    return words.strip()[:300]


def withdraw_request(*, actor: Actor, request_id: UUID) -> ReleaseRequest:
    """Take the review back, by whoever may write the set's policies. The draft can be changed again. What is agreed to
    and only waits for its time may be taken back by who agreed to it as well.
    """
    with transaction.atomic():
        seen = request_for(actor, request_id)
        _require_may_withdraw(actor, seen)
        _locked(actor, seen.policy_set.slug)
        request = request_for(actor, request_id, lock=True)
        if request.state not in UNDER_WAY:
            raise Conflict("policy.review_over", f"This review is over: {request.get_state_display().lower()}.")
        _require_may_withdraw(actor, request)
        end_request(request, RequestState.WITHDRAWN)
        record_request(actor, "policy.review_withdrawn", request)
        if request.approval_id is not None:
            approvals.cancel_approval(approval_id=request.approval_id, actor=actor)
    return request


def may_withdraw(actor: Actor, request: ReleaseRequest) -> bool:
    """Whether this person may take it back now."""
    if request.state not in UNDER_WAY:
        return False
    return may_write(actor, request.policy_set.process) or _agreed_to_it(actor, request)


def _require_may_withdraw(actor: Actor, request: ReleaseRequest) -> None:
    if not _agreed_to_it(actor, request):
        require_writer(actor, request.policy_set.process)


def _agreed_to_it(actor: Actor, request: ReleaseRequest) -> bool:
    if request.state != RequestState.SCHEDULED or not actor.is_person:
        return False
    votes = Vote.objects.filter(approval=request.approval_id, verdict=Verdict.APPROVE, withdrawal=None)
    return votes.filter(Q(voter=actor.known_id) | Q(on_behalf_of=actor.known_id)).exists()


def end_request(request: ReleaseRequest, state: RequestState, *, refusal: str = "") -> None:
    """Write that it is over; its draft is released, or open again. The caller holds the request's row lock."""
    request.state, request.refusal, request.ended_at = state, refusal[:300], clock.now()
    request.save(update_fields=["state", "refusal", "ended_at", "release"])
    if request.draft_version is not None:
        after = DraftState.RELEASED if state == RequestState.DONE else DraftState.OPEN
        PolicyDraft.objects.filter(id=request.draft_version.draft_id, state=DraftState.IN_REVIEW).update(state=after)
    outbox.add(PolicyReviewEnded(str(request.id), state))


def hash_for(content: DraftContent, ground: Ground) -> str:
    """What the content can reach of the tools it is checked against."""
    return reach_hash(content.text, dict(content.parameters), ground.bench.process, ground.known.tools)


def _locked(actor: Actor, slug: str) -> PolicySet:
    """The set, locked: two who ask for one environment wait for each other."""
    return set_for(actor, slug, lock=True)


def _check_choices(environment: str, in_flight: str) -> None:
    if environment not in Environment.values:
        raise Invalid("policy.unknown_environment", f"There is no environment “{environment}”.")
    if in_flight not in InFlight.values:
        raise Invalid("policy.unknown_in_flight", f"Calls that wait are dealt with by {' or '.join(InFlight.values)}.")


def _check_draft(draft: PolicyDraft, version: int) -> None:
    if draft.state != DraftState.OPEN:
        raise Conflict("policy.draft_closed", f"This draft is {draft.get_state_display().lower()} already.")
    if draft.version != version:
        raise Conflict(
            "policy.draft_stale",
            f"{version_of(draft).edited_by} has changed this draft since you opened it. Look again.",
            version=draft.version,
        )


def _check_ready(policy_set: PolicySet, content: DraftContent, ground: Ground) -> None:
    checked = check(content, ground)
    if checked.problems:
        raise invalid_policies(policy_set.slug, checked.problems)
    if not checked.is_ready:
        blocks = checked.blocks()
        raise Invalid("policy.not_ready", f"This cannot be released yet: {blocks[0]['sentence']}", errors=blocks)


def _check_base(draft: PolicyDraft, replaces: PolicyRelease | None) -> None:
    """What was released since the draft began would be undone unseen."""
    if replaces is not None and (draft.base is None or replaces.version > draft.base.version):
        raise Conflict(
            "policy.base_moved",
            f"{replaces} was released after this draft was begun. Bring the draft up to date first.",
            live_version=replaces.version,
        )


def prepare_again(
    actor: Actor,
    policy_set: PolicySet,
    kind: RequestKind,
    release: PolicyRelease,
    environment: str,
    message: str,
    in_flight: str,
    live: dict[str, PolicyRelease],
) -> Prepared:
    """A request for something that was released before. Findings do not block it: they did not then."""
    replaces = live.get(environment)
    if replaces is not None and content_of(replaces) == content_of(release):
        raise Conflict("policy.no_change", f"This is what decides in {environment} already.")
    ground = ground_of(policy_set)
    checked = check(content_of(release), ground)
    if checked.problems:
        raise invalid_policies(policy_set.slug, checked.problems)
    if checked.failed:
        failed = checked.failed[0]
        raise Invalid(
            "policy.not_ready", f"A test case fails: {failed.name}: {failed.problem}", errors=checked.blocks()
        )
    request = _request(actor, policy_set, kind, environment, replaces, in_flight, ground, content_of(release))
    request.source, request.message = release, message.strip()[:300]
    return Prepared(request, ground)


def _request(
    actor: Actor,
    policy_set: PolicySet,
    kind: RequestKind,
    environment: str,
    replaces: PolicyRelease | None,
    in_flight: str,
    ground: Ground,
    content: DraftContent,
) -> ReleaseRequest:
    return ReleaseRequest(
        id=uuid7(),
        policy_set=policy_set,
        kind=kind,
        environment=environment,
        replaces=replaces,
        in_flight=in_flight,
        schema_hash=hash_for(content, ground),
        requester_id=actor.known_id,
        requested_at=clock.now(),
    )


def _ask(actor: Actor, prepared: Prepared, release_at: dt.datetime | None, team: str) -> ReleaseRequest:
    """Put it before the second person."""
    request, ground, draft = prepared.request, prepared.ground, prepared.draft
    request.release_at = _checked_time(release_at)
    _check_nothing_waits(request)
    second = second_person_for(request.policy_set, makers_of(request), team)
    request.save(force_insert=True)
    request.approval = approvals.request_consent(consent_request(request, second, ground.setting), actor=actor)
    request.save(update_fields=["approval"])
    record_request(actor, "policy.review_requested", request, data={"team": second.team.slug})
    outbox.add(PolicyReviewRequested(str(request.id), str(request.approval.id)))
    if draft is not None:
        draft.state = DraftState.IN_REVIEW
        draft.save(update_fields=["state"])
        record_draft(actor, "policy.draft_sent", draft, data={"request_id": str(request.id)})
    return request


def _checked_time(release_at: dt.datetime | None) -> dt.datetime | None:
    """Raises Invalid for a time that is past, or so far ahead that what was reviewed is hardly what is meant."""
    if release_at is None:
        return None
    now = clock.now()
    if not now < release_at <= now + dt.timedelta(days=MOST_DAYS_AHEAD):
        raise Invalid(
            "policy.bad_time",
            f"Name a time that is to come, at most {MOST_DAYS_AHEAD} days ahead.",
            errors=[{"pointer": "/release_at", "sentence": "Not to come, or too far ahead."}],
        )
    return release_at


def _check_nothing_waits(request: ReleaseRequest) -> None:
    others = ReleaseRequest.objects.filter(policy_set=request.policy_set, environment=request.environment)
    other = others.filter(state__in=UNDER_WAY).first()
    if other is not None:
        raise Conflict(
            "policy.review_under_way",
            f"Another change of these policies in {request.environment} is {other.get_state_display().lower()}. "
            "One is decided at a time.",
            request_id=str(other.id),
        )
