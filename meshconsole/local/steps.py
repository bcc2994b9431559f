"""Commands that have to end well before the next thing may begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from meshconsole.local import processes
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import Stopped, StopRequest
from meshconsole.local.terminal import Trouble

LOOK_EVERY_SECONDS = 0.05


class Steps:
    """Runs Python commands of this checkout one after the other; their complaints go to one log."""

    def __init__(self, *, log: Path, stop: StopRequest) -> None:
        self._log, self._stop = log, stop

    def run(self, purpose: str, *arguments: str | Path, environment: Mapping[str, str]) -> str:
        """What the command printed. Raises Trouble when it fails, Stopped when stopping is asked for meanwhile."""
        log = processes.open_log(self._log)
        try:
            os.write(log, f"--- {purpose}\n".encode())
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=processes.die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(log)
        printed = self._wait(process)
        if process.returncode:
            raise Trouble(f"{purpose} failed:\n{processes.last_lines(self._log)}\n(from {self._log})")
        return printed

    def _wait(self, process: subprocess.Popen[str]) -> str:
        while True:
            try:
                return process.communicate(timeout=LOOK_EVERY_SECONDS)[0]
            except subprocess.TimeoutExpired:
                if self._stop.is_asked:
                    processes.end_group(process.pid)
                    process.communicate()
                    raise Stopped from None
