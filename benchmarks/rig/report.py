"""What a run found, as a table and as reasons to fail."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rig.connector import Ledger
from benchmarks.rig.load import Measured, percentile
from benchmarks.rig.pgbench import PgbenchResult
from benchmarks.rig.statements import TracedCall

FLOOR, FLOOR_CLIENTS = 0.30, (8, 16)
# By percent of the calls at half load: what deciding and committing may put before the act at most, in milliseconds.
MOST_DECIDED_MS = {50: 5.0, 99: 25.0}
BUSY_LOAD = 0.5
HEADINGS = ("clients", "calls/s", "p50 ms", "p99 ms", "errors", "pgbench/s", "mean ms", "ratio")


@dataclass(frozen=True, slots=True)
class Row:
    """Both sides at one number of clients."""

    client_count: int
    governed: Measured
    pgbench: PgbenchResult

    @property
    def ratio(self) -> float:
        return self.governed.per_second / self.pgbench.per_second

    @property
    def cells(self) -> tuple[str, ...]:
        governed, pgbench = self.governed, self.pgbench
        return (
            str(self.client_count),
            f"{governed.per_second:.0f}",
            f"{governed.percentile_ms(50):.1f}",
            f"{governed.percentile_ms(99):.1f}",
            str(governed.error_count),
            f"{pgbench.per_second:.0f}",
            f"{self.client_count / pgbench.per_second * 1000:.1f}",
            f"{self.ratio:.3f}",
        )


@dataclass(frozen=True, slots=True)
class Paced:
    """So many calls a second, each from when it was due: `measured` until its answer, `decided_ms` until the business
    system had it, which is what deciding and committing the decision puts before the act.
    """

    per_second: float
    measured: Measured
    decided_ms: list[float]

    def __str__(self) -> str:
        decided, answered = self.decided_ms, self.measured.latencies_ms
        return (
            f"At half load ({self.per_second:.0f} calls/s) the business system had a call after "
            f"{percentile(decided, 50):.1f} ms (p50), {percentile(decided, 99):.1f} ms (p99), and the agent its answer "
            f"after {percentile(answered, 50):.1f} ms, {percentile(answered, 99):.1f} ms; "
            f"{self.measured.error_count} errors."
        )


@dataclass(frozen=True, slots=True)
class Books:
    """One number in three places: answers to the clients, effects at the connector, rows of the console."""

    answered_count: int
    ledger: Ledger
    succeeded_count: int

    @property
    def agree(self) -> bool:
        told = {self.answered_count, self.ledger.effect_count, self.ledger.request_count, self.succeeded_count}
        return len(told) == 1

    def __str__(self) -> str:
        return (
            f"{self.answered_count} calls were answered 200; the connector saw {self.ledger.request_count} requests "
            f"with {self.ledger.effect_count} effects; the console holds {self.succeeded_count} calls that succeeded."
        )


def machine_line() -> str:
    """What shares the processors; a load before the start is other people's."""
    load = os.getloadavg()[0]
    busy = (
        f" They were busy before the start (load {load:.1f}): trust the ratio, not the rates." if _is_busy(load) else ""
    )
    return (
        f"{os.cpu_count()} processors, shared by web, worker, PostgreSQL, Valkey, the clients and the connector.{busy}"
    )


def _is_busy(load: float) -> bool:
    return load > BUSY_LOAD


def table(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, *(row.cells for row in rows)]
    return "\n".join("".join(cell.rjust(11) for cell in line) for line in lines)


def statement_list(call: TracedCall) -> str:
    """Each statement in short, with the server's time for it, and their sum."""
    lines = [
        f"{number:3}  {statement.milliseconds:7.3f} ms  {_short(statement.text)}"
        for number, statement in enumerate(call.statements, 1)
    ]
    total = sum(statement.milliseconds for statement in call.statements)
    return "\n".join([*lines, f"     {total:7.3f} ms  in PostgreSQL, of one call with nobody else about"])


def _short(text: str) -> str:
    """The verb and the table; columns and values left out."""
    words = " ".join(text.split()) or "(the pool asks whether the connection is alive)"
    if words.startswith("SELECT ") and " FROM " in words:
        words = "SELECT … FROM " + words.partition(" FROM ")[2]
    return words if len(words) <= 110 else words[:109] + "…"


def complaints(rows: Sequence[Row], paced: Paced, books: Books) -> list[str]:
    """Why the run failed, a sentence each; [] when it did not."""
    found = []
    for row in rows:
        if row.governed.error_count:
            samples = "; ".join(row.governed.error_samples)
            found.append(f"{row.governed.error_count} errors at {row.client_count} clients: {samples}")
        if row.client_count in FLOOR_CLIENTS and row.ratio < FLOOR:
            found.append(f"At {row.client_count} clients the ratio is {row.ratio:.3f}, below the floor of {FLOOR:.2f}.")
    if paced.measured.error_count:
        found.append(f"{paced.measured.error_count} errors at half load: {'; '.join(paced.measured.error_samples)}")
    for percent, most in MOST_DECIDED_MS.items():
        if (took := percentile(paced.decided_ms, percent)) > most:
            found.append(f"At half load p{percent} before the act is {took:.1f} ms, above {most:g} ms.")
    if not books.agree:
        found.append(f"The books do not agree: {books}")
    return found
