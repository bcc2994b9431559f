"""One person changes at once what decides, and a second person says afterwards whether that was right.

Nothing but the review is left out: what has mistakes, failing cases or certain findings, or was begun before the last
release, is not released this way either. And where nobody could agree afterwards, nobody is let do it alone.
"""

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.approvals import services as approvals
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, NotAllowed, NotFound
from apps.policies.afterwards import (
    consent_afterwards,
    digest_afterwards,
    due_after,
    emergencies_visible_to,
    may_take_back,
    require_alone,
)
from apps.policies.consent import SecondPerson, makers_of, second_person_for
from apps.policies.events import EmergencyReviewed, PolicyReleased, PolicyReleasedAlone, PolicyReviewEnded
from apps.policies.models import (
    ActiveRelease,
    DraftState,
    EmergencyRelease,
    EmergencyState,
    InFlight,
    PolicyDraft,
    PolicyRelease,
    ReleaseRequest,
    RequestKind,
    RequestState,
)
from apps.policies.queries import draft_for, ground_of, live_releases, require_writer, set_for
from apps.policies.sentences import Setting
from apps.policies.services.answers import release_of
from apps.policies.services.publishing import activate
from apps.policies.services.requests import (
    Prepared,
    prepare_again,
    prepare_release,
    prepare_rollback,
    require_reason,
)
from apps.policies.telling import record_request

REVIEWING = system_actor("policy-release")
ANSWERS = {ApprovalState.APPROVED: EmergencyState.AGREED, ApprovalState.REJECTED: EmergencyState.REJECTED}


def release_in_emergency(
    *,
    actor: Actor,
    draft_id: UUID,
    version: int,
    environment: str,
    reason: str,
    in_flight: str = InFlight.RECHECK,
) -> EmergencyRelease:
    """Let this version of a draft decide from now on, and ask for consent afterwards. Raises what `request_release`
    raises.
    """
    with transaction.atomic():
        require_alone(actor, draft_for(actor, draft_id).policy_set.process)
        message = require_reason(reason, "Say why it cannot wait for a review.")
        prepared = prepare_release(
            actor=actor,
            draft_id=draft_id,
            version=version,
            environment=environment,
            message=message,
            in_flight=in_flight,
        )
        return _release_alone(actor, prepared)


def roll_back_in_emergency(
    *,
    actor: Actor,
    policy_set: str,
    version: int,
    environment: str,
    reason: str,
    in_flight: str = InFlight.RECHECK,
) -> EmergencyRelease:
    """Release an earlier version again from now on, and ask for consent afterwards. Raises what `request_rollback`
    raises.
    """
    with transaction.atomic():
        require_alone(actor, set_for(actor, policy_set).process)
        message = require_reason(reason, "Say why it cannot wait for a review.")
        prepared = prepare_rollback(
            actor=actor,
            policy_set=policy_set,
            version=version,
            environment=environment,
            message=message,
            in_flight=in_flight,
        )
        return _release_alone(actor, prepared)


def take_back_emergency(*, actor: Actor, request_id: UUID, reason: str) -> ReleaseRequest:
    """Release again, as a new version, what decided before the emergency release. Nobody is asked: it is what was
    agreed to. Whether the emergency release was right is still to be said.

    Raises Conflict where another release decides by now, where none decided before, and where that one was released
    alone and nobody has agreed to it.
    """
    with transaction.atomic():
        seen = emergency_for(actor, request_id)
        _require_may_take_back(actor, seen)
        message = require_reason(reason, "Say why it is taken back.")
        policy_set = set_for(actor, seen.request.policy_set.slug, lock=True)
        emergency = emergency_for(actor, request_id, lock=True)
        _require_may_take_back(actor, emergency)
        asked, before = emergency.request, _before(emergency)
        prepared = prepare_again(
            actor,
            policy_set,
            RequestKind.ROLLBACK,
            before,
            asked.environment,
            message,
            asked.in_flight,
            live_releases(policy_set),
        )
        _carry_out(actor, prepared, data={"takes_back": str(asked.id)})
        emergency.taken_back = prepared.request
        emergency.save(update_fields=["taken_back"])
        record_request(actor, "policy.emergency_taken_back", asked, reason=message)
    return prepared.request


def ask_again_afterwards(*, actor: Actor, request_id: UUID) -> EmergencyRelease:
    """Ask once more, for two business days, where nobody answered in time. It stays overdue until somebody does, and
    was due when it was due.
    """
    with transaction.atomic():
        require_writer(actor, emergency_for(actor, request_id).request.policy_set.process)
        emergency = emergency_for(actor, request_id, lock=True)
        request = emergency.request
        if not emergency.waits or request.approval is None or request.approval.resolved_at is None:
            raise Conflict("policy.review_not_over", "Somebody is asked already, or has answered.")
        second = second_person_for(request.policy_set, makers_of(request))
        _ask_afterwards(actor, request, second, ground_of(request.policy_set).setting)
        record_request(actor, "policy.emergency_asked_again", request)
    return emergency


def answer_emergency_review(request_id: UUID) -> None:
    """Write down what the second person said. Repeatable; it moves no pointer."""
    with transaction.atomic():
        rows = EmergencyRelease.objects.select_for_update(of=("self",))
        emergency = rows.select_related("request__policy_set__process", "request__approval", "request__release").get(
            request=request_id
        )
        approval = emergency.request.approval
        if not emergency.waits or approval is None or approval.resolved_at is None:
            return
        _settle(emergency, _answer(emergency.request, approval))


