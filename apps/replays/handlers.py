"""What happens on news: a review gets its replay, and a replay as many tasks as may work on it at a time."""

from typing import Any
from uuid import UUID

from apps.core.outbox import DomainEvent, Handler
from apps.policies.events import PolicyReviewRequested
from apps.replays import services, tasks
from apps.replays.events import ImpactReplayAsked, RunReplayAsked
from apps.replays.models import Mode


def begin_replay(event: dict[str, Any]) -> None:
    for _ in range(services.LANES if event["mode"] == Mode.REPLAY else 1):
        tasks.advance_replay.delay(event["replay_id"])


def replay_for_review(event: dict[str, Any]) -> None:
    services.replay_for_review(UUID(event["request_id"]))


def begin_run_replay(event: dict[str, Any]) -> None:
    tasks.advance_run_replay.delay(event["replay_id"])


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ImpactReplayAsked: [begin_replay],
    RunReplayAsked: [begin_run_replay],
    PolicyReviewRequested: [replay_for_review],
}
