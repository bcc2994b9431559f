"""What each step on the way to a release leaves in the audit log."""

from typing import Any

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.core.canonical import digest
from apps.policies.merging import DraftContent
from apps.policies.models import PolicyDraft, ReleaseRequest


def record_draft(actor: Actor, code: str, draft: PolicyDraft, *, data: dict[str, Any] | None = None) -> None:
    """One line, in the transaction of the act."""
    process = draft.policy_set.process
    audit.record(
        actor,
        code,
        subject_type="policy_draft",
        subject_id=draft.id,
        subject_name=str(draft),
        process=process.slug if process else "",
        reason=draft.message,
        data={"set": draft.policy_set.slug, "version": draft.version, **(data or {})},
    )


def record_request(
    actor: Actor, code: str, request: ReleaseRequest, *, reason: str = "", data: dict[str, Any] | None = None
) -> None:
    """One line, in the transaction of the act."""
    process = request.policy_set.process
    audit.record(
        actor,
        code,
        subject_type="policy_request",
        subject_id=request.id,
        subject_name=str(request),
        process=process.slug if process else "",
        environment=request.environment,
        reason=reason or request.message,
        outcome=request.state,
        data={
            "set": request.policy_set.slug,
            "kind": request.kind,
            "approval_id": str(request.approval_id or ""),
            **(data or {}),
        },
    )


def content_digest(content: DraftContent) -> str:
    """SHA-256 of everything that is edited together."""
    return digest({"text": content.text, "parameters": dict(content.parameters), "cases": list(content.cases)})
