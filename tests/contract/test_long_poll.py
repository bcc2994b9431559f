"""GET …/tool-calls/{id}?wait=: told at once when the call ends, and turned away at once when every place is taken."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from tests.conftest import Robot, parked

LONG_SECONDS = 20


def timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    """(the answer, the seconds it took), on a connection of the thread's own."""
    started = time.monotonic()
    try:
        return ask(), time.monotonic() - started
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_waiters_hear_of_the_end_at_once_and_one_too_many_is_told_to_come_back(writer: Robot) -> None:
    call, _ = parked(writer)
    url = f"/api/v1/tool-calls/{call.id}"
    with ThreadPoolExecutor() as threads:
        waiters = [threads.submit(timed, lambda: _wait(writer, url)) for _ in range(settings.LONG_POLL_SLOTS)]
        _until_every_place_is_taken(writer, url)
        refused, seconds = timed(lambda: writer.api().get(f"{url}?wait={LONG_SECONDS}"))
        cancelled = writer.api().post(f"{url}/cancel")
        answers = [waiter.result() for waiter in waiters]

    assert refused.status_code == 202
    assert int(refused["Retry-After"]) > 0
    assert seconds < LONG_SECONDS / 4
    assert cancelled.status_code == 200
    for answer, waited in answers:
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert waited < LONG_SECONDS / 2


def _wait(writer: Robot, url: str) -> Any:
    """Wait for the end, coming back as told while there is no place."""
    while True:
        answer = writer.api().get(f"{url}?wait={LONG_SECONDS}")
        if not answer.has_header("Retry-After"):
            return answer
        time.sleep(0.01)


def _until_every_place_is_taken(writer: Robot, url: str) -> None:
    """Before that, a short wait finds a place and ends with its time."""
    deadline = time.monotonic() + LONG_SECONDS / 2
    while not writer.api().get(f"{url}?wait=0.01").has_header("Retry-After"):
        assert time.monotonic() < deadline, "the waiters never took every place"
        time.sleep(0.02)


@pytest.mark.django_db
def test_a_call_that_has_ended_is_not_waited_for(writer: Robot) -> None:
    call, _ = parked(writer)
    url = f"/api/v1/tool-calls/{call.id}"
    writer.api().post(f"{url}/cancel")
    answer, seconds = timed(lambda: writer.api().get(f"{url}?wait={LONG_SECONDS}"))

    assert (answer.status_code, answer.has_header("Retry-After")) == (200, False)
    assert seconds < LONG_SECONDS / 4
