"""The daily partitions of reported spans: by the key of their trace, in which is the time it was made.

Made ahead by a job, and on demand by whoever stores the first span of a day. What no partition takes is in the default
one, so that nothing is ever lost to a job that did not run; making the day's partition moves it there.
"""

import datetime as dt
from uuid import UUID

from django.db import connection, transaction

from apps.core import clock
from apps.core.ids import first_id_at
from apps.telemetry.models import ReportedSpan

TABLE = ReportedSpan._meta.db_table
DEFAULT = f"{TABLE}_default"
DAYS_AHEAD = 7
# A partition is not worth holding up whoever reads or writes; the default one takes what comes meanwhile.
LOCK_TIMEOUT = "2s"
# Beside the numbers of `apps.core.locks`: two that make one partition take turns.
LOCK = 7320


def make_partitions() -> list[str]:
    """Those of today and the days ahead that are not there; returns their names."""
    today = clock.now().astimezone(dt.UTC).date()
    return [name for ahead in range(DAYS_AHEAD + 1) if (name := make_partition(today + dt.timedelta(days=ahead)))]


def make_partition(day: dt.date) -> str | None:
    """The partition of one day, and its spans from the default one in it. None when it is there already."""
    name = f"{TABLE}_{day:%Y%m%d}"
    first, after = first_key(day), first_key(day + dt.timedelta(days=1))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        if _is_there(name):
            return None
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)")
        # nobody writes into the default one between the move and the attachment
        cursor.execute(f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {DEFAULT} WHERE trace >= %s AND trace < %s RETURNING *) "  # noqa: S608  our own names
            f"INSERT INTO {name} SELECT * FROM moved",
            [first, after],
        )
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{after}')")
    return name


def first_key(day: dt.date) -> UUID:
    """The least key that is made on that day (UTC)."""
    return first_id_at(dt.datetime.combine(day, dt.time(), dt.UTC))


def partition_names() -> list[str]:
    """All there are, the default one included, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        return sorted(name for (name,) in cursor.fetchall())


def _is_there(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return bool(cursor.fetchone()[0])
