"""Celery entries of telemetry: one service call each."""

from celery import shared_task

from apps.telemetry import partitions


@shared_task
def make_partitions() -> None:
    """Every hour."""
    partitions.make_partitions()
