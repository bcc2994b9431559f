"""News about halts."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class HaltEvent(DomainEvent):
    """What every piece of news about one halt carries."""

    urgent: ClassVar[bool] = True

    halt_id: str

    @property
    def subject(self) -> str:
        return f"halt:{self.halt_id}"


@dataclass(frozen=True, slots=True)
class HaltPlaced(HaltEvent):
    pass


@dataclass(frozen=True, slots=True)
class HaltLifted(HaltEvent):
    pass


@dataclass(frozen=True, slots=True)
class HaltLiftRequested(HaltEvent):
    """Somebody wants to lift a wide halt; a second person is asked."""

    approval_id: str


@dataclass(frozen=True, slots=True)
class HaltLiftRefused(HaltEvent):
    """The halt goes on: nobody agreed in time, somebody said no, or it could not be carried out any more."""


@dataclass(frozen=True, slots=True)
class HaltRampStarted(HaltEvent):
    """The first part of the work starts again."""


@dataclass(frozen=True, slots=True)
class HaltHeldAgain(HaltEvent):
    """The ramp was stopped: the halt holds everything again."""


@dataclass(frozen=True, slots=True)
class HaltRuleFired(DomainEvent):
    """A rule's condition is true. `halt_id` is "" for a dry rule, which placed nothing."""

    rule: str
    halt_id: str

    @property
    def subject(self) -> str:
        return f"halt-rule:{self.rule}"


@dataclass(frozen=True, slots=True)
class HaltDrillFinished(DomainEvent):
    """A drill is over; its row says what it showed."""

    drill_id: str
    got_through_count: int

    @property
    def subject(self) -> str:
        return f"halt-drill:{self.drill_id}"


@dataclass(frozen=True, slots=True)
class HaltExpired(HaltEvent):
    """Its time ran out: a stop goes on as a hold, any other has ended."""
