"""The order-to-cash reference mesh: registered with the console through its public door, then run beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshconsole.local.environment import without_product
from meshconsole.local.home import read_json, write_private
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.port import choose_free, is_free
from meshconsole.local.processes import MARK, Child
from meshconsole.local.steps import Steps
from meshconsole.local.terminal import Trouble

SYSTEMS = ("erp", "crm", "ticketing")
MODULE = "examples.order_to_cash"
SIGN_IN = "open the URL and press ‘Sign in as Dana (finance approver)’"


class Demo:
    """Everything it knows is in one directory of the home, its secrets in files for their owner alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = directory / "ports.json"
        self._credentials = directory / "credentials.json"
        self._people = directory / "people.json"

    def prepare(self, steps: Steps, environment: Mapping[str, str]) -> None:
        """Chooses ports and loads the mesh's processes, agents, tools and people. Again changes nothing."""
        self.choose_ports()
        arguments = ("--ports-file", self._ports, "--home", self._directory)
        described = steps.run(
            "Describing the demo", "-m", f"{MODULE}.bootstrap", *arguments, environment=outside_program(environment)
        )
        bootstrap = self._directory / "bootstrap.json"
        write_private(bootstrap, described)
        printed = steps.run("Loading the demo", "manage.py", "bootstrap", "--file", bootstrap, environment=environment)
        self.keep(printed)

    def choose_ports(self) -> dict[str, int]:
        """One port for each system, the same as last time unless a stranger has taken it since."""
        kept = read_json(self._ports, {})
        ports = {name: kept[name] for name in SYSTEMS if name in kept and is_free(kept[name])}
        for name in SYSTEMS:
            if name not in ports:
                ports[name] = choose_free(taken=ports.values())
        write_private(self._ports, json.dumps(ports))
        return ports

    def keep(self, printed: str) -> None:
        """Adds what `bootstrap` made to what earlier starts made: each secret is printed once in its life."""
        try:
            made = json.loads(printed.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise Trouble("`manage.py bootstrap` did not end with a line of JSON.") from None
        self._merge(self._credentials, made, "credentials", key="agent")
        self._merge(self._people, made, "people", key="username")

    def _merge(self, path: Path, made: dict[str, Any], kind: str, *, key: str) -> None:
        kept = read_json(path, {}).get(kind, [])
        merged = {entry[key]: entry for entry in [*kept, *made.get(kind, [])]}
        write_private(path, json.dumps({kind: list(merged.values())}, indent=1))

    def child(self, *, console: str, environment: Mapping[str, str], log: Path) -> Child:
        """The mesh as a program. It gets neither the database nor a key: it is an outside program like any other."""
        command: list[str | Path] = [sys.executable, "-m", f"{MODULE}.mesh", "--home", self._directory]
        command += ["--console", console, "--credentials", self._credentials, "--ports-file", self._ports]
        outside = outside_program(environment)
        return Child("demo", command, environment=outside, directory=CHECKOUT, log=log, grace_seconds=3.0)


def outside_program(environment: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but the mark by which what is left of it is found."""
    return {**without_product(environment), MARK: environment[MARK]}
