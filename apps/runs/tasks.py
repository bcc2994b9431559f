"""Celery entries of runs: one service call each."""

from celery import shared_task

from apps.runs import deadlines


@shared_task
def time_out_runs() -> None:
    """Every five seconds."""
    deadlines.time_out_runs()
