"""The approval queue: what a page, a vote and a bulk act cost with a hundred thousand waiting among ten million,
against the same with ten thousand, and against Django's admin on the same table.

./console bench approvals_queue [--rows 10000000]

Exits with 1 when a figure misses its limit. Ten million take about ten gigabytes of disk and a quarter of an hour to
write.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.rig import report
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.stopping import StopRequest
from meshconsole.local.terminal import Trouble, complain, say
from meshconsole.local.throw_away import throw_away_environment

SMALL, LARGE = 10_000, 10_000_000
# p95 at the large size; None where only the comparison is of interest.
LIMITS_MS = {
    "list, waiting for me": 150,
    "list, high risk in EUR": 150,
    "list, everything": 150,
    "API, waiting for me": 150,
    "vote and next card": 150,
    "select all matching": 3000,
    "bulk vote of 500": 2000,
}
MOST_GROWTH = 1.5
GROWS_WITH = "list, waiting for me"
ADMIN = "Django admin, same rows"
GENERATION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the table: p50 and p95 in milliseconds by what was done."""

    rows: int
    figures: dict[str, tuple[float, float]]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench approvals_queue", allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=LARGE, help="how many approvals the large table holds")
    options = parser.parse_args(arguments)
    say(report.machine_line())
    try:
        # the large one first: both are then measured close together, after the long writing
        large, small = _measured([options.rows, SMALL])
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    say(_table(small, large))
    failures = _complaints(small, large)
    for failure in failures:
        complain(failure)
    return 1 if failures else 0


def _measured(sizes: list[int]) -> list[Size]:
    stop = StopRequest().listen()
    with throw_away_environment(stop, settings="benchmarks.rig.queue.settings") as environment:
        command = [sys.executable, "-m", "benchmarks.rig.queue.run", *map(str, sizes)]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, timeout=GENERATION_SECONDS
        )
    if done.returncode:
        raise Trouble("The queue could not be filled or measured; what went wrong stands above.")
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [Size(each["size"], {name: tuple(times) for name, times in each["figures"].items()}) for each in told]


def _table(small: Size, large: Size) -> str:
    head = f"{'':28}{f'{small.rows:,} rows':>22}{f'{large.rows:,} rows':>22}{'p50 ratio':>12}{'limit':>10}"
    lines = [head, f"{'':28}{'p50':>11}{'p95':>11}{'p50':>11}{'p95':>11}"]
    for name, (p50, p95) in large.figures.items():
        before = small.figures.get(name)
        few = f"{before[0]:8.1f} ms{before[1]:8.1f} ms" if before else " " * 22
        ratio = f"{p50 / before[0]:12.2f}" if before else " " * 12
        limit = f"{LIMITS_MS[name]:7} ms" if name in LIMITS_MS else ""
        lines.append(f"{name:28}{few}{p50:8.1f} ms{p95:8.1f} ms{ratio}{limit:>10}")
    return "\n".join(lines)


def _complaints(small: Size, large: Size) -> list[str]:
    found = [
        f"{name}: p95 is {large.figures[name][1]:.0f} ms, the limit is {limit} ms."
        for name, limit in LIMITS_MS.items()
        if name in large.figures and large.figures[name][1] > limit
    ]
    growth = large.figures[GROWS_WITH][0] / small.figures[GROWS_WITH][0]
    if growth > MOST_GROWTH:
        found.append(f"{GROWS_WITH}: {growth:.2f} times the small table's, the limit is {MOST_GROWTH}.")
    if large.figures[GROWS_WITH][0] > large.figures[ADMIN][0]:
        found.append("The admin's list is faster than ours.")
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
