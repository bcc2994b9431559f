"""What an agent remembers, in one SQLite file: its cases, what each step of them came to, and how far it has read.

Each method commits before it returns, so an agent killed at any moment goes on from its last finished step.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS work (
    id TEXT PRIMARY KEY, document TEXT NOT NULL, state TEXT NOT NULL, due REAL NOT NULL, note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS work_due ON work (due) WHERE state IN ('open', 'waiting');
CREATE TABLE IF NOT EXISTS step (
    case_id TEXT NOT NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL, call_id TEXT, polls INTEGER NOT NULL,
    outcome TEXT, PRIMARY KEY (case_id, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

LONGEST_SLEEP_SECONDS = 1.0


class CaseState(StrEnum):
    OPEN = "open"
    WAITING = "waiting"  # for a person's approval
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class CaseRow:
    id: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step of a case: which attempt it is at, the call it waits for, and its outcome once there is one."""

    attempt: int = 0
    call_id: str | None = None
    polls: int = 0
    outcome: Any = None


class Store:
    """Shared by an agent's threads. A case is worked by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.executescript(SCHEMA)
        self._changed = threading.Condition(threading.RLock())
        self._busy: set[str] = set()

    def add_cases(self, cases: Iterable[tuple[str, dict[str, Any]]], mark: tuple[str, str] | None = None) -> int:
        """Take in new cases, and move a mark with them or not at all. A known case stays as it is."""
        rows = [(case_id, json.dumps(document), time.time()) for case_id, document in cases]
        with self._changed:
            self._connection.execute("BEGIN IMMEDIATE")
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT INTO work (id, document, state, due) VALUES (?, ?, 'open', ?) ON CONFLICT DO NOTHING", rows
            )
            added = self._connection.total_changes - before
            if mark:
                self.set_mark(*mark)
            self._connection.execute("COMMIT")
            self._changed.notify_all()
        return added

    def wake(self) -> None:
        """Have a look at every waiting case now: people may have decided while nobody listened."""
        with self._changed:
            self._connection.execute("UPDATE work SET state = 'open', due = ? WHERE state = 'waiting'", (time.time(),))

    def take(self) -> CaseRow | None:
        """The case due longest that nobody works on; waits a moment for one. `park` or `end` gives it back."""
        with self._changed:
            row = self._due_row()
            if row is None:
                self._changed.wait(self._seconds_to_next())
                row = self._due_row()
            if row is None:
                return None
            self._busy.add(row[0])
            return CaseRow(row[0], json.loads(row[1]))

    def call_together(self) -> None:
        """Let every thread that waits in `take` go on, with a case or without."""
        with self._changed:
            self._changed.notify_all()

    def park(self, case_id: str, seconds: float, *, is_waiting: bool) -> None:
        """Look at the case again after so many seconds."""
        state = CaseState.WAITING if is_waiting else CaseState.OPEN
        self._give_back(case_id, "UPDATE work SET state = ?, due = ? WHERE id = ?", state, time.time() + seconds)

    def end(self, case_id: str, state: CaseState, note: str = "") -> None:
        self._give_back(case_id, "UPDATE work SET state = ?, note = ? WHERE id = ?", state, note)

    def steps(self, case_id: str) -> dict[str, Step]:
        with self._changed:
            rows = self._connection.execute(
                "SELECT name, attempt, call_id, polls, outcome FROM step WHERE case_id = ?", (case_id,)
            ).fetchall()
        return {
            name: Step(attempt, call_id, polls, json.loads(outcome) if outcome else None)
            for name, attempt, call_id, polls, outcome in rows
        }

    def save_step(self, case_id: str, name: str, step: Step) -> None:
        outcome = None if step.outcome is None else json.dumps(step.outcome)
        with self._changed:
            self._connection.execute(
                "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?, ?, ?)",
                (case_id, name, step.attempt, step.call_id, step.polls, outcome),
            )

    def mark(self, name: str, default: str = "") -> str:
        with self._changed:
            row = self._connection.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def set_mark(self, name: str, value: str) -> None:
        with self._changed:
            self._connection.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, value))

    def count(self, state: CaseState) -> int:
        with self._changed:
            row = self._connection.execute("SELECT count(*) FROM work WHERE state = ?", (state,)).fetchone()
        return int(row[0])

    def _due_row(self) -> tuple[str, str] | None:
        rows = self._connection.execute(
            "SELECT id, document FROM work WHERE state IN ('open', 'waiting') AND due <= ? ORDER BY due LIMIT ?",
            (time.time(), len(self._busy) + 1),
        )
        return next((row for row in rows if row[0] not in self._busy), None)

    def _seconds_to_next(self) -> float:
        row = self._connection.execute(
            "SELECT min(due) FROM work WHERE state IN ('open', 'waiting') AND due > ?", (time.time(),)
        ).fetchone()
        if row is None or row[0] is None:
            return LONGEST_SLEEP_SECONDS
        seconds: float = row[0] - time.time()
        return min(LONGEST_SLEEP_SECONDS, max(0.01, seconds))

    def _give_back(self, case_id: str, statement: str, *values: Any) -> None:
        with self._changed:
            self._connection.execute(statement, (*values, case_id))
            self._busy.discard(case_id)
            self._changed.notify()


def count_waiting(path: Path) -> int:
    """How many cases of an agent wait for people, read from outside; 0 before the agent has run."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute("SELECT count(*) FROM work WHERE state = 'waiting'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the file is there, its tables not yet
    finally:
        connection.close()
