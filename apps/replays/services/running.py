"""Carrying a replay out, in chunks of about half a second.

A chunk is a range of decisions, one row while it is not counted. Whoever works on it holds its lock and commits its
differences, its counts and its removal together: whatever is killed whenever, each decision is counted once, and what a
dead worker held is free at once. So any number of workers may share a replay. A worker takes no lock that a call takes.
"""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Count as CountOf
from django.db.models import Max, Min, Q, TextField
from django.db.models.functions import Cast

from apps.core import clock, outbox
from apps.core.ids import first_id_at
from apps.policies.detectors import installed
from apps.policies.models import DraftState
from apps.registry.models import Tool
from apps.replays.comparing import Again, Present, Stored, decide_again, money_then, told
from apps.replays.events import ImpactReplayEnded
from apps.replays.kinds import Kind
from apps.replays.models import (
    ImpactReplay,
    Mode,
    ReplayChunk,
    ReplayedDecision,
    ReplayState,
)
from apps.replays.queries import PARTS, Beside, candidate_of, decisions_of
from apps.replays.tally import Tally
from apps.replays.telling import ACTOR, record_replay

log = structlog.get_logger(__name__)

# As many workers as may be at one replay: `console up` has two, and each is free for others between two chunks.
LANES = 2
CHUNK_SECONDS = 0.6
SMALLEST_CHUNK, LARGEST_CHUNK = 20, 1500
# Of each kind so many stand in the list; all are counted.
MOST_LISTED = 10_000
# An id is made just before its row is committed. A shadow looks no nearer to the present than this.
SETTLED = dt.timedelta(seconds=3)
# Its worker was killed, or its task was lost.
STALLED = dt.timedelta(seconds=10)

COLUMNS = (
    "id",
    "tool_call_id",
    "tool_call__process_id",
    "outcome",
    "obligations",
    "errors",
    "releases",
    "input__body",
    "tool_call__version",
    "tool_call__money_minor",
    "tool_call__currency",
)


def advance_replay(replay_id: UUID) -> bool:
    """Do one chunk of it. True while there is more. Safe to call anywhere, any number of times."""
    try:
        chunk_id = _next_chunk(replay_id)
        if chunk_id is not None:
            _work_off(chunk_id)
    except DatabaseError:
        raise  # it is tried again
    except Exception as error:
        _fail(replay_id, error)
        raise
    return chunk_id is not None


def replays_to_advance() -> list[UUID]:
    """Shadows, and replays that nobody has moved for a while. Ends what is followed for a draft that is no more one."""
    for replay in ImpactReplay.objects.filter(mode=Mode.SHADOW, state=ReplayState.RUNNING).select_related(*PARTS):
        if replay.draft_version and replay.draft_version.draft.state not in (DraftState.OPEN, DraftState.IN_REVIEW):
            ImpactReplay.objects.filter(id=replay.id, until__gt=clock.now()).update(until=clock.now())
    # of one that was cancelled while its worker was dead
    ReplayChunk.objects.filter(replay__ended_at__lt=clock.now() - STALLED).delete()
    stalled = Q(moved_at__lt=clock.now() - STALLED)
    open_ones = ImpactReplay.objects.filter(state__in=(ReplayState.QUEUED, ReplayState.RUNNING))
    return list(open_ones.filter(Q(mode=Mode.SHADOW) | stalled).order_by("id").values_list("id", flat=True))


def _next_chunk(replay_id: UUID) -> UUID | None:
    """One that nobody is at, or the next that was not planned yet."""
    with transaction.atomic():
        replays = ImpactReplay.objects.select_for_update(of=("self",)).select_related(*PARTS)
        replay = replays.filter(id=replay_id).first()
        if replay is None or not replay.is_open:
            return None
        if replay.state == ReplayState.QUEUED:
            _begin(replay)
        chunks = ReplayChunk.objects.filter(replay=replay)
        left = chunks.select_for_update(skip_locked=True).order_by("id").first()
        if left is not None:
            return left.id
        under_way = chunks.count()
        if under_way >= LANES:
            return None
        return _plan(replay, is_last=not under_way)


def _begin(replay: ImpactReplay) -> None:
    """Count what there is. Decisions that come later have later ids."""
    name = Cast("id", TextField())  # PostgreSQL knows no least uuid; as texts they have the same order
    found = decisions_of(replay).aggregate(first=Min(name), last=Max(name), count=CountOf("id"))
    replay.state, replay.started_at = ReplayState.RUNNING, clock.now()
    replay.total_count = found["count"]
    replay.last_id = UUID(found["last"]) if found["last"] else None
    replay.planned_to = UUID(int=UUID(found["first"]).int - 1) if found["first"] else None
    replay.save(update_fields=["state", "started_at", "total_count", "last_id", "planned_to"])


def _plan(replay: ImpactReplay, *, is_last: bool) -> UUID | None:
    waiting = decisions_of(replay)
    if replay.planned_to is not None:
        waiting = waiting.filter(id__gt=replay.planned_to)
    if replay.is_shadow:
        waiting = waiting.filter(id__lt=first_id_at(clock.now() - SETTLED))
    elif replay.last_id is not None:
        waiting = waiting.filter(id__lte=replay.last_id)
    ids = list(waiting.order_by("id").values_list("id", flat=True)[: replay.chunk_size])
    if not ids:
        if is_last and (not replay.is_shadow or clock.now() >= replay.until + SETTLED):
            _end(replay, ReplayState.DONE)
        return None
    chunk = ReplayChunk.objects.create(replay=replay, after=replay.planned_to, up_to=ids[-1])
    replay.planned_to = ids[-1]
    replay.save(update_fields=["planned_to"])
    return chunk.id


