"""A day on which time passes only when the test says so, so that a story can be read to the second."""

import datetime as dt
from collections.abc import Callable

import pytest

from apps.core import clock
from apps.halts.models import Halt
from apps.runs.models import Run

# A Monday. Far ahead: what the database judges by its own clock is not over by then.
MORNING = dt.datetime(2050, 1, 3, 9, 0, tzinfo=dt.UTC)


class Day:
    """`now` is what the product's clock says."""

    def __init__(self) -> None:
        self.now = MORNING

    def at(self, text: str) -> None:
        """ "09:20:00", or "1 10:00:00" on the day after."""
        days, _, time = text.rpartition(" ")
        hours, minutes, seconds = map(int, time.split(":"))
        self.now = MORNING.replace(hour=hours, minute=minutes, second=seconds) + dt.timedelta(days=int(days or 0))

    def set_right(self) -> None:
        """What the database's own clock wrote, as it would read on this day."""
        Run.objects.filter(started_at__lt=MORNING).update(started_at=self.now)
        Halt.objects.filter(placed_at__lt=MORNING).update(placed_at=self.now)


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> Day:
    day = Day()
    moment: Callable[[], dt.datetime] = lambda: day.now  # noqa: E731 - it stands in for a function
    monkeypatch.setattr(clock, "now", moment)
    return day
