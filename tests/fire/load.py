"""Agents at full speed: each asks for one call after the other and looks at nothing but the status."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30


@dataclass
class Told:
    """What came of it: (status, seconds it took, when it was answered) of each call, by the machine's clock."""

    answers: list[tuple[int, float, float]] = field(default_factory=list)

    def count(self, status: int) -> int:
        return sum(answer[0] == status for answer in self.answers)


class Load:
    """`clients` threads, each on a connection of its own. `request_of` makes the body of the n-th call, which uses
    the n-th token in turn.
    """

    def __init__(
        self,
        url: str,
        tokens: list[str],
        request_of: Callable[[int], dict[str, Any]],
        *,
        clients: int,
        pause_seconds: float = 0,
    ) -> None:
        self._pause_seconds = pause_seconds
        self._address = urlsplit(url)
        self._tokens, self._request_of = tokens, request_of
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(clients)]
        self.told = Told()

    @contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(TIMEOUT_SECONDS)

    def _work(self, worker: int) -> None:
        link = self._connect()
        headers = {"Content-Type": "application/json"}
        while not self._stop.wait(self._pause_seconds):
            number = next(self._numbers)
            headers["Authorization"] = f"Bearer {self._tokens[number % len(self._tokens)]}"
            began = time.monotonic()
            try:
                link.request("POST", "/api/v1/tool-calls", json.dumps(self._request_of(number)), headers)
                answer = link.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                link.close()
                link = self._connect()
                continue
            self.told.answers.append((answer.status, time.monotonic() - began, time.time()))

    def _connect(self) -> http.client.HTTPConnection:
        assert self._address.hostname is not None
        return http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=TIMEOUT_SECONDS)


def percentile(seconds: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
