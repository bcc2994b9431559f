"""Writing the log."""

from typing import Any
from uuid import UUID

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import Actor
from apps.core.middleware import current_request_id
from apps.core.rows import insert


def record(
    actor: Actor,
    code: str,
    *,
    subject_type: str,
    subject_id: UUID | str,
    subject_name: str = "",
    process: str = "",
    environment: str = "",
    run_id: UUID | None = None,
    reason: str = "",
    outcome: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Append one line. Called inside the transaction of the change, so that both are there or neither (I2).

    `data` holds ids, digests and codes; payload stays in the vault, of which the log knows the digest alone (I10).
    """
    entry = AuditEntry(
        at=clock.now(),
        actor_kind=actor.kind,
        actor_key=actor.key,
        actor_name=actor.name,
        code=code,
        subject_type=subject_type,
        subject_id=str(subject_id),
        subject_name=subject_name[:200],
        process=process,
        environment=environment,
        run_id=run_id,
        request_id=current_request_id(),
        reason=reason,
        outcome=outcome,
        data=({"via": actor.via} if actor.via else {}) | (data or {}),
    )
    insert(entry)
