"""Celery entries of the approvals engine."""

from uuid import UUID

from celery import shared_task

from apps.approvals import services


@shared_task
def expire_approvals() -> None:
    services.expire_due()


@shared_task
def settle_approvals() -> None:
    services.settle_due()


@shared_task
def mark_milestones() -> None:
    services.mark_milestones()


@shared_task
def escalate_approvals() -> None:
    services.escalate_due()


@shared_task
def run_bulk_vote(bulk_id: str) -> None:
    services.run_bulk_vote(UUID(bulk_id))


@shared_task
def resume_bulk_votes() -> None:
    """Those whose worker was killed, or whose task never reached the broker."""
    for bulk_id in services.interrupted_bulk_votes():
        run_bulk_vote.delay(str(bulk_id))
