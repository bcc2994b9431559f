"""A command that has the terminal keeps its exit code, and a wish to stop reaches it."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from meshconsole.local import attached
from meshconsole.local.stopping import StopRequest
from tests.local.conftest import RunPython

RUN = """
import os, signal, sys
from meshconsole.local import attached
from meshconsole.local.stopping import StopRequest
# the suite itself may have been started with nohup, which is inherited
signal.signal(signal.SIGHUP, signal.SIG_DFL)
code = '''
import time
try:
    print("running", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("cleaned up", flush=True)
    raise SystemExit(7)
'''
sys.exit(attached.run([sys.executable, "-c", code], environment=os.environ, stop=StopRequest().listen()))
"""


@pytest.mark.parametrize(("code", "exits"), [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_passes_the_exit_code_on(code: str, exits: int) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        assert attached.run([sys.executable, "-c", code], environment=os.environ, stop=StopRequest()) == exits
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_lets_the_command_clean_up_when_told_to_stop(number: signal.Signals, run_python: RunPython) -> None:
    process = run_python(RUN)
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaned up\n"
    assert process.wait() == 7
