"""News about tool calls."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class ToolCallDecided(DomainEvent):
    """A call was decided, at intake or at release."""

    tool_call_id: str
    run_id: str
    outcome: str
    state: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class ToolCallFinished(DomainEvent):
    """A call reached an end; `state` says which."""

    tool_call_id: str
    run_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"
