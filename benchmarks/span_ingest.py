"""Span ingest: how many spans a second the console takes over OTLP and has committed when it answers, against what
plain COPY of the same rows, in the same batches, makes of the same PostgreSQL in the same run. And whether the web
processes grow while it goes on.

    ./console bench span_ingest [--spans 200000] [--clients 4]

Exits with 1 when a span that was acknowledged is not there once, or a figure misses its limit.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.rig import report
from benchmarks.rig.console import BenchConsole
from benchmarks.rig.postgres import Database
from benchmarks.rig.spans import SPANS, Body, Sent, send_spans
from meshconsole.local.terminal import Trouble, complain, say

TABLE, PLAIN = "telemetry_reportedspan", "plain_spans"
# The same as there are web processes.
PLAIN_CONNECTIONS = 2
FLOOR_PER_SECOND, FLOOR_RATIO = 10_000, 0.25
# Console and COPY take turns, so that whatever else the machine does meanwhile slows both.
TURN_SPANS, LEAST_TURNS = 100_000, 4
WARM_UP_REQUESTS = 20
# By how much web processes may be larger in the second half of a run than they were in the first, each at its largest.
# The heap of a Python process is never quite still, and until so many spans came, threads are still filling theirs.
MOST_GROWTH, SETTLED_SPANS = 1.05, 1_000_000
PLAIN_BATCHES = 60


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench span_ingest", allow_abbrev=False)
    parser.add_argument("--spans", type=int, default=200_000, help="how many spans are sent (default 200,000)")
    parser.add_argument("--clients", type=int, default=4, help="how many clients send them (default 4)")
    options = parser.parse_args(arguments)
    # what was started is stopped on the way out, whoever asks for it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say(report.machine_line())
    try:
        with tempfile.TemporaryDirectory(prefix="meshconsole-bench-") as directory:
            return run(Path(directory), span_count=options.spans, client_count=options.clients)
    except Trouble as trouble:
        complain(str(trouble))
        return 1
    except KeyboardInterrupt:
        return 130


def run(directory: Path, *, span_count: int, client_count: int) -> int:
    console = BenchConsole(directory)
    with console.running() as database_url:
        database = Database(database_url)
        token = console.bootstrap(connector_url="http://127.0.0.1:9")
        send_spans(console.port, token, client_count=client_count, request_count=WARM_UP_REQUESTS)
        batches = _batches(database)
        sent, plain = [], []
        spent, memory = [0.0, 0.0], list[int]()
        postmaster = _postmaster(database)
        turns = max(LEAST_TURNS, span_count // TURN_SPANS)
        for turn in range(turns):
            requests = span_count // SPANS // turns
            began = processor_seconds(console.port, postmaster)
            sent.append(send_spans(console.port, token, client_count=client_count, request_count=requests))
            now = processor_seconds(console.port, postmaster)
            spent = [so_far + then - before for so_far, before, then in zip(spent, began, now, strict=True)]
            plain.append(plain_copy(database, batches))
            memory.append(web_memory(console.port))
            say(
                f"turn {turn + 1}: {sent[-1].per_second:,.0f} spans/s, plain COPY {plain[-1]:,.0f} rows/s, "
                f"web processes {memory[-1] >> 20} MiB"
            )
        acknowledged = sum(each.span_count for each in sent) + WARM_UP_REQUESTS * SPANS
        there = database.scalar(f"SELECT count(*) FROM {TABLE}")
        tools = database.scalar(f"SELECT count(*) FROM {TABLE} WHERE kind = 'tool'")
    return _told(sent, plain, spent, memory, acknowledged, there, tools)


def _told(
    sent: list[Sent],
    plain: list[float],
    spent: list[float],
    memory: list[int],
    acknowledged: int,
    there: int,
    tools: int,
) -> int:
    seconds = sum(each.seconds for each in sent)
    per_second = sum(each.span_count for each in sent) / seconds
    half = len(memory) // 2
    before, after = max(memory[:half]), max(memory[half:])
    copied = sum(plain) / len(plain)
    web, postgres = (each / sum(one.span_count for one in sent) * 10**6 for each in spent)
    latencies = sorted(latency for each in sent for latency in each.latencies)
    p50, p99 = latencies[len(latencies) // 2] * 1000, latencies[len(latencies) * 99 // 100] * 1000
    busy = sum(each.busy_count for each in sent)
    say(
        f"\n{per_second:,.0f} spans/s of {len(Body()) // SPANS} bytes, {SPANS} to a request"
        f"\na request took {p50:.0f} ms (p50), {p99:.0f} ms (p99); {busy} were asked to come again"
        f"\nplain COPY of the same rows in the same batches: {copied:,.0f} rows/s; ratio {per_second / copied:.2f}"
        f"\nprocessor time of a span: web {web:.0f} µs, PostgreSQL {postgres:.0f} µs"
        f"\n{acknowledged:,} spans acknowledged, {there:,} there, {tools:,} of them tools"
        f"\nweb processes: at most {before >> 20} MiB in the first half, {after >> 20} MiB in the second"
    )
    failures = []
    if there != acknowledged:
        failures.append(f"{acknowledged:,} spans were acknowledged and {there:,} are there.")
    if per_second < FLOOR_PER_SECOND:
        failures.append(f"{per_second:,.0f} spans/s; the limit is {FLOOR_PER_SECOND:,}.")
    if per_second / copied < FLOOR_RATIO:
        failures.append(f"{per_second / copied:.2f} of plain COPY; the limit is {FLOOR_RATIO}.")
    if acknowledged >= SETTLED_SPANS and after > before * MOST_GROWTH:
        failures.append(f"The web processes grew from {before >> 20} to {after >> 20} MiB.")
    for failure in failures:
        complain(failure)
    return 1 if failures else 0


def _batches(database: Database) -> list[bytes]:
    """Rows that the console has stored, as COPY writes them, by the batch; and a table like its own beside it."""
    with psycopg.connect(database.address, autocommit=True) as link:
        link.execute(f"CREATE TABLE {PLAIN} (LIKE {TABLE} INCLUDING ALL)".encode())
        with link.cursor() as cursor, cursor.copy(f"COPY (SELECT * FROM {TABLE}) TO STDOUT".encode()) as copy:
            rows = b"".join(bytes(block) for block in copy).splitlines(keepends=True)
    return [b"".join(rows[at : at + SPANS]) for at in range(0, len(rows), SPANS)]


def plain_copy(database: Database, batches: list[bytes]) -> float:
    """Rows a second, each batch a transaction of its own; what was there before is gone first."""
    with psycopg.connect(database.address, autocommit=True) as link:
        link.execute(f"TRUNCATE {PLAIN}".encode())
    work = [_renewed(batches[number % len(batches)], number) for number in range(PLAIN_BATCHES)]
    lock = threading.Lock()

    def copy_batches() -> None:
        with psycopg.connect(database.address, autocommit=True) as link:
            while True:
                with lock:
                    if not work:
                        return
                    batch = work.pop()
                with link.cursor() as cursor, cursor.copy(f"COPY {PLAIN} FROM STDIN".encode()) as copy:
                    copy.write(batch)

    threads = [threading.Thread(target=copy_batches) for _ in range(PLAIN_CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return PLAIN_BATCHES * SPANS / (time.perf_counter() - began)


def _renewed(batch: bytes, number: int) -> bytes:
    """The rows under other keys: the last digits of each trace's."""
    return b"".join(b"%s%08x%s" % (row[:28], number, row[36:]) for row in batch.splitlines(keepends=True))


