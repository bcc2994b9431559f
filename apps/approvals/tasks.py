"""Celery entries of the approvals engine."""

from celery import shared_task

from apps.approvals import services


@shared_task
def expire_approvals() -> None:
    services.expire_due()
