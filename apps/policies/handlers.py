"""What happens on news. The handler is idempotent; releasing is a few rows, written in its own transaction."""

from typing import Any
from uuid import UUID

from apps.approvals.events import ApprovalResolved
from apps.core.outbox import DomainEvent, Handler
from apps.policies import afterwards, exception_consent, services
from apps.policies.consent import SUBJECT_TYPE


def answer_release_request(event: dict[str, Any]) -> None:
    if event["subject_type"] == SUBJECT_TYPE:
        services.answer_release_request(UUID(event["subject_id"]))


def answer_emergency_review(event: dict[str, Any]) -> None:
    if event["subject_type"] == afterwards.SUBJECT_TYPE:
        services.answer_emergency_review(UUID(event["subject_id"]))


def answer_exception(event: dict[str, Any]) -> None:
    if event["subject_type"] == exception_consent.SUBJECT_TYPE:
        services.answer_exception(UUID(event["subject_id"]))


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ApprovalResolved: [answer_release_request, answer_emergency_review, answer_exception]
}
