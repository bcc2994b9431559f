"""Generations: how a process knows that what it remembers of the database is still so, with one small read.

Some tables are read by every governed call and changed a few times a day. Each belongs to a generation, a row with a
mark. A trigger gives the row a new mark, never used before or again, with each statement that changes one of the
tables and in the same transaction. So whoever reads a mark and has in memory what was read under that mark has what is
committed; and inside a transaction, what that transaction itself has changed. No message takes part and no time: a
change that is committed holds for the next decision on every node (I6).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pgtrigger

from apps.core.rows import Question, ask

# What people set up: teams, processes, agents and their credentials, connectors, tools, grants, active releases.
CONFIGURATION = "configuration"
# Apart, so that placing a halt never waits for somebody who is changing many rows of the above.
HALTS = "halts"
# The same for a budget that is set, and for a system that goes away.
BUDGETS = "budgets"
BREAKERS = "breakers"
GENERATIONS = (CONFIGURATION, HALTS, BUDGETS, BREAKERS)

_MARK = "(SELECT mark FROM core_generation WHERE name = %s)"
MOMENT: Question = (f"SELECT statement_timestamp(), {', '.join([_MARK] * len(GENERATIONS))}", GENERATIONS)
_NEW_MARK = """
    INSERT INTO core_generation (name, mark) VALUES ('{name}', gen_random_uuid())
    ON CONFLICT (name) DO UPDATE SET mark = EXCLUDED.mark;
    RETURN NULL;
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The database's time, and the mark of each generation then. One without a mark remembers nothing."""

    now: dt.datetime
    marks: dict[str, UUID | None]


_latest: Moment | None = None


def read_moment() -> Moment:
    """In a transaction that holds a lock: what is true under that lock."""
    return moment_of(ask(MOMENT))


def moment_of(answer: Sequence[Any] | None) -> Moment:
    """What was answered to MOMENT."""
    global _latest
    now, *marks = answer or ()
    _latest = Moment(now, dict(zip(GENERATIONS, marks, strict=True)))
    return _latest


def with_moment(question: Question) -> Question:
    """MOMENT with the one value of another question, NULL where that has no row, behind it."""
    sql, values = question
    return f"{MOMENT[0]}, ({sql})", (*MOMENT[1], *values)


def latest_moment() -> Moment | None:
    """The last moment that this process has read, however long ago that was: for a guess that is looked at again under
    a moment of its own before anything comes of it.
    """
    return _latest


def begins_new(generation: str) -> list[pgtrigger.Trigger]:
    """The triggers of a model whose changes begin a new generation. They act before the statement, so that everyone
    waits for the generation's row first and no two can wait for each other.
    """
    changes = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete | pgtrigger.Truncate
    return [
        pgtrigger.Trigger(
            name=f"new_{generation}",
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            operation=changes,
            func=_NEW_MARK.format(name=generation),
        )
    ]
