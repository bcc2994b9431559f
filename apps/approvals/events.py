"""News about approvals. Whoever asked for consent listens for its own subject type."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class ApprovalEvent(DomainEvent):
    """What every piece of news about one approval carries."""

    approval_id: str
    subject_type: str
    subject_id: str

    @property
    def subject(self) -> str:
        return f"approval:{self.approval_id}"


@dataclass(frozen=True, slots=True)
class ApprovalOpened(ApprovalEvent):
    """It waits for the team with this slug now: it is new, or the stage before was passed."""

    team: str
    position: int


@dataclass(frozen=True, slots=True)
class ApprovalVoted(ApprovalEvent):
    """One person voted; the approval may or may not be resolved by it."""

    vote_id: str


@dataclass(frozen=True, slots=True)
class VoteWithdrawn(ApprovalEvent):
    """The last voter took the vote back before it was released; it waits again."""

    vote_id: str


@dataclass(frozen=True, slots=True)
class ApprovalChangesRequested(ApprovalEvent):
    """A person wants another version; it is the agent's turn."""

    urgent: ClassVar[bool] = True

    vote_id: str


@dataclass(frozen=True, slots=True)
class ApprovalReminded(ApprovalEvent):
    """So many percent of the time to decide are gone: 50, 90 or 100."""

    percent: int


@dataclass(frozen=True, slots=True)
class ApprovalEscalated(ApprovalEvent):
    """It was brought before one more team, by a person or by time."""

    team: str
    escalated_by: str


@dataclass(frozen=True, slots=True)
class ApprovalDelegated(ApprovalEvent):
    """One person handed this one approval to another."""

    delegation_id: str


@dataclass(frozen=True, slots=True)
class ApprovalResolved(ApprovalEvent):
    """The last vote has settled, or it expired, was cancelled or replaced. `state` is the approval's end."""

    urgent: ClassVar[bool] = True

    state: str


@dataclass(frozen=True, slots=True)
class BulkVoteStarted(DomainEvent):
    """A vote on a selection, of which the first portion is done and more are left."""

    urgent: ClassVar[bool] = True

    bulk_vote_id: str

    @property
    def subject(self) -> str:
        return f"bulk_vote:{self.bulk_vote_id}"
