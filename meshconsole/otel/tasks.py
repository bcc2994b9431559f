"""A step for every task that was enqueued within a trace, as part of it. What the beat starts is none: the steps it
takes are roots of their own.
"""

from contextlib import AbstractContextManager
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

from apps.core import observing
from apps.core.tracing import read_traceparent

HEADER = "traceparent"

_open: dict[str, AbstractContextManager[None]] = {}


def connect() -> None:
    """Called once, where something is sent."""
    before_task_publish.connect(_publish, weak=False)
    task_prerun.connect(_begin, weak=False)
    task_postrun.connect(_end, weak=False)


def _publish(headers: dict[str, Any], **more: Any) -> None:
    headers.update(observing.headers())


def _begin(task_id: str, task: Any, **more: Any) -> None:
    parent = read_traceparent(getattr(task.request, HEADER, None))
    if parent is None or not observing.is_on():
        return
    began = observing.step("task", observing.CONSUMER, attributes={"mesh.task": task.name}, parent=parent)
    began.__enter__()
    _open[task_id] = began


def _end(task_id: str, state: str = "", retval: Any = None, **more: Any) -> None:
    began = _open.pop(task_id, None)
    if began is None:
        return
    if isinstance(retval, Exception) and state == "FAILURE":
        observing.note({"error.type": type(retval).__name__})
    began.__exit__(None, None, None)
