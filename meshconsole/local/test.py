"""`./console test`: the whole suite on stores of its own."""

from __future__ import annotations

import sys

from meshconsole.local import attached, chromium
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.throw_away import throw_away_environment


def main(arguments: list[str]) -> int:
    """pytest's exit code. Nothing it started is left, whichever way it ended."""
    browser = chromium.environment()
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="meshconsole.settings_test") as environment:
        command = [sys.executable, "-m", "pytest", *arguments]
        return attached.run(command, environment={**environment, **browser}, directory=CHECKOUT, stop=stop)
