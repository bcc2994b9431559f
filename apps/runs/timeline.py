"""A run on its time axis: the first rows as a page shows them without script, all of them as compact JSON, and as
files.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.core import clock
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.money import Money
from apps.runs.facts import HaltTold
from apps.runs.models import Run, SpanKind, SpanOrigin
from apps.runs.steps import Place, Row, beginning_of, every_row, rows_of

# What the first response holds, and one piece of the feed.
FIRST_ROWS = 200
FEED_ROWS = 10_000
# A point still has to be seen and hit.
THINNEST_PERCENT = 0.4
TICK_COUNT = 4
CSV_COLUMNS = (
    "id",
    "call",
    "kind",
    "origin",
    "status",
    "step",
    "note",
    "actor",
    "policy",
    "started_at",
    "ended_at",
    "seconds",
    "money_minor",
    "currency",
    "tokens",
    "parent",
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A step's place on the time axis, in percent of the whole."""

    kind: str
    start: float
    share: float
    label: str
    bad: bool = False
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One step: what its line says, and its bar."""

    id: UUID
    kind: str
    name: str
    note: str
    enforced: bool
    bad: bool
    policy_set: str
    policy_version: str
    duration: dt.timedelta | None
    minor: int | None
    currency: str
    bars: tuple[Bar, ...]
    tokens: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the axis: `at` percent, labelled in the reader's zone."""

    at: float
    moment: dt.datetime

    @property
    def label(self) -> str:
        return f"{timezone.localtime(self.moment):%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Band:
    """A halt over the lanes, in percent of the whole."""

    start: float
    share: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rows of one response. `next` begins the following one, None at the end."""

    lines: list[Line]
    ticks: list[Tick]
    bands: list[Band]
    start: dt.datetime
    end: dt.datetime
    next: Place | None


def timeline_of(
    actor: Actor, run: Run, halts: Sequence[HaltTold], *, after: Place | None, now: dt.datetime
) -> Timeline:
    """The next rows between the run's start and its end, or now while it is open."""
    rows = rows_of(actor, run, after=after, most=FIRST_ROWS + 1)
    more, rows = rows[FIRST_ROWS:], rows[:FIRST_ROWS]
    start, end = _reach(run, rows, now, start=beginning_of(actor, run, rows, after=after))
    whole = end - start
    return Timeline(
        lines=[_line(row, start, whole, now=end) for row in rows],
        ticks=[Tick(100 * step / TICK_COUNT, start + whole * step / TICK_COUNT) for step in range(TICK_COUNT + 1)],
        bands=[_band(halt, start, end) for halt in halts],
        start=start,
        end=end,
        next=Place(rows[-1].started_at, rows[-1].id) if more else None,
    )


def _reach(run: Run, rows: Sequence[Row], now: dt.datetime, *, start: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """From the beginning to the end of the run, and as far as the rows at hand reach beyond it."""
    ends = [row.ended_at for row in rows if row.ended_at]
    end = now if run.is_open else max([run.ended_at or run.started_at, *ends])
    return start, max(end, run.started_at + dt.timedelta(milliseconds=1))


def _line(row: Row, start: dt.datetime, whole: dt.timedelta, *, now: dt.datetime) -> Line:
    spent = (row.ended_at or now) - row.started_at
    left = min(max((row.started_at - start) / whole * 100, 0), 100 - THINNEST_PERCENT)
    share = min(max(spent / whole * 100, THINNEST_PERCENT), 100 - left)
    is_enforced = row.origin == SpanOrigin.ENFORCED
    policy_set, _at, version = row.policy.partition("@")
    return Line(
        id=row.id,
        kind=row.kind,
        name=row.text,
        note=row.note,
        enforced=is_enforced,
        bad=row.is_bad,
        policy_set=policy_set,
        policy_version=version,
        duration=spent if row.kind != SpanKind.VOTE else None,
        minor=row.minor,
        currency=row.currency,
        tokens=row.tokens,
        url=row.url,
        bars=(Bar(row.kind, round(left, 2), round(share, 2), row.text, bad=row.is_bad, reported=not is_enforced),),
    )


def _band(halt: HaltTold, start: dt.datetime, end: dt.datetime) -> Band:
    whole = end - start
    left = max((halt.at - start) / whole * 100, 0)
    right = min(((halt.ended_at or end) - start) / whole * 100, 100)
    return Band(round(left, 2), round(max(right - left, 0), 2))


class _Strings:
    """Each text once, named by its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        numbers = self.numbers
        return numbers[text] if text in numbers else numbers.setdefault(text, len(numbers))


def feed_of(actor: Actor, run: Run, halts: Sequence[HaltTold], *, after: Place | None, version: str) -> dict[str, Any]:
    """One piece of the rows as the browser draws them: milliseconds since the axis begins, texts by number. Version and
    halts are those of the first piece.

    A row is [id, parent, call, kind, origin, status, start, duration, text, note, actor, minor, currency, policy, url,
    tokens]; a duration of null is under way.
    """
    rows = rows_of(actor, run, after=after, most=FEED_ROWS + 1)
    more, rows = rows[FEED_ROWS:], rows[:FEED_ROWS]
    strings, start = _Strings(), beginning_of(actor, run, rows, after=after)
    number = strings.number
    return {
        "version": version,
        "start": start.timestamp() * 1000,
        "now": _ms(clock.now() - start),
        "is_open": run.is_open,
        "halts": [[_ms(halt.at - start), _ms(halt.ended_at - start) if halt.ended_at else None] for halt in halts],
        "rows": [
            [
                row.id.hex,
                row.parent.hex if row.parent else 0,
                number(row.call.hex) if row.call else 0,
                number(row.kind),
                number(row.origin),
                number(row.status),
                _ms(row.started_at - start),
                _ms(row.ended_at - row.started_at) if row.ended_at else None,
                number(row.text),
                number(row.note),
                number(row.actor),
                row.minor,
                number(row.currency),
                number(row.policy),
                number(row.url),
                row.tokens,
            ]
            for row in rows
        ],
        "strings": list(strings.numbers),
        "next": str(Place(rows[-1].started_at, rows[-1].id)) if more else None,
    }


def _ms(length: dt.timedelta) -> float:
    return round(length / dt.timedelta(milliseconds=1), 1)


def cells_of(actor: Actor, run: Run) -> Iterator[tuple[Any, ...]]:
    """Every row for a file."""
    for row in every_row(actor, run, at_once=FEED_ROWS):
        yield (
            str(row.id),
            str(row.call) if row.call else None,
            row.kind,
            row.origin,
            row.status,
            row.text,
            row.note,
            row.actor,
            row.policy,
            rfc3339(row.started_at),
            rfc3339(row.ended_at),
            round((row.ended_at - row.started_at).total_seconds(), 3) if row.ended_at else None,
            row.minor,
            row.currency or None,
            row.tokens,
            str(row.parent) if row.parent else None,
        )


def amount_of(row: Row) -> str:
    return str(Money(row.minor, row.currency)) if row.minor is not None and row.currency else ""
