"""News about what agents reported."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class UngovernedActionFound(DomainEvent):
    """An agent reported a tool execution with no enforced call behind it, and none of this tool was open before."""

    action_id: str

    @property
    def subject(self) -> str:
        return f"ungoverned:{self.action_id}"


@dataclass(frozen=True, slots=True)
class UngovernedActionAcknowledged(DomainEvent):
    """A person said what it was."""

    action_id: str

    @property
    def subject(self) -> str:
        return f"ungoverned:{self.action_id}"


@dataclass(frozen=True, slots=True)
class ReportedPayloadRevealed(DomainEvent):
    """A person saw the payload of a reported step; `by` is who."""

    step_id: str
    run_id: str
    by: str

    @property
    def subject(self) -> str:
        return f"reported_step:{self.step_id}"
