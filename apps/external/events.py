"""News about requests from outside, beside what their approvals tell."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class ExternalEvent(DomainEvent):
    """What every piece of news about one request carries."""

    request_id: str
    approval_id: str

    @property
    def subject(self) -> str:
        return f"external:{self.request_id}"


@dataclass(frozen=True, slots=True)
class ExternalApprovalRequested(ExternalEvent):
    """A gateway outside asked for consent."""


@dataclass(frozen=True, slots=True)
class ExternalApprovalRevised(ExternalEvent):
    """It answered a wish for changes with a new version; `approval_id` is that version's."""


@dataclass(frozen=True, slots=True)
class ExternalApprovalCancelled(ExternalEvent):
    """It took its request back."""


@dataclass(frozen=True, slots=True)
class ExternalApprovalClaimed(ExternalEvent):
    """It is about to carry out what was approved. Nobody can claim this again."""


@dataclass(frozen=True, slots=True)
class ExternalApprovalHalted(ExternalEvent):
    """A stop ended it before it was claimed."""

    urgent: ClassVar[bool] = True

    halt_id: str
