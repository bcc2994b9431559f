"""Celery entries of retention: one service call each."""

from celery import shared_task

from apps.retention import services


@shared_task
def purge_content() -> None:
    """Every ten minutes."""
    services.purge_due()
    services.drop_due_days()
