"""Celery entries: an id in, one service call. A replay is a row of short tasks, so that what calls wait for has its
turn between two of them.
"""

from uuid import UUID

from celery import shared_task

from apps.replays import services


@shared_task
def advance_replay(replay_id: str) -> None:
    """One chunk; the next is a task of its own."""
    if services.advance_replay(UUID(replay_id)):
        advance_replay.delay(replay_id)


@shared_task
def advance_run_replay(replay_id: str) -> None:
    """The same of the replay of a run."""
    if services.advance_run_replay(UUID(replay_id)):
        advance_run_replay.delay(replay_id)


@shared_task
def follow_replays() -> None:
    """Every few seconds: shadows with decisions to look at, replays whose worker was killed or whose task was lost."""
    for replay_id in services.run_replays_to_advance():
        advance_run_replay.delay(str(replay_id))
    for replay_id in services.replays_to_advance():
        advance_replay.delay(str(replay_id))
