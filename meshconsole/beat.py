"""When periodic jobs take their turns: each at its own moment, so that they never all wake at once beside the web."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery.schedules import schedstate, schedule

# Neighbours in a list of jobs that add this share of their period are far from each other, however many there are.
GOLDEN = 0.618034
# Beat looks at a job ten milliseconds before it is told to, and asks on and on until then. Told so much later it finds
# the job due at its first look.
LOOKED_AT_EARLY_SECONDS = 0.012


class Turns(schedule):
    """Every so many seconds of the clock, shifted by a share of them that `place` in the list of jobs decides.

    Turns are counted from the epoch and not from beat's start: one that restarts all the time still gives an hourly job
    its turn.
    """

    def __init__(self, seconds: float, place: int = 0, **more: Any) -> None:
        super().__init__(seconds, **more)
        self._place = place
        self._shift = place * GOLDEN % 1 * self.seconds

    def is_due(self, last_run_at: datetime) -> Any:
        """Whether a turn has begun since then, and the seconds to the next. Celery's own type calls these a moment."""
        now = self.now().timestamp() - self._shift
        ran = self.maybe_make_aware(last_run_at).timestamp() - self._shift
        turn = now // self.seconds
        # a beat that starts on a clock that was set back does not wait until that has caught up
        is_due = turn != ran // self.seconds
        return schedstate(is_due, (turn + 1) * self.seconds - now + LOOKED_AT_EARLY_SECONDS)

    def __reduce__(self) -> Any:
        """Beat keeps its jobs in a file."""
        return type(self), (self.seconds, self._place)
