"""What happens on news. Each handler is idempotent and short; the work is a task."""

from typing import Any

from apps.approvals.events import ApprovalResolved
from apps.core.outbox import DomainEvent, Handler
from apps.halts import tasks
from apps.halts.consent import SUBJECT_TYPE


def answer_lift_request(event: dict[str, Any]) -> None:
    if event["subject_type"] == SUBJECT_TYPE:
        tasks.answer_lift_request.delay(event["subject_id"])


HANDLERS: dict[type[DomainEvent], list[Handler]] = {ApprovalResolved: [answer_lift_request]}
