"""The one place that asks what time it is, so that a test can move it."""

import datetime as dt

_shift = dt.timedelta(0)


def now() -> dt.datetime:
    """The present moment, aware, UTC."""
    return dt.datetime.now(dt.UTC) + _shift


def shift(by: dt.timedelta) -> None:
    """Tests only: let `now` run ahead (or behind) by this much in this process."""
    global _shift
    _shift = by


def rfc3339(moment: dt.datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, or None."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
