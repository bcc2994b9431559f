"""Workers share a replay, are killed and cancelled; each decision is counted once."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction

from apps.replays import services
from apps.replays.models import ImpactReplay, ReplayChunk
from apps.replays.services import running
from tests.conftest import Robot, actor, at_once
from tests.policies.reviewing import raised
from tests.replays.histories import carried_out, facts, kinds, stored

SMALL = 7


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SMALLEST_CHUNK", SMALL)
    monkeypatch.setattr(running, "LARGEST_CHUNK", SMALL)


def asked(count: int) -> ImpactReplay:
    stored(facts(amount) for _ in range(count // 2) for amount in ("180.00", "600.00"))
    replay = services.replay_draft(actor=actor("priya"), draft_id=raised().id)
    ImpactReplay.objects.filter(id=replay.id).update(chunk_size=SMALL)
    return replay


def worked(replay: ImpactReplay) -> int:
    """One worker, until it finds nothing more."""
    turns = 0
    while services.advance_replay(replay.id):
        turns += 1
    return turns


class Killed(BaseException):
    """As if by SIGKILL: nothing of ours hears of it."""


@pytest.mark.django_db(transaction=True)
def test_four_workers_count_each_decision_once(writer: Robot, small_chunks: None) -> None:
    replay = asked(100)
    at_once([partial(worked, replay)] * 4)
    replay.refresh_from_db()
    assert (replay.state, replay.total_count, replay.done_count) == ("done", 100, 100)
    assert kinds(replay) == {"approval-to-allow": 50}
    assert not ReplayChunk.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["_decided_again", "_count"])
def test_a_killed_worker_leaves_its_chunk_to_the_next(
    writer: Robot, small_chunks: None, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    replay = asked(30)
    services.advance_replay(replay.id)
    real, calls = getattr(running, place), []

    def dies(*arguments: Any) -> Any:
        calls.append(real(*arguments))
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed), transaction.atomic():
        patched.setattr(running, place, dies)
        services.advance_replay(replay.id)
    replay.refresh_from_db()
    assert calls and replay.done_count == SMALL
    done = carried_out(replay)
    assert (done.state, done.done_count, kinds(done)) == ("done", 30, {"approval-to-allow": 15})


@pytest.mark.django_db
def test_a_cancel_throws_the_chunk_under_way_away(
    writer: Robot, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = asked(30)
    services.advance_replay(replay.id)
    real = running._decided_again

    def slowly(*arguments: Any) -> Any:
        found = real(*arguments)
        services.cancel_replay(actor=actor("alex"), replay_id=replay.id)
        return found

    monkeypatch.setattr(running, "_decided_again", slowly)
    services.advance_replay(replay.id)
    assert not services.advance_replay(replay.id)
    replay.refresh_from_db()
    assert (replay.state, replay.done_count) == ("cancelled", SMALL)
    assert not ReplayChunk.objects.exists()


@pytest.mark.django_db
def test_a_replay_nobody_moves_is_taken_up_again(writer: Robot, time_passes: Any) -> None:
    replay = asked(4)
    assert services.replays_to_advance() == []
    time_passes(seconds=11)
    assert services.replays_to_advance() == [replay.id]
    carried_out(replay)
    assert services.replays_to_advance() == []


@pytest.mark.django_db
def test_a_bug_ends_it_and_says_so(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = asked(4)

    def breaks(*arguments: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(running, "candidate_of", breaks)
    with pytest.raises(ZeroDivisionError):
        services.advance_replay(replay.id)
    replay.refresh_from_db()
    assert (replay.state, replay.failure) == ("failed", "It could not go on: ZeroDivisionError.")


def test_chunks_follow_the_speed_of_the_machine() -> None:
    assert running._next_size(250, 0.05, 250) == 500
    assert running._next_size(1000, 0.1, 1000) == running.LARGEST_CHUNK
    assert running._next_size(250, 25.0, 250) == running.SMALLEST_CHUNK
    assert running._next_size(0, 0.0, 250) == 250
