"""`./console test`: the tests on stores of their own; the whole suite on two processors at once."""

from __future__ import annotations

import sys

from meshconsole.local import attached, chromium
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.throw_away import throw_away_environment

# Two processes, each test file in one of them, in the order of tests/conftest.py. What is asked for by name runs in
# one, so that it can be watched. The fire drills want the machine for themselves: by name alone.
WHOLE_SUITE = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--ignore=tests/fire"]


def main(arguments: list[str]) -> int:
    """pytest's exit code. Nothing it started is left, whichever way it ended."""
    browser = chromium.environment()
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="meshconsole.settings_test") as environment:
        command = [sys.executable, "-m", "pytest", *(arguments or WHOLE_SUITE)]
        return attached.run(command, environment={**environment, **browser}, directory=CHECKOUT, stop=stop)
