"""`./console bench [name]`: the benchmarks, each a program that starts what it measures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from meshconsole.local import attached
from meshconsole.local.environment import without_product
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import complain, say

DIRECTORY = CHECKOUT / "benchmarks"


def main(arguments: list[str]) -> int:
    """0 when every benchmark kept its limit, else the exit code of the last that did not."""
    names = names_in(DIRECTORY)
    if unknown := set(arguments[:1]) - set(names):
        complain(f"there is no benchmark “{unknown.pop()}”. There are: {', '.join(names) or 'none'}.")
        return 2
    if not names:
        complain("there are no benchmarks here.")
        return 2
    stop, worst = StopRequest().listen(), 0
    for name in arguments[:1] or names:
        say(f"--- {name}")
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments[1:]]
        worst = attached.run(command, environment=benchmark_environment(), directory=CHECKOUT, stop=stop) or worst
        if stop.is_asked:
            break
    return worst


def benchmark_environment() -> dict[str, str]:
    """Nothing of a console that the caller may have set up: a benchmark writes."""
    return without_product(os.environ)


def names_in(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("[!_]*.py"))
