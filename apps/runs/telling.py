"""What is told of a run in the audit log."""

from typing import Any

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.runs.models import Run


def record(
    actor: Actor, code: str, run: Run, *, outcome: str = "", reason: str = "", data: dict[str, Any] | None = None
) -> None:
    """One line about the run, its process at hand; in the transaction of the change."""
    audit.record(
        actor,
        code,
        subject_type="run",
        subject_id=run.id,
        subject_name=run.title,
        process=run.process.slug,
        environment=run.environment,
        run_id=run.id,
        outcome=outcome,
        reason=reason,
        data=data,
    )
