"""Celery entries of policies."""

from celery import shared_task

from apps.policies import services


@shared_task
def watch_releases() -> None:
    """Every minute."""
    services.watch_releases()
