"""Celery entries of policies."""

from celery import shared_task

from apps.policies import services


@shared_task
def watch_releases() -> None:
    """Every minute."""
    services.watch_releases()


@shared_task
def watch_emergencies() -> None:
    """Every minute: emergency releases that nobody reviewed in time."""
    services.mark_overdue_emergencies()


@shared_task
def release_scheduled() -> None:
    """Every few seconds: what was agreed to and whose time has come."""
    services.release_scheduled()


@shared_task
def expire_exceptions() -> None:
    """Every minute: exceptions whose time is over."""
    services.expire_exceptions()
