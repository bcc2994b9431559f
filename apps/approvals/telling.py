"""What a change of an approval leaves in the log."""

from typing import Any

from apps.approvals.models import Approval
from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core.actor import Actor


def line(
    actor: Actor, code: str, approval: Approval, *, outcome: str, reason: str = "", data: dict[str, Any] | None = None
) -> AuditEntry:
    """A line about the approval, not yet written; its process has to be at hand."""
    return audit.entry(
        actor,
        code,
        subject_type="approval",
        subject_id=approval.id,
        process=approval.process.slug,
        environment=approval.environment,
        run_id=approval.run_id,
        outcome=outcome,
        reason=reason,
        data={
            "digest": approval.digest,
            "subject_type": approval.subject_type,
            "subject_id": str(approval.subject_id),
            **(data or {}),
        },
    )


def record(
    actor: Actor, code: str, approval: Approval, *, outcome: str, reason: str = "", data: dict[str, Any] | None = None
) -> None:
    """The line, written now."""
    audit.record_many([line(actor, code, approval, outcome=outcome, reason=reason, data=data)])


def subject_of(approval: Approval) -> dict[str, str]:
    """What every event about the approval carries."""
    return {
        "approval_id": str(approval.id),
        "subject_type": approval.subject_type,
        "subject_id": str(approval.subject_id),
    }
