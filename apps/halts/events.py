"""News about halts."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class HaltPlaced(DomainEvent):
    urgent: ClassVar[bool] = True

    halt_id: str

    @property
    def subject(self) -> str:
        return f"halt:{self.halt_id}"


@dataclass(frozen=True, slots=True)
class HaltLifted(DomainEvent):
    urgent: ClassVar[bool] = True

    halt_id: str

    @property
    def subject(self) -> str:
        return f"halt:{self.halt_id}"
