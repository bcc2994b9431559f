"""News of replays."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class ImpactReplayAsked(DomainEvent):
    """Somebody wants decisions made again under other policies."""

    urgent: ClassVar[bool] = True

    replay_id: str
    policy_set: str
    mode: str

    @property
    def subject(self) -> str:
        return f"impact_replay:{self.replay_id}"


@dataclass(frozen=True, slots=True)
class ImpactReplayEnded(DomainEvent):
    """It is done, cancelled or failed: `state` says which."""

    replay_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"impact_replay:{self.replay_id}"


@dataclass(frozen=True, slots=True)
class RunReplayAsked(DomainEvent):
    """Somebody wants a run decided again."""

    urgent: ClassVar[bool] = True

    replay_id: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"run_replay:{self.replay_id}"


@dataclass(frozen=True, slots=True)
class RunReplayEnded(DomainEvent):
    """It is done, cancelled or failed: `state` says which."""

    replay_id: str
    run_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"run_replay:{self.replay_id}"