@dataclass(slots=True)
class _Found:
    """What one chunk came to."""

    tally: Tally = field(default_factory=Tally)
    rows: list[ReplayedDecision] = field(default_factory=list)


def _work_off(chunk_id: UUID) -> None:
    with transaction.atomic():
        chunks = ReplayChunk.objects.select_for_update(skip_locked=True, of=("self",))
        chunk = chunks.filter(id=chunk_id).first()
        if chunk is None:
            return
        replay = ImpactReplay.objects.select_related(*PARTS).get(id=chunk.replay_id)
        began = time.monotonic()
        found = _decided_again(replay, chunk) if replay.is_open else _Found()
        _count(replay.id, found, time.monotonic() - began)
        chunk.delete()


def _decided_again(replay: ImpactReplay, chunk: ReplayChunk) -> _Found:
    found = _Found()
    beside = Beside(candidate_of(replay))
    present = Present(dict(Tool.objects.values_list("name", "definition_digest")), installed())
    known: dict[Any, Again] = {}
    for stored, refs in _stored(replay, chunk):
        releases = beside.releases(refs)
        # the same question again, as agents that look something up often ask it, has the same answer
        key = (stored.body, id(releases), stored.outcome, str(stored.obligations), stored.has_errors)
        again = known.get(key) if stored.body is not None else None
        if again is None:
            again = known[key] = decide_again(stored, releases, present)
        if again.kind is None:
            found.tally.same += 1
        else:
            _add(found, replay, stored, again, again.kind)
    return found


def _stored(replay: ImpactReplay, chunk: ReplayChunk) -> Iterator[tuple[Stored, list[dict[str, Any]]]]:
    decisions = decisions_of(replay).filter(id__lte=chunk.up_to).order_by("id")
    if chunk.after is not None:
        decisions = decisions.filter(id__gt=chunk.after)
    for row in decisions.values_list(*COLUMNS):
        decision_id, call_id, process_id, outcome, obligations, errors, refs, body, version, minor, currency = row
        stored = Stored(
            decision_id,
            call_id,
            process_id,
            outcome,
            obligations,
            bool(errors),
            None if body is None else bytes(body),
            money_then(version, minor, currency),
        )
        yield stored, refs


def _add(found: _Found, replay: ImpactReplay, stored: Stored, again: Again, kind: Kind) -> None:
    count = found.tally.of(kind)
    count.count += 1
    money, verdict = again.money, again.verdict
    if money is not None:
        count.minor[money.currency] = count.minor.get(money.currency, 0) + money.minor
    found.rows.append(
        ReplayedDecision(
            replay=replay,
            kind=kind,
            decision_id=stored.decision_id,
            tool_call_id=stored.call_id,
            process_id=stored.process_id,
            outcome_before=stored.outcome,
            outcome_after=verdict.outcome if verdict else "",
            money_minor=money.minor if money else None,
            currency=money.currency if money else "",
            after=told(verdict) if verdict else {},
        )
    )


def _count(replay_id: UUID, found: _Found, seconds: float) -> None:
    """Add a chunk to what was counted. Of one that was cancelled meanwhile nothing is."""
    replay = ImpactReplay.objects.select_for_update().get(id=replay_id)
    if not replay.is_open:
        return
    tally = Tally.from_json(replay.tally)
    listed: dict[Kind, int] = defaultdict(int)
    rows = []
    for row in found.rows:
        kind = Kind(row.kind)
        if tally.of(kind).listed + listed[kind] < MOST_LISTED:
            listed[kind] += 1
            rows.append(row)
    ReplayedDecision.objects.bulk_create(rows)
    for kind, count in found.tally.kinds.items():
        count.listed = listed[kind]
        tally.of(kind).add(count)
    tally.same += found.tally.same
    done = found.tally.total
    replay.tally, replay.moved_at = tally.as_json(), clock.now()
    replay.done_count += done
    replay.chunk_size = _next_size(done, seconds, replay.chunk_size)
    replay.save(update_fields=["tally", "done_count", "moved_at", "chunk_size"])


def _next_size(done: int, seconds: float, size: int) -> int:
    """As many as this machine decides in the time a chunk may take, not more than twice as many as before."""
    if not done or not seconds:
        return size
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, 2 * size, int(CHUNK_SECONDS * done / seconds)))


def _end(replay: ImpactReplay, state: ReplayState) -> None:
    """The caller holds the replay's lock."""
    replay.state, replay.ended_at = state, clock.now()
    if replay.total_count is not None:
        replay.total_count = replay.done_count
    replay.save(update_fields=["state", "ended_at", "total_count", "failure"])
    record_replay(ACTOR, "ended", replay)
    outbox.add(ImpactReplayEnded(str(replay.id), replay.state))


def _fail(replay_id: UUID, error: Exception) -> None:
    with transaction.atomic():
        replay = (
            ImpactReplay.objects.select_for_update(of=("self",)).select_related(*PARTS).filter(id=replay_id).first()
        )
        if replay is not None and replay.is_open:
            replay.failure = f"It could not go on: {type(error).__name__}."
            _end(replay, ReplayState.FAILED)