def web_memory(port: int) -> int:
    """Resident bytes of the web server and its processes."""
    return sum(each.size for each in _web(port))


def processor_seconds(port: int, postmaster: int) -> tuple[float, float]:
    """What web server and PostgreSQL have spent, with all their processes, ended ones included."""
    web, postgres = _web(port), _tree(lambda each: each.pid == postmaster)
    return sum(each.seconds for each in web), sum(each.seconds for each in postgres)


def _web(port: int) -> list[_Process]:
    return _tree(lambda each: b"wsgi" in each.command and str(port).encode() in each.command)


def _postmaster(database: Database) -> int:
    """The process below which all sessions are."""
    with psycopg.connect(database.address) as link:
        process = _process(Path(f"/proc/{link.info.backend_pid}"))
    if process is None:
        raise Trouble("PostgreSQL's processes cannot be seen.")
    return process.parent


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    size: int
    seconds: float
    command: bytes


def _tree(is_root: Callable[[_Process], bool]) -> list[_Process]:
    """The processes of which that holds, and all below them."""
    everything = [found for each in Path("/proc").iterdir() if each.name.isdigit() and (found := _process(each))]
    tree = {each.pid: each for each in everything if is_root(each)}
    while below := {each.pid: each for each in everything if each.parent in tree and each.pid not in tree}:
        tree |= below
    return list(tree.values())


def _process(directory: Path) -> _Process | None:
    """What /proc says of a process; None when it has ended."""
    try:
        # the name in parentheses may hold anything
        fields = (directory / "stat").read_text().rpartition(")")[2].split()
        command = (directory / "cmdline").read_bytes()
    except OSError:
        return None
    ticks = sum(int(field) for field in fields[11:15])
    size = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return _Process(int(directory.name), int(fields[1]), size, ticks / os.sysconf("SC_CLK_TCK"), command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
