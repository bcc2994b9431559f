"""Drafts and reviews for tests, made by the product's own acts."""

from typing import Any

from apps.approvals import services as approvals
from apps.policies import services
from apps.policies.models import PolicyDraft, ReleaseRequest
from tests.conftest import actor, settle_news
from tests.world import PARAMETERS

SET = "order-to-cash"


def limit(value: str, name: str = "credit_alone") -> dict[str, Any]:
    return {**PARAMETERS, name: {**PARAMETERS[name], "value": value}}


def raised(
    value: str = "750.00", who: str = "priya", parameters_too: dict[str, Any] | None = None, **content: Any
) -> PolicyDraft:
    """A draft in which agents may post more alone."""
    draft = services.start_draft(actor=actor(who), policy_set=SET, message="Fewer questions")
    parameters = limit(value) | (parameters_too or {})
    return services.save_draft(actor=actor(who), draft_id=draft.id, version=1, parameters=parameters, **content)


def sent(draft: PolicyDraft, who: str = "priya", environment: str = "production", **more: Any) -> ReleaseRequest:
    return services.request_release(
        actor=actor(who), draft_id=draft.id, version=draft.version, environment=environment, **more
    )


def voted(request: ReleaseRequest, who: str = "dana", verdict: str = "approve", **more: Any) -> ReleaseRequest:
    """Somebody votes, and the news is delivered."""
    assert request.approval is not None
    approvals.cast_vote(
        actor=actor(who), approval_id=request.approval.id, verdict=verdict, digest=request.approval.digest, **more
    )
    settle_news()
    return ReleaseRequest.objects.get(id=request.id)


def released(value: str = "750.00", **more: Any) -> ReleaseRequest:
    return voted(sent(raised(value), **more))
