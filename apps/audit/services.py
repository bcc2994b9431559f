"""Writing the log."""

from typing import Any, NotRequired, TypedDict, Unpack
from uuid import UUID

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import Actor
from apps.core.middleware import current_request_id
from apps.core.rows import insert_values


class Line(TypedDict):
    """What is told of an act besides who and what. `data` holds ids, digests and codes; payload stays in the vault, of
    which the log knows the digest alone (I10).
    """

    subject_type: str
    subject_id: UUID | str
    subject_name: NotRequired[str]
    process: NotRequired[str]
    environment: NotRequired[str]
    run_id: NotRequired[UUID | None]
    reason: NotRequired[str]
    outcome: NotRequired[str]
    data: NotRequired[dict[str, Any] | None]


def record(actor: Actor, code: str, **line: Unpack[Line]) -> None:
    """Append one line. Called inside the transaction of the change, so that both are there or neither (I2)."""
    insert_values(AuditEntry, **_values(actor, code, line))


def record_many(entries: list[AuditEntry]) -> None:
    """Append lines made by `entry`, in their order, in one statement; in the transaction of the changes."""
    AuditEntry.objects.bulk_create(entries)


def entry(actor: Actor, code: str, **line: Unpack[Line]) -> AuditEntry:
    """A line that is not written yet."""
    return AuditEntry(**_values(actor, code, line))


def _values(actor: Actor, code: str, line: Line) -> dict[str, Any]:
    return {
        "at": clock.now(),
        "actor_kind": actor.kind,
        "actor_key": actor.key,
        "actor_name": actor.name,
        "code": code,
        "subject_type": line["subject_type"],
        "subject_id": str(line["subject_id"]),
        "subject_name": line.get("subject_name", "")[:200],
        "process": line.get("process", ""),
        "environment": line.get("environment", ""),
        "run_id": line.get("run_id"),
        "request_id": current_request_id(),
        "reason": line.get("reason", ""),
        "outcome": line.get("outcome", ""),
        "data": ({"via": actor.via} if actor.via else {}) | (line.get("data") or {}),
    }
