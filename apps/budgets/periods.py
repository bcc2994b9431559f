"""When a budget's period begins and ends, in the budget's time zone."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.budgets.models import Budget, Window

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Period:
    """`key` names it among the periods of one budget; a run or a total has no end."""

    key: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None = None
    run_id: UUID | None = None


def period_at(budget: Budget, now: dt.datetime, run_id: UUID | None) -> Period | None:
    """The budget's period at this moment; None of a budget per run for what belongs to no run.

    Days, weeks (from Monday) and months begin at midnight where the process is, so that one with a change of clocks has
    23 or 25 hours.
    """
    window = Window(budget.window)
    if window is Window.RUN:
        return Period(str(run_id), now, run_id=run_id) if run_id else None
    if window is Window.TOTAL:
        return Period("total", now)
    local = now.astimezone(ZoneInfo(budget.time_zone))
    if window is Window.HOUR:
        start = local.replace(minute=0, second=0, microsecond=0).astimezone(dt.UTC)
        return Period(_key(start), start, start + HOUR)
    first, after = _days(window, local.date())
    starts_at, ends_at = (_midnight(day, local.tzinfo) for day in (first, after))
    return Period(_key(starts_at), starts_at, ends_at)


def _days(window: Window, today: dt.date) -> tuple[dt.date, dt.date]:
    """The first day of the period, and the first after it."""
    if window is Window.DAY:
        return today, today + dt.timedelta(days=1)
    if window is Window.WEEK:
        monday = today - dt.timedelta(days=today.weekday())
        return monday, monday + dt.timedelta(days=7)
    first = today.replace(day=1)
    return first, (first + dt.timedelta(days=31)).replace(day=1)


def _midnight(day: dt.date, zone: dt.tzinfo | None) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def _key(start: dt.datetime) -> str:
    return f"{start:%Y-%m-%dT%H:%MZ}"
