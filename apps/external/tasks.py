"""Celery entries: an id in, one service call."""

from uuid import UUID

from celery import shared_task

from apps.external import services


@shared_task
def deliver_webhook(delivery_id: str) -> None:
    services.deliver_webhook(UUID(delivery_id))


@shared_task
def end_requests_under(halt_id: str) -> None:
    services.end_requests_under(UUID(halt_id))


@shared_task
def sweep_external_approvals() -> None:
    """Every few seconds: webhooks whose next attempt is due, stops whose news was lost."""
    for delivery_id in services.due_webhooks():
        deliver_webhook.delay(str(delivery_id))
    for halt_id in services.stops_to_carry_out():
        end_requests_under.delay(str(halt_id))
