"""PostgreSQL by itself: the statements of a governed call from pgbench, which does nothing else."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.postgres import Database
from benchmarks.rig.statements import IDS_PER_RUN
from meshconsole.local.terminal import Trouble

# psycopg puts the values into the text, as Django asks it to, and sends that as one simple query.
PROTOCOL = "simple"
GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PgbenchResult:
    """`count` iterations, each one governed call's worth of statements."""

    seconds: float
    count: int

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def __add__(self, other: PgbenchResult) -> PgbenchResult:
        return PgbenchResult(self.seconds + other.seconds, self.count + other.count)


class Pgbench:
    """Runs one script on one database; every run makes ids that no other made."""

    def __init__(self, database: Database, script: Path) -> None:
        self._database, self._script = database, script
        self._runs = 0
        self._succeeded_count = succeeded_calls(database)

    def run(self, *, client_count: int, seconds: int) -> PgbenchResult:
        """Raises Trouble with pgbench's own words when an iteration failed."""
        self._runs += 1
        options = {
            "--protocol": PROTOCOL,
            "--client": client_count,
            "--jobs": min(client_count, os.cpu_count() or 1),
            "--time": seconds,
            "--define": f"bench_n={self._runs * IDS_PER_RUN}",
            "--file": self._script,
        }
        printed = self._database.tool(
            "pgbench",
            "--no-vacuum",
            *(f"{name}={value}" for name, value in options.items()),
            seconds=seconds + GRACE_SECONDS,
        )
        count = _number(r"transactions actually processed: ([0-9]+)", printed)
        self._succeeded_count += int(count)
        # its own rate leaves out the time it took to connect
        return PgbenchResult(count / _number(r"tps = ([0-9.]+)", printed), int(count))

    def check(self) -> None:
        """Raises Trouble unless each iteration left a call that succeeded: one that does not end would be cheaper."""
        if (found := succeeded_calls(self._database)) != self._succeeded_count:
            raise Trouble(f"After pgbench there should be {self._succeeded_count} calls that succeeded, not {found}.")


def succeeded_calls(database: Database) -> int:
    return database.scalar("SELECT count(*) FROM gateway_toolcall WHERE state = 'succeeded'")


def _number(pattern: str, printed: str) -> float:
    if found := re.search(pattern, printed):
        return float(found[1])
    raise Trouble(f"pgbench printed something unexpected:\n{printed[-2000:]}")
