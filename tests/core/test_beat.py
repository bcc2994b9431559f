"""When the jobs of the beat take their turns, with Celery's own scheduler on a clock of ours."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from celery import Celery
from celery.beat import Scheduler
from django.conf import settings

from meshconsole.beat import Turns

START = datetime(2026, 3, 2, 9, 30, 0, 250_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# What it takes to look at the first job: without it, who looks again at once would do so for ever.
LOOK_SECONDS = 0.000_05


class Clock:
    """Stands still while beat works; `sleep` is the only thing that takes time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(0.0, seconds))


class Beat(Scheduler):  # type: ignore[misc]
    """The scheduler that `celery beat` runs. What it would send is written down."""

    def __init__(self, clock: Clock, jobs: dict[str, float]) -> None:
        self.clock, self.sent, self.look_count = clock, list[tuple[str, datetime]](), 0
        app = Celery("beat", set_as_current=False)
        app.conf.beat_schedule = {
            name: {"task": name, "schedule": Turns(seconds, place, nowfun=clock, app=app)}
            for place, (name, seconds) in enumerate(jobs.items())
        }
        super().__init__(app)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append((entry.name, self.clock.now))

    def run(self, duration: timedelta) -> None:
        until = self.clock.now + duration
        while self.clock.now < until:
            self.look_count += 1
            self.clock.sleep(self.tick())
            self.clock.sleep(LOOK_SECONDS)


def jobs_of_the_product() -> dict[str, float]:
    return {name: job["schedule"].seconds for name, job in settings.CELERY_BEAT_SCHEDULE.items()}


def test_each_job_runs_once_in_each_of_its_turns() -> None:
    beat = Beat(Clock(), jobs_of_the_product())
    beat.run(MINUTE)
    runs = Counter(name for name, _ in beat.sent)
    expected = {name: 60 / seconds for name, seconds in jobs_of_the_product().items() if seconds <= 60}
    # a minute that begins within a turn has one more or one less
    assert all(abs(runs[name] - times) <= 1 for name, times in expected.items()), runs


def test_a_job_comes_on_time_and_nobody_asks_again_and_again_until_then() -> None:
    beat = Beat(Clock(), {"sweep": 1})
    beat.run(MINUTE)
    gaps = [(after - before).total_seconds() for (_, before), (_, after) in pairwise(beat.sent)]
    assert all(0.99 < gap < 1.01 for gap in gaps), gaps
    assert beat.look_count <= 3 * len(beat.sent)


def test_jobs_do_not_all_wake_at_once() -> None:
    beat = Beat(Clock(), jobs_of_the_product())
    beat.run(MINUTE)
    moments = sorted(moment for _, moment in beat.sent)
    most = max(sum(0 <= (other - moment).total_seconds() < 0.05 for other in moments) for moment in moments)
    assert most <= 3


def test_a_beat_that_restarts_all_the_time_gives_an_hourly_job_its_turn() -> None:
    clock, sent = Clock(), list[tuple[str, datetime]]()
    for _ in range(12):
        beat = Beat(clock, {"hourly": 3600})
        beat.run(timedelta(minutes=10))
        sent += beat.sent
    assert len(sent) == 2


def test_a_beat_that_starts_on_a_clock_set_back_silences_no_job() -> None:
    clock = Clock()
    beat = Beat(clock, {"sweep": 1})
    beat.run(MINUTE)
    clock.now -= timedelta(hours=1)
    again = Beat(clock, {"sweep": 1})
    again.schedule["sweep"].last_run_at = START + MINUTE
    again.run(timedelta(seconds=10))
    assert len(again.sent) >= 10


def test_turns_are_kept_in_a_file() -> None:
    kept = pickle.loads(pickle.dumps(Turns(5, 3)))
    assert (kept, vars(kept)) == (Turns(5, 3), vars(Turns(5, 3)))
