"""Drafts and reviews for tests, made by the product's own acts."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.approvals import services as approvals
from apps.core.errors import MeshError
from apps.policies import services
from apps.policies.models import ActiveRelease, PolicyDraft, PolicyRelease, ReleaseRequest
from tests.conftest import actor, settle_news
from tests.world import PARAMETERS, POLICY

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


def live(environment: str = "production") -> PolicyRelease:
    """What decides there."""
    return ActiveRelease.objects.get(policy_set__slug=SET, environment=environment).release


def refusal(act: Callable[..., Any], *args: Any, **more: Any) -> MeshError:
    """Why it is refused."""
    with pytest.raises(MeshError) as refused:
        act(*args, **more)
    return refused.value


# (what is saved, the refusal): whatever way it is to be released.
WHAT_BLOCKS: list[tuple[dict[str, Any], str]] = [
    ({"text": POLICY + "permit (principal, action, resource);"}, "policy.invalid"),
    ({"parameters": limit("6000.00")}, "policy.not_ready"),
    (
        {
            "cases": [
                {
                    "name": "A large one is never alone",
                    "call": {"tool": "erp.issue_credit_memo", "amount": "600.00", "currency": "EUR"},
                    "expect": {"outcome": "require_approval"},
                }
            ],
            "parameters": limit("750.00"),
        },
        "policy.not_ready",
    ),
    ({}, "policy.no_change"),
]
