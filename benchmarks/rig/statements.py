"""The SQL of one governed call, as PostgreSQL's own log tells it, and the same SQL as a script for pgbench."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.rig.postgres import Database
from meshconsole.local.terminal import Trouble

LOGGING = {"log_min_duration_statement": "0", "log_line_prefix": "%p|"}
# Every session reads the changed settings before its next statement; this is for the signal to reach it.
RELOAD_SECONDS = 0.5
ENTRY = re.compile(r"(\d+)\|LOG:  duration: ([0-9.]+) ms  ([a-z]+[^:]*): ?(.*)", re.DOTALL)
# A salt is as long as a UUID and written as bytea: \x…
UUID = re.compile(r"(?<!\\x)(?<![0-9a-f])[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}(?![0-9a-f])")
QUOTED_OR_END = re.compile(r"'(?:[^']|'')*'|;")
BEGINNING = 40

# A counter of each client makes the ids of an iteration: they grow over time, as those of the product do, and no
# statement is added to ask for them. Seven digits and four for the counter, three for the client.
NEXT_IDS = """\
\\set bench_n :bench_n + 1
\\set bench_a 1000000 + :bench_n / 9000
\\set bench_b 1000 + :bench_n % 9000
\\set bench_c 100 + :client_id
"""
FRESH_ID = "0:bench_a-:bench_b-7:bench_c-8000-{:012d}"
FRESH_NAME = ":bench_c-:bench_n"
# Numbers for the counters of one run of pgbench: more than it ever makes calls.
IDS_PER_RUN = 9_000_000


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the server received it; `milliseconds` is the server's own time for it."""

    text: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class TracedCall:
    """All that one call sent to PostgreSQL, in order. `words` are values that every call has to choose anew."""

    statements: list[Statement]
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(statement.text for statement in self.statements)

    @property
    def shape(self) -> list[str]:
        """How each statement begins, without numbers: savepoints are numbered through."""
        return [re.sub(r"[0-9]+", "", statement.text[:BEGINNING]) for statement in self.statements]


class StatementLog:
    """PostgreSQL's log, made to tell every statement for as long as `told` lasts."""

    def __init__(self, database: Database, log: Path) -> None:
        self._database, self._log = database, log

    @contextmanager
    def told(self) -> Iterator[None]:
        with psycopg.connect(self._database.address, autocommit=True) as link:
            for name, value in LOGGING.items():
                link.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            link.execute("SELECT pg_reload_conf()")
            time.sleep(RELOAD_SECONDS)
            try:
                yield
            finally:
                for name in LOGGING:
                    link.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
                link.execute("SELECT pg_reload_conf()")

    def trace(self, call: Callable[[], None], *, key: str, words: tuple[str, ...]) -> TracedCall:
        """What the session that saw `key` was asked between the beginning and the end of the call."""
        before = self._log.stat().st_size
        call()
        with self._log.open(encoding="utf-8") as log:
            log.seek(before)
            entries = list(entries_in(log.read()))
        sessions = {session for session, _, text, _ in entries if key in text}
        if len(sessions) != 1:
            raise Trouble(f"PostgreSQL's log names {len(sessions)} sessions that worked on one call.")
        own = [entry for entry in entries if entry[0] in sessions]
        if kinds := {kind for _, kind, _, _ in own} - {"statement"}:
            raise Trouble(f"Statements came as {', '.join(sorted(kinds))}: pgbench has to send them the same way.")
        return TracedCall([Statement(text, milliseconds) for _, _, text, milliseconds in own], (key, *words))


def entries_in(log: str) -> Iterator[tuple[str, str, str, float]]:
    """(session, protocol step, text, milliseconds) of each statement; lines that begin with a tab go on."""
    for line in log.replace("\n\t", "\v").splitlines():
        if found := ENTRY.fullmatch(line.replace("\v", "\n")):
            yield found[1], found[3], found[4], float(found[2])


def pgbench_script(call: TracedCall, other: TracedCall) -> str:
    """The statements of `call`, word for word but for the values that only this call has: those are made anew.

    `other` is a second call: ids that both have are of the world, the rest were made for the call. The pool's health
    check, an empty statement, is left out: pgbench does not send one.
    """
    known = {_plain(found) for found in UUID.findall(other.text)}
    fresh: dict[str, str] = {}
    for found in UUID.findall(call.text):
        if _plain(found) not in known:
            fresh.setdefault(_plain(found), FRESH_ID.format(len(fresh) + 1))
    text = UUID.sub(lambda found: fresh.get(_plain(found[0]), found[0]), _statements(call))
    for word in call.words:
        # a word may be the whole of a value or part of one; either way it is this call's alone
        text = text.replace(word, word.rstrip("0123456789") + FRESH_NAME)
    return NEXT_IDS + text


def _statements(call: TracedCall) -> str:
    return "".join(f"{_one_message(statement.text)};\n" for statement in call.statements if statement.text)


def _one_message(text: str) -> str:
    """Several statements that came in one message stay in one: pgbench sends at `;` and goes on at `\\;`."""
    return QUOTED_OR_END.sub(lambda found: "\\;" if found[0] == ";" else found[0], text)


def _plain(uuid: str) -> str:
    return uuid.replace("-", "")
