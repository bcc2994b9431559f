"""Celery entries of halts: an id in, one service call."""

from uuid import UUID

from celery import shared_task

from apps.halts import services


@shared_task
def answer_lift_request(request_id: str) -> None:
    services.answer_lift_request(UUID(request_id))


@shared_task
def watch_halts() -> None:
    """Every few seconds: ramps that have come to their end, requests to lift whose news was lost, halts whose time ran
    out, drills that are due.
    """
    services.finish_ramps()
    services.tell_expired_halts()
    services.carry_out_drills()


@shared_task
def watch_rules() -> None:
    """Every ten seconds."""
    services.watch_rules()
