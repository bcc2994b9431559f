"""The list of runs: what each row says, and the same as a file."""

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.export import Format, written
from apps.core.paging import Page
from apps.runs.facts import Cost, Wait, above
from apps.runs.filters import RunFilter
from apps.runs.models import Run

CHUNK_ROWS = 1000
# Beyond it a list says "1,000+".
MOST_COUNTED = 1000
COLUMNS = (
    "id",
    "url",
    "state",
    "title",
    "business_key",
    "process",
    "environment",
    "agent",
    "calls",
    "waiting_for",
    "cost",
    "cost_is_whole",
    "started_at",
    "ended_at",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with what stands beside it in a list. `cost` is None where nobody reported one."""

    run: Run
    cost: Cost | None
    wait: Wait | None
    duration: dt.timedelta


def rows_of(runs: Collection[Run]) -> list[RunRow]:
    """Two queries for all of them."""
    now = clock.now()
    costs = above().costs([run.id for run in runs])
    waits = above().waits([run.id for run in runs if run.is_open])
    return [RunRow(run, costs.get(run.id), waits.get(run.id), (run.ended_at or now) - run.started_at) for run in runs]


def counted(runs: "QuerySet[Run]", query: RunFilter, page: Page[Run], *, is_first: bool) -> int:
    """How many, counted as far as the list tells. Words may have been looked for in every title: that is not done twice
    where the first page holds all of them.
    """
    if query.q and is_first and page.next is None:
        return len(page.items)
    return runs.order_by()[: MOST_COUNTED + 1].count()


def export(actor: Actor, query: RunFilter, format: Format) -> Iterator[bytes]:
    """Everything the filter shows, newest first, in pieces. That it was taken is in the log."""
    with transaction.atomic():
        audit.record(
            actor,
            "runs.exported",
            subject_type="run_list",
            subject_id="runs",
            data={"filter": str(query), "format": format},
        )
    return written(format, COLUMNS, _cells(actor, query), asked=str(query))


def _cells(actor: Actor, query: RunFilter) -> Iterator[tuple[Any, ...]]:
    found = query.apply(actor).order_by("-id").iterator(chunk_size=CHUNK_ROWS)
    while runs := list(islice(found, CHUNK_ROWS)):
        for row in rows_of(runs):
            run, cost = row.run, row.cost
            yield (
                str(run.id),
                f"{settings.BASE_URL}/runs/{run.id}/",
                run.state,
                run.title,
                run.business_key,
                run.process.slug,
                run.environment,
                run.opened_by.slug,
                run.call_count,
                row.wait.name or row.wait.kind if row.wait else None,
                ", ".join(map(str, cost.moneys)) if cost else None,
                cost.is_whole if cost else None,
                rfc3339(run.started_at),
                rfc3339(run.ended_at),
                round(row.duration.total_seconds(), 3),
            )
