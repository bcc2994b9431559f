"""Counting working time: the hours and days on which a process answers, without its public holidays.

Pure arithmetic on instants. A working day is what passes between two readings of the clock on the wall, so a change of
the clocks at night takes nothing from it; the result is always an instant in UTC.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from apps.approvals.models import ConsentRules
from apps.core.errors import Invalid
from apps.registry.models import Process

DAYS_OF_WEEK = range(7)
# An SLA is hours or days. What is not over after ten years never will be, and the walk over the days has to end.
HORIZON = dt.timedelta(days=3660)
NO_TIME = dt.timedelta(0)


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """`days` (0 is Monday) from `starts` to `ends` on the clocks of `zone`, without the public holidays of `holidays`:
    a country, or one with a part of it ("DE", "DE-BY"); empty for none.

    Raises Invalid for a calendar on which nobody ever works, and for a shift over midnight.
    """

    zone: ZoneInfo
    days: frozenset[int]
    starts: dt.time
    ends: dt.time
    holidays: str = ""

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(DAYS_OF_WEEK):
            raise Invalid("rules.no_working_days", "Name at least one working day, from 0 (Monday) to 6 (Sunday).")
        if self.ends <= self.starts:
            raise Invalid("rules.no_working_hours", "Work has to end after it starts, on the same day.")
        if self.holidays:
            public_holidays(self.holidays, 2000)

    def hours_of(self, day: dt.date) -> tuple[dt.datetime, dt.datetime] | None:
        """From when to when work is done on this day, as instants; None on a day off."""
        if day.weekday() not in self.days:
            return None
        if self.holidays and day in public_holidays(self.holidays, day.year):
            return None
        opens = dt.datetime.combine(day, self.starts, self.zone).astimezone(dt.UTC)
        # where the clocks go back over the end of work, it ends at the second of the two
        closes = dt.datetime.combine(day, self.ends.replace(fold=1), self.zone).astimezone(dt.UTC)
        # where they go forward over the whole of it, the night has no working hours
        return (opens, closes) if opens < closes else None


@lru_cache(maxsize=256)
def public_holidays(code: str, year: int) -> frozenset[dt.date]:
    """The public holidays of a country ("DE") or of a part of it ("DE-BY") in one year.

    A set of its own for each year: the library's object fills itself while it is read, which threads must not share.
    """
    country, dash, part = code.partition("-")
    parts = holidays.list_supported_countries(include_aliases=False).get(country)
    if parts is None or (dash and part not in parts):
        raise Invalid(
            "rules.unknown_holidays",
            f"No public holidays are known for {code}. Name a country, or a part of one: DE, DE-BY.",
        )
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def add_working_time(
    start: dt.datetime, seconds: float, calendar: WorkCalendar, *, latest: dt.datetime | None = None
) -> dt.datetime:
    """The instant at which so many seconds of work have passed since `start`; never later than `latest`.

    No seconds lead to `start` itself, whether anybody works then or not. Raises Invalid where it would take longer
    than ten years.
    """
    if seconds < 0:
        raise ValueError("working time runs forward only")
    start, remaining = start.astimezone(dt.UTC), dt.timedelta(seconds=seconds)
    if remaining == NO_TIME:
        return start if latest is None else min(start, latest)
    for opens, closes in _open_hours(start, min(latest or start + HORIZON, start + HORIZON), calendar):
        if remaining <= closes - opens:
            return opens + remaining
        remaining -= closes - opens
    if latest is not None and latest <= start + HORIZON:
        return latest
    raise Invalid("rules.sla_too_long", "This much working time is not over within ten years.")


def working_seconds_between(earlier: dt.datetime, later: dt.datetime, calendar: WorkCalendar) -> float:
    """How many seconds of work lie between two instants; none where `later` comes first."""
    return sum((closes - opens for opens, closes in _open_hours(earlier, later, calendar)), NO_TIME).total_seconds()


def _open_hours(
    start: dt.datetime, end: dt.datetime, calendar: WorkCalendar
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """The stretches of work between two instants, in order; the first and the last cut to fit."""
    start, end = start.astimezone(dt.UTC), end.astimezone(dt.UTC)
    day, last = start.astimezone(calendar.zone).date(), end.astimezone(calendar.zone).date()
    while day <= last:
        hours = calendar.hours_of(day)
        if hours is not None:
            opens, closes = max(start, hours[0]), min(end, hours[1])
            if opens < closes:
                yield opens, closes
        day += dt.timedelta(days=1)


def calendar_for(process: Process, rules: ConsentRules) -> WorkCalendar:
    """The working hours of the process. Raises Invalid for what no calendar can be made of."""
    try:
        zone = ZoneInfo(process.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid("rules.unknown_time_zone", f"There is no time zone {process.time_zone}.") from None
    return WorkCalendar(
        zone=zone,
        days=frozenset(rules.work_days),
        starts=rules.work_starts,
        ends=rules.work_ends,
        holidays=rules.holidays,
    )


def milestones(now: dt.datetime, process: Process, rules: ConsentRules, expires_at: dt.datetime) -> list[dt.datetime]:
    """When 50 %, 90 % and all of the time to decide is gone: of the working time that the rules allow, else of the time
    until it expires. Never after it expires.
    """
    parts = (50, 90, 100)
    if rules.sla_seconds is None:
        return [now + (expires_at - now) * part / 100 for part in parts]
    calendar = calendar_for(process, rules)
    return [add_working_time(now, rules.sla_seconds * part / 100, calendar, latest=expires_at) for part in parts]
