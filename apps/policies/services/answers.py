"""What follows from a second person's answer: the release is made and the pointer moved in one transaction, or nothing
is.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Now

from apps.accounts.requests import actor_for
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.policies.consent import binding_digest
from apps.policies.events import PolicyReleased, PolicyReleaseScheduled
from apps.policies.models import ActiveRelease, PolicyRelease, PolicySet, ReleaseRequest, RequestKind, RequestState
from apps.policies.queries import REQUEST_PARTS, ground_of, may_write, requested_content
from apps.policies.services.publishing import activate, make_release
from apps.policies.services.requests import end_request, hash_for
from apps.policies.telling import record_request
from apps.policies.validation import problems_of

RELEASING = system_actor("policy-release")


def answer_release_request(request_id: UUID) -> None:
    """Release what was agreed to, keep it for its time, or write down why not. Repeatable; everything that can have
    changed since it was asked is checked again.
    """
    carry_out(request_id, RequestState.WAITING)


def carry_out(request_id: UUID, state: RequestState) -> None:
    """The next step of a request that is in this state, and nothing where it is in another by now."""
    with transaction.atomic():
        seen = ReleaseRequest.objects.filter(id=request_id).values_list("policy_set", flat=True).first()
        if seen is None:
            return
        # the set first, then the request: everybody who needs both takes them in this order
        policy_set = PolicySet.objects.select_for_update(of=("self",)).select_related("process").get(id=seen)
        in_state = ReleaseRequest.objects.select_for_update(of=("self",)).select_related(*REQUEST_PARTS)
        request = in_state.filter(id=request_id, state=state).first()
        if request is None or request.approval is None or request.approval.resolved_at is None:
            return
        request.policy_set = policy_set
        active = ActiveRelease.objects.filter(policy_set=policy_set, environment=request.environment)
        before = active.select_for_update(of=("self",)).select_related("release").first()
        refusal = _refusal(request, request.approval, before)
        if refusal:
            end_request(request, RequestState.REFUSED, refusal=refusal)
            record_request(RELEASING, "policy.review_refused", request, reason=refusal)
        elif is_due(request):
            _release(request, before)
        elif state == RequestState.WAITING:
            _schedule(request)


def is_due(request: ReleaseRequest) -> bool:
    """Whether its time has come, by the database's clock: a node whose own runs ahead releases nothing too early."""
    return request.release_at is None or due_requests().filter(id=request.id).exists()


def due_requests() -> QuerySet[ReleaseRequest]:
    return ReleaseRequest.objects.filter(release_at__lte=Now() + Value(clock.ahead()))


def _schedule(request: ReleaseRequest) -> None:
    """It is agreed to and waits for its time; until then it can be taken back."""
    request.state = RequestState.SCHEDULED
    request.save(update_fields=["state"])
    record_request(RELEASING, "policy.scheduled", request, data={"release_at": clock.rfc3339(request.release_at)})
    outbox.add(PolicyReleaseScheduled(str(request.id), clock.rfc3339(request.release_at) or ""))


def _release(request: ReleaseRequest, before: ActiveRelease | None) -> None:
    on_behalf = actor_for(request.requester, via="")
    request.release = release_of(request, on_behalf)
    activate(
        request.release,
        request.environment,
        RELEASING,
        before=before,
        message=request.message,
        in_flight=request.in_flight,
        on_behalf=on_behalf,
        data={
            "kind": request.kind,
            "request_id": str(request.id),
            "approval_id": str(request.approval_id),
            "requested_by": on_behalf.key,
            "source": request.source.version if request.source else None,
        },
    )
    end_request(request, RequestState.DONE)
    released, environments = request.release, [request.environment]
    outbox.add(PolicyReleased(request.policy_set.slug, released.version, str(released.id), environments, on_behalf.key))


def release_of(request: ReleaseRequest, on_behalf: Actor) -> PolicyRelease:
    """A promotion moves what there is; anything else is a new release."""
    if request.kind == RequestKind.PROMOTION and request.source is not None:
        return request.source
    content = requested_content(request)
    return make_release(
        request.policy_set,
        text=content.text,
        parameters=dict(content.parameters),
        cases=list(content.cases),
        hash_of_schema=request.schema_hash,
        source=request.source,
        message=request.message,
        released_by=on_behalf.key,
    )


def _refusal(request: ReleaseRequest, approval: Approval, before: ActiveRelease | None) -> str:
    """Why it is not released; "" when it is."""
    if approval.state != ApprovalState.APPROVED:
        return f"The second person's answer: {approval.get_state_display().lower()}."
    if {approval.digest, *approval.votes.values_list("digest", flat=True)} != {binding_digest(request)}:
        return "This is not what was agreed to."
    if (before.release_id if before else None) != request.replaces_id:
        return "Another release took its place meanwhile, so what was reviewed is not what would change."
    requester = request.requester
    if not requester.is_active or not may_write(actor_for(requester, via=""), request.policy_set.process):
        return "Whoever asked may not change these policies any more."
    ground, content = ground_of(request.policy_set), requested_content(request)
    if hash_for(content, ground) != request.schema_hash:
        return "The tools it decides about changed since it was reviewed. Send it for review again."
    problems = problems_of(text=content.text, parameters=dict(content.parameters), known=ground.known)
    if problems:
        return f"It cannot be released any more: {problems[0].sentence}"
    return ""
