"""What happens on news. Each handler is idempotent and short; the work is a task."""

from typing import Any
from uuid import UUID

from django.db import transaction

from apps.approvals.events import ApprovalChangesRequested, ApprovalResolved
from apps.core.outbox import DomainEvent, Handler
from apps.external import services, tasks
from apps.external.consent import SUBJECT_TYPE
from apps.external.events import ExternalApprovalHalted
from apps.external.models import NewsKind
from apps.halts.events import HaltPlaced


def tell_resolution(event: dict[str, Any]) -> None:
    if event["subject_type"] == SUBJECT_TYPE:
        _tell(event, NewsKind.RESOLVED)


def tell_wish_for_changes(event: dict[str, Any]) -> None:
    if event["subject_type"] == SUBJECT_TYPE:
        _tell(event, NewsKind.CHANGES_REQUESTED)


def tell_halt(event: dict[str, Any]) -> None:
    _tell(event, NewsKind.HALTED)


def end_stopped_requests(event: dict[str, Any]) -> None:
    tasks.end_requests_under.delay(event["halt_id"])


def _tell(event: dict[str, Any], kind: NewsKind) -> None:
    delivery = services.prepare_webhook(approval_id=UUID(event["approval_id"]), kind=kind)
    if delivery is not None:
        # a worker that is quicker than this commit would find nothing
        transaction.on_commit(lambda: tasks.deliver_webhook.delay(str(delivery.id)))


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ApprovalResolved: [tell_resolution],
    ApprovalChangesRequested: [tell_wish_for_changes],
    ExternalApprovalHalted: [tell_halt],
    HaltPlaced: [end_stopped_requests],
}
