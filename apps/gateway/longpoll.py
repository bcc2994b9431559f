"""Waiting for a call to end, without letting waiters starve the web process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

MAX_WAIT_SECONDS = 60
# How soon an agent learns of an end, against one small query per step and waiter.
STEPS_SECONDS = (0.05, 0.1, 0.2, 0.25)

_slots = threading.BoundedSemaphore(settings.LONG_POLL_SLOTS)


@contextmanager
def slot() -> Iterator[bool]:
    """True while one of the process's waiting places is ours; False at once when all are taken."""
    taken = _slots.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            _slots.release()


def wait_until(is_over: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again until it is over or the time is up. Holds no database connection while it sleeps."""
    end = time.monotonic() + min(seconds, MAX_WAIT_SECONDS)
    step = 0
    while not is_over():
        left = end - time.monotonic()
        if left <= 0:
            return False
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(min(left, STEPS_SECONDS[min(step, len(STEPS_SECONDS) - 1)]))
        step += 1
    return True
