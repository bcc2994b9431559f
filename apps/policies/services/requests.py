"""Asking for a release, a promotion or a rollback. Nobody changes alone what decides: a second person is asked, and
what they agree to is bound by a digest.
"""

from uuid import UUID

from django.db import transaction

from apps.approvals import services as approvals
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.ids import uuid7
from apps.policies.checking import Ground, check
from apps.policies.consent import consent_request, makers_of, second_person_for
from apps.policies.events import PolicyReviewEnded, PolicyReviewRequested
from apps.policies.merging import DraftContent
from apps.policies.models import (
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

# A version moves on in this order.
ORDER = (Environment.SANDBOX, Environment.STAGING, Environment.PRODUCTION)


def request_release(
    *,
    actor: Actor,
    draft_id: UUID,
    version: int,
    environment: str,
    message: str = "",
    in_flight: str = InFlight.RECHECK,
    team: str = "",
) -> ReleaseRequest:
    """Send a draft for review: this version of it, to decide in this environment. It cannot be changed meanwhile.
    `team` is who is asked; without it, the team of which most may vote now.

    Raises Invalid("policy.not_ready") while it has mistakes, failing test cases or findings that are certain.
    """
    _check_choices(environment, in_flight)
    with transaction.atomic():
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
        kind = RequestKind.RELEASE
        request = _request(actor, policy_set, kind, environment, replaces, in_flight, ground, content)
        request.draft_version, request.message = saved, message.strip()[:300] or draft.message
        _ask(actor, request, ground, team)
        draft.state = DraftState.IN_REVIEW
        draft.save(update_fields=["state"])
        record_draft(actor, "policy.draft_sent", draft, data={"request_id": str(request.id)})
    return request


def request_promotion(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str,
    message: str = "",
    in_flight: str = InFlight.RECHECK,
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
        return _request_again(actor, found, RequestKind.PROMOTION, release, environment, message, in_flight, live, team)


def request_rollback(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str,
    message: str,
    in_flight: str = InFlight.RECHECK,
    team: str = "",
) -> ReleaseRequest:
    """Ask that an earlier version is released again, as a new release that names it."""
    _check_choices(environment, in_flight)
    if not message.strip():
        raise Invalid(
            "policy.reason_missing",
            "Say why it is rolled back.",
            errors=[{"pointer": "/message", "sentence": "Missing."}],
        )
    with transaction.atomic():
        found = _locked(actor, policy_set)
        require_writer(actor, found.process)
        release, live = release_for(found, version), live_releases(found)
        if environment not in live or release.version >= live[environment].version:
            raise Conflict("policy.not_earlier", f"{release} is not older than what decides in {environment}.")
        return _request_again(actor, found, RequestKind.ROLLBACK, release, environment, message, in_flight, live, team)


def withdraw_request(*, actor: Actor, request_id: UUID) -> ReleaseRequest:
    """Take the review back, by whoever may write the set's policies. The draft can be changed again."""
    with transaction.atomic():
        seen = request_for(actor, request_id)
        require_writer(actor, seen.policy_set.process)
        _locked(actor, seen.policy_set.slug)
        request = request_for(actor, request_id, lock=True)
        if request.state != RequestState.WAITING:
            raise Conflict("policy.review_over", f"This review is over: {request.get_state_display().lower()}.")
        end_request(request, RequestState.WITHDRAWN)
        record_request(actor, "policy.review_withdrawn", request)
        if request.approval_id is not None:
            approvals.cancel_approval(approval_id=request.approval_id, actor=actor)
    return request


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


def _request_again(
    actor: Actor,
    policy_set: PolicySet,
    kind: RequestKind,
    release: PolicyRelease,
    environment: str,
    message: str,
    in_flight: str,
    live: dict[str, PolicyRelease],
    team: str,
) -> ReleaseRequest:
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
    _ask(actor, request, ground, team)
    return request


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
    waiting = policy_set.requests.filter(environment=environment, state=RequestState.WAITING).first()
    if waiting is not None:
        raise Conflict(
            "policy.review_under_way",
            f"Another change of these policies in {environment} is in review. One is decided at a time.",
            request_id=str(waiting.id),
        )
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


def _ask(actor: Actor, request: ReleaseRequest, ground: Ground, team: str) -> None:
    """Put it before the second person."""
    second = second_person_for(request.policy_set, makers_of(request), team)
    request.save(force_insert=True)
    request.approval = approvals.request_consent(consent_request(request, second, ground.setting), actor=actor)
    request.save(update_fields=["approval"])
    record_request(actor, "policy.review_requested", request, data={"team": second.team.slug})
    outbox.add(PolicyReviewRequested(str(request.id), str(request.approval.id)))
