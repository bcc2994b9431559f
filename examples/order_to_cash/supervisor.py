"""Child processes: started, started again with back-off when they end, stopped together, never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

STEADY_SECONDS = 30.0  # a child that ran this long has recovered; the next end starts the back-off anew
LONGEST_BACK_OFF_SECONDS = 30.0
GRACE_SECONDS = 2.0
PR_SET_PDEATHSIG = 1


class Child:
    """One program of the mesh."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._ends = 0
        self._due: float | None = 0.0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tend(self) -> None:
        """Start it when it is due; notice when it ended and set when to start it again."""
        now = time.monotonic()
        if self._due is not None:
            if now >= self._due:
                self._start()
            return
        if self._process is None or self._process.poll() is None:
            return
        self._ends = 0 if now - self._started > STEADY_SECONDS else self._ends + 1
        wait = min(LONGEST_BACK_OFF_SECONDS, 0.5 * 2.0**self._ends)
        self._due = now + wait
        print(f"mesh: {self.name} ended with {self._process.returncode}, again in {wait:.0f} s", flush=True)

    def terminate(self) -> None:
        self._due = None
        if self.is_running and self._process is not None:
            self._process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait until the deadline, then end it and whatever it started."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _start(self) -> None:
        self._due = None
        self._started = time.monotonic()
        # Its own session, so that Ctrl-C reaches the parent alone and the parent decides the order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._arguments],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_dies_with_parent(),
        )


def stop_all(children: list[Child]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.finish(deadline)


def _dies_with_parent() -> Callable[[], None] | None:
    """Linux: the kernel kills the child when this process dies, kill -9 included. Everything kept is crash-safe.

    Run between fork and exec, which is safe because the parent has a single thread.
    """
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
