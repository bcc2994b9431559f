"""Celery entries of the core: the outbox sweeper and the worker's heartbeat."""

from celery import shared_task

from apps.core import clock, observing, outbox
from apps.core.models import Heartbeat

WORKER_HEARTBEAT = "worker"


@shared_task
def drain_outbox() -> None:
    outbox.drain()


@shared_task
def forget_delivered_news() -> None:
    outbox.forget_delivered()


@shared_task
def report_levels() -> None:
    """How much waits and how long, for whoever collects it; nothing is read where nobody does."""
    observing.report_levels()


@shared_task
def beat_heart() -> None:
    """Runs in a worker on beat's schedule, so it proves broker, beat and worker in one row."""
    Heartbeat.objects.update_or_create(name=WORKER_HEARTBEAT, defaults={"seen_at": clock.now()})
