"""Impact replay: how long a hundred thousand stored decisions of the reference mesh take to be made again, by two
workers, and how much memory each of them needs.

./console bench impact_replay [--decisions 100000]

Two drafts are replayed: one that equals the release, which must differ in nothing, and one that raises a limit. Exits
with 1 when either misses its limit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from benchmarks.rig import report
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import Trouble, complain, say
from meshconsole.local.throw_away import throw_away_environment

DECISIONS = 100_000
# For a hundred thousand, on two cores that PostgreSQL shares.
LIMIT_SECONDS = 40.0
# What a worker may grow by between its first and its last chunk.
LIMIT_GROWTH_MB = 100
LONGEST_SECONDS = 3600
HEADINGS = ("", "decisions", "seconds", "a second", "µs of CPU", "differ", "chunks", "peak MB", "grew MB")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench impact_replay", allow_abbrev=False)
    parser.add_argument("--decisions", type=int, default=DECISIONS, help="how many decisions are stored")
    options = parser.parse_args(arguments)
    say(report.machine_line())
    try:
        runs = _measured(options.decisions)
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    say(_table(runs))
    failures = _complaints(runs)
    for failure in failures:
        complain(failure)
    return 1 if failures else 0


def _measured(decisions: int) -> list[dict[str, Any]]:
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="meshconsole.settings_test") as environment:
        command = [sys.executable, "-m", "benchmarks.rig.replay.run", str(decisions)]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, timeout=LONGEST_SECONDS
        )
    if done.returncode:
        raise Trouble("The history could not be filled or replayed; what went wrong stands above.")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _table(runs: list[dict[str, Any]]) -> str:
    lines = [HEADINGS, *(_cells(run) for run in runs)]
    return "\n".join(line[0].ljust(26) + "".join(cell.rjust(11) for cell in line[1:]) for line in lines)


def _cells(run: dict[str, Any]) -> tuple[str, ...]:
    done = run["done"]
    return (
        run["name"],
        f"{done:,}",
        f"{run['seconds']:.1f}",
        f"{done / run['seconds']:,.0f}",
        f"{1e6 * run['processor_seconds'] / done:.0f}",
        f"{run['differ']:,}",
        f"{run['chunks']:,}",
        f"{run['peak_mb']:.0f}",
        f"{run['grew_mb']:.0f}",
    )


def _complaints(runs: list[dict[str, Any]]) -> list[str]:
    found = []
    for run in runs:
        limit = LIMIT_SECONDS * run["done"] / DECISIONS
        if run["seconds"] > limit:
            found.append(f"{run['name']}: {run['seconds']:.1f} s, the limit is {limit:.1f} s.")
        if run["grew_mb"] > LIMIT_GROWTH_MB:
            found.append(f"{run['name']}: a worker grew by {run['grew_mb']:.0f} MB, the limit is {LIMIT_GROWTH_MB} MB.")
        if run["done"] != run["total"]:
            found.append(f"{run['name']}: {run['done']} of {run['total']} were made again.")
    if runs[0]["differ"]:
        found.append(f"{runs[0]['differ']} decisions differ under the release they were made under.")
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
