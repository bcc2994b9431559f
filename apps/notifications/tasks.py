"""Celery entries of notifications: one service call each."""

from celery import shared_task

from apps.notifications import services

# A provider that drips its answer is cut off, long before the claim on what is being sent ends.
LONGEST_SWEEP_SECONDS = 60


@shared_task(soft_time_limit=LONGEST_SWEEP_SECONDS, time_limit=2 * LONGEST_SWEEP_SECONDS)
def send_notifications() -> None:
    """Every two seconds: tell those who hear of it what is new, and send what is due, digests with the rest."""
    services.spread_due()
    services.send_due()


@shared_task
def note_stale_outcomes() -> None:
    """Every minute: outcomes that nobody has found out for too long."""
    services.note_stale_outcomes()


@shared_task
def forget_old_notices() -> None:
    services.forget_old()
