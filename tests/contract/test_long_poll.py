"""GET …/tool-calls/{id}?wait=: told at once when the call ends, and turned away at once when every place is taken."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from tests.conftest import Robot, parked

pytestmark = pytest.mark.django_db(transaction=True)

LONG_SECONDS = 20


def timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    """(the answer, the seconds it took), on a connection of the thread's own."""
    started = time.monotonic()
    try:
        return ask(), time.monotonic() - started
    finally:
        connections.close_all()


def test_waiters_hear_of_the_end_at_once_and_one_too_many_is_told_to_come_back(writer: Robot) -> None:
    call, _ = parked(writer)
    url = f"/api/v1/tool-calls/{call.id}"
    with ThreadPoolExecutor() as threads:
        waiters = [
            threads.submit(timed, lambda: writer.api().get(f"{url}?wait={LONG_SECONDS}"))
            for _ in range(settings.LONG_POLL_SLOTS)
        ]
        refused, seconds = _ask_until_refused(writer, url)
        cancelled = writer.api().post(f"{url}/cancel")
        answers = [waiter.result() for waiter in waiters]

    assert refused.status_code == 202
    assert int(refused["Retry-After"]) > 0
    assert seconds < LONG_SECONDS / 4
    assert cancelled.status_code == 200
    for answer, waited in answers:
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert not answer.has_header("Retry-After")
        assert waited < LONG_SECONDS / 2
    free, seconds = timed(lambda: writer.api().get(f"{url}?wait={LONG_SECONDS}"))
    assert (free.status_code, free.has_header("Retry-After")) == (200, False)
    assert seconds < LONG_SECONDS / 4


def _ask_until_refused(writer: Robot, url: str) -> tuple[Any, float]:
    """Until the waiters have taken their places, a short wait finds one free and ends with its time."""
    deadline = time.monotonic() + LONG_SECONDS / 2
    while time.monotonic() < deadline:
        answer, _ = timed(lambda: writer.api().get(f"{url}?wait=0.05"))
        if answer.has_header("Retry-After"):
            return timed(lambda: writer.api().get(f"{url}?wait={LONG_SECONDS}"))
    raise AssertionError("the waiters never took every place")
