"""An agent as a program outside: it asks under one key until it has a definite answer, whatever happens meanwhile."""

import threading
import time
from collections import Counter
from typing import Any

import httpx

from tests.fire.installation import Installation

AGENT = "o2c-triage"
OPEN = ("awaiting_approval", "queued", "executing")
ENDED = ("succeeded", "failed", "outcome_unknown")
PAUSE_SECONDS = 0.3
PATIENCE_SECONDS = 12


class Agents:
    """`count` threads that work off the requests. `ends` is the last state each key was told of; `answers` counts what
    the console said, by status.
    """

    def __init__(self, installation: Installation, requests: list[dict[str, Any]], *, count: int) -> None:
        self._installation = installation
        self._waiting = list(reversed(requests))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        self.ends: dict[str, str] = {}
        self.answers: Counter[int] = Counter()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        with httpx.Client(base_url=self._installation.url, timeout=PATIENCE_SECONDS) as client:
            while True:
                with self._lock:
                    request = self._waiting.pop() if self._waiting else None
                if request is None:
                    return
                self._see_through(client, request)

    def _see_through(self, client: httpx.Client, request: dict[str, Any]) -> None:
        """Ask, and ask again with the same key, until the answer is definite."""
        while True:
            answer = self._ask(client, request)
            state = answer.get("state") if answer else None
            if state:
                with self._lock:
                    self.ends[request["idempotency_key"]] = state
            if state in ENDED:
                return
            time.sleep(PAUSE_SECONDS)

    def _ask(self, client: httpx.Client, request: dict[str, Any]) -> dict[str, Any] | None:
        try:
            if "Authorization" not in client.headers:
                client.headers["Authorization"] = f"Bearer {self._installation.token(AGENT)}"
            answer = client.post("/api/v1/tool-calls", json=request)
            with self._lock:
                self.answers[answer.status_code] += 1
            if answer.status_code == 401:
                del client.headers["Authorization"]
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError, KeyError):
            return None
        return document
