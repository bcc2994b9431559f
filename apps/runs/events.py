"""News about runs."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class RunTimedOut(DomainEvent):
    """The time a run had is over before its agent ended it."""

    run_id: str
    deadline_at: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunExtended(DomainEvent):
    """An owner gave a run more time; one that had run out of it goes on."""

    run_id: str
    deadline_at: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"
