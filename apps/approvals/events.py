"""News about approvals. Whoever asked for consent listens for its own subject type."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class ApprovalVoted(DomainEvent):
    """One person voted; the approval may or may not be resolved by it."""

    approval_id: str
    vote_id: str
    subject_type: str
    subject_id: str

    @property
    def subject(self) -> str:
        return f"approval:{self.approval_id}"


@dataclass(frozen=True, slots=True)
class ApprovalResolved(DomainEvent):
    """The last vote, the expiry or a cancellation. `state` is the approval's end."""

    urgent: ClassVar[bool] = True

    approval_id: str
    subject_type: str
    subject_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"approval:{self.approval_id}"
