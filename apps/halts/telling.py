"""What each step of a halt leaves in the audit log."""

from typing import Any

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.halts.models import Halt
from apps.halts.targets import Target


def record(
    actor: Actor, code: str, halt: Halt, target: Target, *, reason: str, data: dict[str, Any] | None = None
) -> None:
    """One line, in the transaction of the act."""
    audit.record(
        actor,
        code,
        subject_type="halt",
        subject_id=halt.id,
        subject_name=halt.scope_name,
        process=target.process_slug,
        environment=halt.environment,
        reason=reason,
        outcome=halt.mode,
        data={
            "scope_type": halt.scope_type,
            "scope_id": str(halt.scope_id or ""),
            "reason_code": halt.reason_code,
            **({"scope_agent_id": str(halt.scope_agent_id)} if halt.scope_agent_id else {}),
            **({"scope_text": halt.scope_text} if halt.scope_text else {}),
            **(data or {}),
        },
    )
