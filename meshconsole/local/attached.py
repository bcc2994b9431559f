"""Running a command that has the terminal, while we wait to clean up after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from meshconsole.local import processes
from meshconsole.local.stopping import StopRequest

PATIENCE_SECONDS = 10.0


def run(
    command: Sequence[str | Path], *, environment: Mapping[str, str], stop: StopRequest, directory: Path | None = None
) -> int:
    """The command's exit code, as a shell gives it. A wish to stop is handed on, and enforced after some patience."""
    _leave_ctrl_c_to_the_command(stop)
    # in our own process group, so that Ctrl-C and job control reach it as if it were alone
    process = subprocess.Popen(
        command, env=environment, cwd=directory, preexec_fn=processes.die_with_parent(signal.SIGTERM)
    )
    patient_until: float | None = None
    while True:
        try:
            code = process.wait(0.1)
            return 128 - code if code < 0 else code
        except subprocess.TimeoutExpired:
            if not stop.is_asked:
                continue
        if patient_until is None:
            # not SIGTERM: on an interrupt Python programs clean up behind themselves
            process.send_signal(signal.SIGINT)
            patient_until = time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > patient_until:
            process.kill()


def _leave_ctrl_c_to_the_command(stop: StopRequest) -> None:
    """The terminal sends Ctrl-C to the command as well; a second one from us would break off its cleaning up."""

    def heard(number: int, frame: FrameType | None) -> None:
        if not _has_terminal():
            stop.ask()

    signal.signal(signal.SIGINT, heard)


def _has_terminal() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno() if sys.__stdin__ else 0) == os.getpgrp()
    except (OSError, ValueError):
        return False
