"""What happens on news: as many tasks as may work on a replay at a time."""

from typing import Any

from apps.core.outbox import DomainEvent, Handler
from apps.replays import tasks
from apps.replays.events import ImpactReplayAsked
from apps.replays.models import Mode
from apps.replays.services import LANES


def begin_replay(event: dict[str, Any]) -> None:
    for _ in range(LANES if event["mode"] == Mode.REPLAY else 1):
        tasks.advance_replay.delay(event["replay_id"])


HANDLERS: dict[type[DomainEvent], list[Handler]] = {ImpactReplayAsked: [begin_replay]}
