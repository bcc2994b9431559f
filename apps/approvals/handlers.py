"""What the engine itself does on its news. Each handler is idempotent and short; the work is a task."""

from typing import Any

from apps.approvals import tasks
from apps.approvals.events import BulkVoteStarted
from apps.core.outbox import DomainEvent, Handler


def go_on(event: dict[str, Any]) -> None:
    tasks.run_bulk_vote.delay(event["bulk_vote_id"])


HANDLERS: dict[type[DomainEvent], list[Handler]] = {BulkVoteStarted: [go_on]}
