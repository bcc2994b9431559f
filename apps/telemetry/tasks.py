"""Celery entries of telemetry: one service call each."""

from celery import shared_task

from apps.telemetry import partitions, ungoverned


@shared_task
def make_partitions() -> None:
    """Every hour."""
    partitions.make_partitions()


@shared_task
def find_ungoverned_actions() -> None:
    """Every ten seconds."""
    ungoverned.find_ungoverned_actions()