def mark_overdue_emergencies() -> int:
    """Say of each that nobody answered by the time it was due; returns of how many."""
    due = EmergencyRelease.objects.filter(state=EmergencyState.OPEN, due_at__lte=clock.now())
    marked = 0
    for emergency_id in list(due.values_list("id", flat=True)[:100]):
        with transaction.atomic():
            locked = due.filter(id=emergency_id).select_for_update(of=("self",), skip_locked=True)
            emergency = locked.select_related("request__policy_set__process", "request__release").first()
            if emergency is not None:
                _settle(emergency, EmergencyState.OVERDUE)
                marked += 1
    return marked


def emergency_for(actor: Actor, request_id: UUID, *, lock: bool = False) -> EmergencyRelease:
    """Raises NotFound when unseen, and for a review that is of no emergency."""
    rows = emergencies_visible_to(actor).filter(request=request_id)
    found = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if found is None:
        raise NotFound("policy.request_not_found", "There is no such review.")
    return found


def _release_alone(actor: Actor, prepared: Prepared) -> EmergencyRelease:
    """Everything a release takes but the review, which is opened. The set is locked."""
    request = prepared.request
    second = second_person_for(request.policy_set, makers_of(request))
    _carry_out(actor, prepared, data={"emergency": True})
    due_at = _ask_afterwards(actor, request, second, prepared.ground.setting)
    emergency = EmergencyRelease.objects.create(request=request, due_at=due_at)
    record_request(actor, "policy.released_alone", request, data={"due_at": clock.rfc3339(emergency.due_at)})
    outbox.add(PolicyReleasedAlone(str(request.id), request.policy_set.slug, actor.key))
    return emergency


def _carry_out(actor: Actor, prepared: Prepared, *, data: dict[str, object]) -> None:
    """Make the release and move the pointer, in the name of who does it."""
    request, draft = prepared.request, prepared.draft
    active = ActiveRelease.objects.filter(policy_set=request.policy_set, environment=request.environment)
    before = active.select_for_update(of=("self",)).select_related("release").first()
    request.release = release_of(request, actor)
    request.state, request.ended_at = RequestState.DONE, clock.now()
    request.save(force_insert=True)
    activate(
        request.release,
        request.environment,
        actor,
        before=before,
        message=request.message,
        in_flight=request.in_flight,
        data={
            "kind": request.kind,
            "request_id": str(request.id),
            "source": request.source.version if request.source else None,
            **data,
        },
    )
    if draft is not None:
        PolicyDraft.objects.filter(id=draft.id).update(state=DraftState.RELEASED)
    name, version, release_id = request.policy_set.slug, request.release.version, str(request.release.id)
    outbox.add(PolicyReleased(name, version, release_id, [request.environment], actor.key))
    outbox.add(PolicyReviewEnded(str(request.id), request.state))


def _ask_afterwards(actor: Actor, request: ReleaseRequest, second: SecondPerson, setting: Setting) -> dt.datetime:
    """Open the review; returns when it is due."""
    due_at = due_after(clock.now(), second.process)
    consent = consent_afterwards(request, second, setting, due_at=due_at)
    request.approval = approvals.request_consent(consent, actor=actor)
    request.save(update_fields=["approval"])
    return due_at


def _require_may_take_back(actor: Actor, emergency: EmergencyRelease) -> None:
    if not may_take_back(actor, emergency):
        raise NotAllowed(
            "permission.missing",
            "It is taken back by who may release alone, or once it was rejected or is overdue by who is on call.",
        )


def _before(emergency: EmergencyRelease) -> PolicyRelease:
    """What decided before it, and was agreed to."""
    request = emergency.request
    live = live_releases(request.policy_set).get(request.environment)
    if live is None or live.id != request.release_id:
        raise Conflict("policy.not_live", f"It does not decide in {request.environment} any more.")
    if request.replaces is None:
        raise Conflict("policy.nothing_before", "Nothing decided there before it: hold the agents instead.")
    alone = EmergencyRelease.objects.filter(request__release=request.replaces)
    if alone.exclude(state=EmergencyState.AGREED).exists():
        raise Conflict(
            "policy.before_not_agreed",
            f"{request.replaces} was released alone, too, and nobody has agreed to it. Roll back to an earlier one.",
        )
    return request.replaces


def _answer(request: ReleaseRequest, approval: Approval) -> EmergencyState:
    """A yes counts only for what was voted on; whatever is no answer leaves it overdue."""
    answer = ANSWERS.get(ApprovalState(approval.state), EmergencyState.OVERDUE)
    named = {approval.digest, *approval.votes.values_list("digest", flat=True)}
    is_bound = named == {digest_afterwards(request)}
    return answer if is_bound or answer != EmergencyState.AGREED else EmergencyState.OVERDUE


def _settle(emergency: EmergencyRelease, state: EmergencyState) -> None:
    """The caller holds the row's lock."""
    if emergency.state == state:
        return
    emergency.state = state
    emergency.answered_at = None if state == EmergencyState.OVERDUE else clock.now()
    emergency.save(update_fields=["state", "answered_at"])
    record_request(REVIEWING, f"policy.emergency_{state}", emergency.request)
    outbox.add(EmergencyReviewed(str(emergency.request_id), state))
