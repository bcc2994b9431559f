"""The list of runs: what its pages cost with a hundred thousand runs and five million spans beside them.

./console bench runs_list [--runs 100000] [--spans 5000000]

Exits with 1 when the p95 of a page is above its limit. Five million spans take about three gigabytes of disk and one to
three minutes to write.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from benchmarks.rig import report
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import Trouble, complain, say
from meshconsole.local.throw_away import throw_away_environment

RUNS, SPANS = 100_000, 5_000_000
LIMIT_MS = 150
MOST_SECONDS = 900


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench runs_list", allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=RUNS, help="how many runs there are (default 100,000)")
    parser.add_argument("--spans", type=int, default=SPANS, help="how many spans they have in all (default 5,000,000)")
    options = parser.parse_args(arguments)
    say(report.machine_line())
    try:
        figures = _measured(options.runs, options.spans)
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    say(f"{'':28}{'p50':>11}{'p95':>11}{'limit':>10}")
    for name, (p50, p95) in figures.items():
        say(f"{name:28}{p50:8.1f} ms{p95:8.1f} ms{LIMIT_MS:7} ms")
    slow = {name: p95 for name, (_, p95) in figures.items() if p95 > LIMIT_MS}
    for name, p95 in slow.items():
        complain(f"{name}: p95 is {p95:.0f} ms, the limit is {LIMIT_MS} ms.")
    return 1 if slow else 0


def _measured(run_count: int, span_count: int) -> dict[str, tuple[float, float]]:
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="meshconsole.settings_test") as environment:
        command = [sys.executable, "-m", "benchmarks.rig.runs.run", str(run_count), str(span_count)]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, timeout=MOST_SECONDS
        )
    if done.returncode:
        raise Trouble("The list could not be filled or measured; what went wrong stands above.")
    told = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return {name: tuple(times) for name, times in told["figures"].items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
