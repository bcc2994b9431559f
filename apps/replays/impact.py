"""What a replay came to, as people read it: sentences, buckets, what could not be made again, how far it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from apps.core import clock
from apps.core.clock import rfc3339
from apps.core.money import Money
from apps.replays.kinds import BUCKETS, DIFFERENCES, REASONS, Bucket, Kind, sentence_of
from apps.replays.models import ImpactReplay, ReplayState
from apps.replays.tally import Tally


@dataclass(frozen=True, slots=True)
class Line:
    """One number with its sentence: “63 decisions would no longer ask anyone (€12,400.00).”"""

    kind: Kind
    count: int
    listed: int
    sums: list[Money]

    @property
    def sentence(self) -> str:
        money = f" ({' and '.join(map(str, self.sums))})" if self.sums else ""
        return f"{sentence_of(self.kind, self.count)}{money}."

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "count": self.count,
            "listed": self.listed,
            "money": _money(self.sums),
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Heap:
    """A bucket with what is in it."""

    bucket: Bucket
    count: int
    sums: list[Money]
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Impact:
    """A replay and everything that is said of it. `is_stale`: the draft was saved again since."""

    replay: ImpactReplay
    tally: Tally

    @property
    def heaps(self) -> list[Heap]:
        return [
            Heap(bucket, total.count, total.sums, self._lines(bucket.kinds))
            for bucket in BUCKETS
            for total in [self.tally.counted(bucket.kinds)]
        ]

    @property
    def differences(self) -> list[Line]:
        """The gravest first."""
        return self._lines(DIFFERENCES)

    @property
    def left_out(self) -> list[Line]:
        return self._lines(REASONS)

    @property
    def left_out_count(self) -> int:
        return self.tally.counted(REASONS).count

    @property
    def is_stale(self) -> bool:
        version = self.replay.draft_version
        return version is not None and version.number != version.draft.version

    @property
    def percent(self) -> int | None:
        """None while nobody knows how many there are."""
        if self.replay.total_count is None:
            return None
        return min(100, 100 * self.replay.done_count // max(1, self.replay.total_count))

    @property
    def seconds_left(self) -> int | None:
        started, done, total = self.replay.started_at, self.replay.done_count, self.replay.total_count
        if started is None or not done or total is None:
            return None
        gone = (clock.now() - started).total_seconds()
        return max(1, round(gone / done * max(0, total - done)))

    @property
    def mark(self) -> str:
        """Changes with everything that a page shows of it."""
        return f"{self.replay.state}-{self.replay.done_count}-{self.is_stale}"

    @property
    def headline(self) -> str:
        """Of what was decided again so far, how much is another."""
        done = self.replay.done_count
        if not done:
            return "There was nothing to decide again." if self.replay.state == ReplayState.DONE else ""
        differing, left_out = self.tally.counted(DIFFERENCES).count, self.left_out_count
        if not differing and not left_out:
            return f"None of {_decisions(done)} would be another."
        unknown = f", {left_out:,} could not be decided again" if left_out else ""
        return f"{_decisions(done)}: {self.tally.same:,} the same, {differing:,} not{unknown}."

    def _lines(self, kinds: tuple[Kind, ...]) -> list[Line]:
        counted = [(kind, self.tally.kinds[kind]) for kind in kinds if kind in self.tally.kinds]
        return [Line(kind, each.count, each.listed, each.sums) for kind, each in counted if each.count]

    def as_json(self) -> dict[str, Any]:
        replay, version = self.replay, self.replay.draft_version
        return {
            "id": str(replay.id),
            "mode": replay.mode,
            "set": replay.policy_set.slug,
            "draft_id": str(version.draft_id) if version else None,
            "draft_version": version.number if version else None,
            "version": replay.release.version if replay.release else None,
            "stale": self.is_stale,
            "environment": replay.environment,
            "since": rfc3339(replay.since),
            "until": rfc3339(replay.until),
            "state": replay.state,
            "failure": replay.failure,
            "total": replay.total_count,
            "done": replay.done_count,
            "same": self.tally.same,
            "buckets": {
                heap.bucket.name: {
                    "count": heap.count,
                    "money": _money(heap.sums),
                    "kinds": [line.as_json() for line in heap.lines],
                }
                for heap in self.heaps
            },
            "not_decided_again": [line.as_json() for line in self.left_out],
            "asked_by": replay.asked_by_name,
            "asked_at": rfc3339(replay.asked_at),
            "ended_at": rfc3339(replay.ended_at),
        }


def impact_of(replay: ImpactReplay) -> Impact:
    """The replay's row as it was read, with its draft's."""
    return Impact(replay, Tally.from_json(replay.tally))


def window_start(days: int | None) -> dt.datetime | None:
    """So many days ago; None for all there is."""
    return None if days is None else clock.now() - dt.timedelta(days=days)


def _money(sums: list[Money]) -> list[dict[str, Any]]:
    return [{"minor": each.minor, "currency": each.currency} for each in sums]


def _decisions(count: int) -> str:
    return f"{count:,} decision{'' if count == 1 else 's'}"
