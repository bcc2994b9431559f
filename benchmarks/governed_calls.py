"""Governed calls: how many allowed tool calls the console decides, executes and records per second, against what the
same PostgreSQL does when pgbench gives it the same statements and nothing else has to be done.

    ./console bench governed_calls [--seconds 9] [--statements]

Exits with 1 when a call fails, when the books do not agree, when the ratio at 8 or 16 clients is below its floor, or
when at half load a decision takes longer than it may.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from contextlib import closing
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

from benchmarks.rig import report
from benchmarks.rig.calls import call_once, connect, request_bytes
from benchmarks.rig.connector import Connector, running_connector
from benchmarks.rig.console import BenchConsole
from benchmarks.rig.load import Measured, Order, measure
from benchmarks.rig.pgbench import Pgbench, succeeded_calls
from benchmarks.rig.postgres import Database
from benchmarks.rig.statements import StatementLog, TracedCall, pgbench_script
from meshconsole.local.terminal import Trouble, complain, say

CLIENT_COUNTS = (1, 8, 16)
HALF_LOAD_CLIENTS = 8
# Console and pgbench take turns, so that whatever else the machine does meanwhile slows both.
TURNS = 3
# The worker delivers the news of the last calls within a second; pgbench waits for that.
DELIVERY_SECONDS = 1.5
# What full load and pgbench left PostgreSQL to write and to tidy is not the console's at half load.
SETTLE_SECONDS = 4.0
DEFAULT_SECONDS, MAX_SECONDS = 9, 18
# Before anything is measured: threads load the releases and build their statements once, tables get their first pages.
FIRST_CLIENTS, FIRST_SECONDS = 8, 5
# Each web process has just read what it reads once in a while, so that a traced call does not.
FIRST_CALLS = 20
# Numbers that stand nowhere else in a statement.
TRACED_INVOICES = range(7000001, 7000007)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench governed_calls", allow_abbrev=False)
    parser.add_argument(
        "--seconds",
        type=int,
        default=DEFAULT_SECONDS,
        choices=range(TURNS, MAX_SECONDS + 1),
        metavar="N",
        help=f"how long each number of clients is measured on either side, {TURNS} to {MAX_SECONDS} (default 9)",
    )
    parser.add_argument("--statements", action="store_true", help="also list the statements of one call")
    options = parser.parse_args(arguments)
    # what was started is stopped on the way out, whoever asks for it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="meshconsole-bench-") as directory, running_connector() as connector:
            return run(Path(directory), connector, seconds=options.seconds, with_statements=options.statements)
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


def run(directory: Path, connector: Connector, *, seconds: int, with_statements: bool) -> int:
    began = time.monotonic()
    say(report.machine_line())
    console = BenchConsole(directory)
    with console.running() as database_url:
        database = Database(database_url)
        calls = Calls(console.port, console.bootstrap(connector_url=connector.url))
        calls.measure(FIRST_CLIENTS, FIRST_SECONDS)
        # autovacuum does so within two minutes; until then a key is looked for among all calls of its tool
        database.analyze()
        traced = calls.trace(StatementLog(database, console.postgres_log))
        if with_statements:
            say(report.statement_list(traced[0]))
        script = directory / "governed_call.sql"
        script.write_text(pgbench_script(*traced), encoding="utf-8")
        # in a database of its own, the worker neither finds nor works on what pgbench writes
        pgbench = Pgbench(database.copy("pgbench"), script)
        rows = [take_turns(calls, pgbench, count, seconds=seconds) for count in CLIENT_COUNTS]
        paced = at_half_load(calls, connector, seconds=seconds)
        pgbench.check()
        books = report.Books(calls.done_count, connector.ledger(), succeeded_calls(database))
    failures = report.complaints(rows, paced, books)
    say(f"\n{report.table(rows)}\n\n{paced}\n\n{books}")
    say(f"{len(traced[0].statements)} statements a call. Took {time.monotonic() - began:.0f} s.")
    for failure in failures:
        complain(failure)
    return 1 if failures else 0


class Calls:
    """The agent's side. `done_count` is of all its calls that were answered 200 and had succeeded."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._rounds = 0
        self.done_count = 0

    def measure(self, client_count: int, seconds: int, *, per_second: float = 0.0) -> Measured:
        self._rounds += 1
        order = Order(self._port, self._token, f"round-{self._rounds}", client_count, seconds, per_second)
        measured = measure(order)
        self.done_count += measured.done_count
        return measured

    def trace(self, log: StatementLog) -> tuple[TracedCall, TracedCall]:
        """Two calls in a row, as PostgreSQL saw them, that sent the same statements: then everything is warm."""
        with log.told():
            for number in range(FIRST_CALLS):
                self._one(f"first-{number}", f"INV-{number}")
            for before, after in pairwise(self._traced(log, number) for number in TRACED_INVOICES):
                if before.shape == after.shape:
                    return before, after
        raise Trouble("No two calls in a row sent the same statements, so there is no one call to compare with.")

    def _traced(self, log: StatementLog, number: int) -> TracedCall:
        key, invoice = f"traced-call-{number}", f"INV-{number}"
        return log.trace(lambda: self._one(key, invoice), key=key, words=(invoice,))

    def _one(self, key: str, invoice: str) -> None:
        """A call that must succeed, on a connection of its own."""
        with closing(connect(self._port)) as link:
            answer = call_once(link, request_bytes(port=self._port, token=self._token, key=key, invoice=invoice))
        if not answer.is_done:
            raise Trouble(f"A governed call was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        self.done_count += 1


def take_turns(calls: Calls, pgbench: Pgbench, client_count: int, *, seconds: int) -> report.Row:
    """Console, pgbench, console, pgbench, …: never both at once."""
    say(f"{client_count} client{'s' if client_count > 1 else ''} …")
    governed, alone = [], []
    for _ in range(TURNS):
        governed.append(calls.measure(client_count, seconds // TURNS))
        time.sleep(DELIVERY_SECONDS)
        alone.append(pgbench.run(client_count=client_count, seconds=seconds // TURNS))
    return report.Row(client_count, reduce(add, governed), reduce(add, alone))


def at_half_load(calls: Calls, connector: Connector, *, seconds: int) -> report.Paced:
    """How long things take when half as much is asked for as the console can do: as it can at that moment, so each turn
    looks first.
    """
    say("half load …")
    full, paced = [], []
    for _ in range(TURNS):
        full.append(calls.measure(HALF_LOAD_CLIENTS, seconds // TURNS))
        time.sleep(SETTLE_SECONDS)
        half = full[-1].per_second / 2
        paced.append(calls.measure(HALF_LOAD_CLIENTS, seconds // TURNS, per_second=half))
    measured, arrivals = reduce(add, paced), connector.arrivals()
    decided = [round((arrivals[key] - due_at) * 1000, 2) for key, due_at in measured.due_at.items()]
    return report.Paced(reduce(add, full).per_second / 2, measured, decided)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
