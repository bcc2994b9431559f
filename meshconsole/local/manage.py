"""`./console manage …`: Django's command line on the stores of a home, running or not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from meshconsole.local import attached, processes
from meshconsole.local import environment as environments
from meshconsole.local.home import Home, InUse
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.scratch import Scratch
from meshconsole.local.stopping import StopRequest
from meshconsole.local.supervisor import Supervisor
from meshconsole.local.terminal import complain

# A console that is just starting announces its stores within seconds; another `manage` may take its time.
PATIENCE_SECONDS = 120.0


def main(arguments: list[str]) -> int:
    """The exit code of manage.py."""
    home = Home.at()
    command = [sys.executable, str(CHECKOUT / "manage.py"), *arguments]
    if not environments.embedded_needed():
        home.prepare()
        become(command, environments.for_django(home, environments.addresses()))
    deadline, told = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            with home.claimed("manage"):
                return with_own_stores(home, command)
        except InUse as in_use:
            running = home.running()
            if running and running.by == "up":
                become(command, environments.for_django(home, running.environment))
            if time.monotonic() > deadline:
                raise
            if not told:
                complain(f"{in_use.sentence} Waiting for it.")
                told = True
            time.sleep(0.2)


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Does not come back: the terminal, the signals and the exit code are the command's own."""
    os.execve(command[0], command, environment)


def with_own_stores(home: Home, command: list[str]) -> int:
    """Starts the embedded stores for as long as the command runs."""
    stop = StopRequest().listen()
    scratch = Scratch(home.path / "scratch")
    scratch.clear()
    # a killed run's web and worker would find the stores again and go on
    processes.end_marked(str(home.path))
    supervisor = Supervisor(stop, complain)
    try:
        stores = environments.embedded_stores(home, scratch, stop)
        for store in stores:
            supervisor.start(store)
        told = {**environments.variables_of(stores), **environments.addresses()}
        return attached.run(command, environment=environments.for_django(home, told), stop=stop)
    finally:
        supervisor.stop()
        scratch.clear()
