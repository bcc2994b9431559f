"""The Celery application. Messages carry ids only; the database is the truth and every queue can be rebuilt from it."""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import task_prerun

from meshconsole import otel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "meshconsole.settings")

app = Celery("meshconsole")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_prerun.connect
def name_the_task(task_id: str, **more: Any) -> None:
    """What a task logs and records carries its id, as a request's carries the request's."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=task_id)


otel.for_celery()
