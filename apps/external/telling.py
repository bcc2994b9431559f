"""What each step of a request leaves in the audit log."""

from typing import Any

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.external.models import ExternalRequest


def record_request(
    actor: Actor, code: str, request: ExternalRequest, *, outcome: str, data: dict[str, Any] | None = None
) -> None:
    """One line, without the words of the request: those are payload."""
    version = request.approval.external_version
    audit.record(
        actor,
        code,
        subject_type="external_request",
        subject_id=request.id,
        process=request.process.slug,
        environment=request.environment,
        outcome=outcome,
        data={
            "agent": request.agent.slug,
            "approval_id": str(request.approval_id),
            "version": version.number,
            "digest": version.digest,
            "payload_sha256": version.payload_sha256,
            **(data or {}),
        },
    )
