"""Celery entries of artifacts: one service call each."""

from celery import shared_task

from apps.artifacts import files


@shared_task
def sweep_artifacts() -> None:
    """Every hour."""
    files.remove_erased()
    files.remove_left_over()
