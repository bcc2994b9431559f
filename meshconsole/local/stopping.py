"""The wish to stop: a flag that signals set and every wait looks at."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Stopped(Exception):
    """Somebody asked to stop while something was being started."""


class StopRequest:
    """Set by Ctrl-C, SIGTERM and a closed terminal.

    A flag and not an exception out of the signal handler: that could strike between the birth of a process and the
    line that remembers it, and leave it behind.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def listen(self) -> StopRequest:
        """From now on the signals only set the flag."""
        # A shell starts background jobs with Ctrl-C ignored; `kill -INT` shall work there too.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)
        # nohup means: go on when the terminal closes
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._heard)
        return self

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def ask(self) -> None:
        """What a signal does."""
        self._event.set()

    @property
    def is_asked(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """True as soon as stopping was asked for, False after the time."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raises Stopped once stopping was asked for."""
        if self.is_asked:
            raise Stopped
