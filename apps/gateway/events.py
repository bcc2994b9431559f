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


@dataclass(frozen=True, slots=True)
class ToolCallLeftUnknown(DomainEvent):
    """Nobody knows what became of a call; people have to find out."""

    tool_call_id: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class ToolCallResolved(DomainEvent):
    """A person said what they found out about a call whose outcome nobody knew."""

    tool_call_id: str
    run_id: str
    resolution_id: str
    finding: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class ToolCallConcluded(DomainEvent):
    """A call whose outcome nobody knew has one, by a person's finding or by the system's own answer."""

    tool_call_id: str
    run_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class ToolCallQuestioned(DomainEvent):
    """A person wants the system asked once more what became of a call."""

    urgent = True

    tool_call_id: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class CompensationEnded(DomainEvent):
    """A call that was to undo another has reached an end, whichever."""

    tool_call_id: str
    compensates_id: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.compensates_id}"


@dataclass(frozen=True, slots=True)
class ToolCallCompensated(DomainEvent):
    """What a call did was undone."""

    tool_call_id: str
    run_id: str
    compensation_id: str

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class PayloadRevealed(DomainEvent):
    """A person saw what is masked of a call; `by` is who, `classes` which of it."""

    tool_call_id: str
    run_id: str
    by: str
    classes: list[str]

    @property
    def subject(self) -> str:
        return f"tool_call:{self.tool_call_id}"


@dataclass(frozen=True, slots=True)
class UnwindStarted(DomainEvent):
    """Somebody wants undone what a run did."""

    urgent = True

    unwind_id: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class UnwindEnded(DomainEvent):
    """It is done, or it stopped at a step."""

    unwind_id: str
    run_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"
