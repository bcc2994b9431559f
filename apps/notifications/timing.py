"""Quiet hours and digests in a person's own time zone, and how long to wait after a failure. Nothing here reads."""

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apps.accounts.models import User
from apps.core.backoff import wait_seconds
from apps.notifications.models import Rhythm

MOST_ATTEMPTS = 8
FIRST_WAIT_SECONDS = 1
WAIT_GROWS_BY = 4
LONGEST_WAIT_SECONDS = 3600


def wait_after(failures: int) -> dt.timedelta:
    """1 s after the first failure, then 4 s, 16 s … on average, an hour at most: eight attempts take about an hour."""
    longest, grows_by = LONGEST_WAIT_SECONDS, WAIT_GROWS_BY
    seconds = wait_seconds(max(failures, 1) - 1, first=FIRST_WAIT_SECONDS, longest=longest, grows_by=grows_by)
    return dt.timedelta(seconds=seconds)


def zone_of(person: User) -> ZoneInfo:
    """The person's time zone; UTC for a name that no longer exists."""
    try:
        return ZoneInfo(person.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def end_of_quiet(rhythm: Rhythm, zone: ZoneInfo, moment: dt.datetime) -> dt.datetime | None:
    """When the quiet time ends that this moment lies in; None outside of quiet hours."""
    start, end = rhythm.quiet_from, rhythm.quiet_until
    if start is None or end is None or start == end:
        return None
    local = moment.astimezone(zone)
    face, day = local.time(), local.date()
    if start < end:
        is_quiet = start <= face < end
    else:  # over midnight
        is_quiet = face >= start or face < end
        day += dt.timedelta(days=face >= start)
    if not is_quiet:
        return None
    ends_at = dt.datetime.combine(day, end, tzinfo=zone).astimezone(dt.UTC)
    # where the clocks go back the end may lie behind us already
    return ends_at if ends_at > moment else None


def next_digest(hours: Collection[int], zone: ZoneInfo, moment: dt.datetime) -> dt.datetime:
    """The first full hour of these, in that zone, after the moment."""
    today = moment.astimezone(zone).date()
    moments = (
        dt.datetime.combine(today + dt.timedelta(days=days), dt.time(hour), tzinfo=zone).astimezone(dt.UTC)
        for days in range(3)
        for hour in hours
    )
    return min(at for at in moments if at > moment)
