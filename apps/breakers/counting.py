"""How the calls of this process to each endpoint went lately.

Each process judges by its own calls: a count that all shared would be a row that every call waits for. So a system
that goes away gets a few calls from every process before it is left alone, and what one process finds holds for all.
"""

import time
from collections import deque
from threading import Lock
from uuid import UUID

from apps.breakers.rules import Rules

# More than this many calls within a window say no more than so many.
MOST_REMEMBERED = 1000


class Tally:
    """The last calls to one endpoint: when each ended, and whether it failed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: deque[tuple[float, bool]] = deque(maxlen=MOST_REMEMBERED)
        self._in_a_row = 0

    def add(self, *, failed: bool, rules: Rules) -> bool:
        """Count one more, and say whether that is reason enough to open the breaker."""
        now = time.monotonic()
        with self._lock:
            self._calls.append((now, failed))
            self._in_a_row = self._in_a_row + 1 if failed else 0
            if not failed:
                return False
            if self._in_a_row >= rules.consecutive_failures:
                return True
            recent = [was_failure for at, was_failure in self._calls if at > now - rules.window_seconds]
            return len(recent) >= rules.min_calls and sum(recent) >= rules.error_rate * len(recent)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._in_a_row = 0


_tallies: dict[UUID, Tally] = {}


def tally_of(endpoint_id: UUID) -> Tally:
    """One for each endpoint, made when it is first asked for."""
    return _tallies.setdefault(endpoint_id, Tally())


def forget() -> None:
    """Begin anew."""
    _tallies.clear()
