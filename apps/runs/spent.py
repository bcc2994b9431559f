"""Where the time of a run went: halted, waiting for people, waiting for systems, and what is left is the agents' own.

A moment counts once, for the first of these that it belongs to, however many steps lie over it.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from apps.runs.facts import HaltTold
from apps.runs.models import Run, SpanKind

Interval = tuple[dt.datetime, dt.datetime]
NO_TIME = dt.timedelta(0)
# Merged by the database, so that a run of fifty thousand steps comes as a few stretches.
MERGED = """
    SELECT kind = %s, lower(stretch), upper(stretch)
    FROM (
        SELECT kind, unnest(range_agg(tstzrange(
            greatest(started_at, %s), least(greatest(coalesce(ended_at, %s), started_at, %s), %s), '[]'
        ))) AS stretch
        FROM (
            SELECT CASE kind WHEN %s THEN %s ELSE '' END AS kind, started_at, ended_at FROM runs_span
            WHERE run_id = %s AND kind IN (%s, %s, %s) AND started_at < %s
              AND origin = 'enforced'
        ) AS steps
        GROUP BY kind
    ) AS stretches
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of where the time went. `kind` is halted, human, system or compute; `start` and `share` in percent."""

    kind: str
    label: str
    duration: dt.timedelta
    start: float
    share: float


def split_of(run: Run, halts: Sequence[HaltTold], *, now: dt.datetime) -> list[Part]:
    """The whole of the run, from its beginning to its end or now. One query."""
    start, end = run.started_at, max(run.ended_at or now, run.started_at)
    human, system = _stretches(run, start, end)
    halted = _merged((max(halt.at, start), min(halt.ended_at or end, end)) for halt in halts)
    people = _merged(human)
    spent = {
        "halted": _length(halted),
        "human": _length(_merged([*halted, *people])) - _length(halted),
        "system": _length(_merged([*halted, *people, *system])) - _length(_merged([*halted, *people])),
    }
    spent["compute"] = max(end - start - sum(spent.values(), NO_TIME), NO_TIME)
    return _parts(spent)


def _stretches(run: Run, start: dt.datetime, end: dt.datetime) -> tuple[list[Interval], list[Interval]]:
    human, values = SpanKind.HUMAN_WAIT.value, (SpanKind.TOOL.value, SpanKind.LOOKUP.value)
    parameters: Any = [human, start, end, start, end, human, human, run.id, human, *values, end]
    with connection.cursor() as cursor:
        cursor.execute(MERGED, parameters)
        rows = cursor.fetchall()
    return (
        [(begins, ends) for is_human, begins, ends in rows if is_human],
        [(begins, ends) for is_human, begins, ends in rows if not is_human],
    )


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for begins, ends in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        else:
            merged.append((begins, ends))
    return merged


def _length(merged: Iterable[Interval]) -> dt.timedelta:
    return sum((ends - begins for begins, ends in merged), NO_TIME)


def _parts(spent: dict[str, dt.timedelta]) -> list[Part]:
    total = sum(spent.values(), NO_TIME)
    labels = {
        "compute": _("Agents at work"),
        "human": _("Waiting for a person"),
        "system": _("Waiting for systems"),
        "halted": _("Halted"),
    }
    parts, start = [], 0.0
    for kind, label in labels.items():
        if spent[kind] > NO_TIME:
            share = round(spent[kind] / total * 100, 2)
            parts.append(Part(kind, label, spent[kind], round(start, 2), share))
            start += share
    return parts
