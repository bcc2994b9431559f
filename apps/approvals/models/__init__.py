"""The tables of the approvals engine: what is asked, who may answer, the queue at work, and the eye on all of it."""

from apps.approvals.models.approvals import (
    OPEN_STATES,
    Approval,
    ApprovalState,
    FeedbackReason,
    Risk,
    Stage,
    Urgency,
    Verdict,
    Vote,
    VoteWithdrawal,
)
from apps.approvals.models.authority import AuthorityLimit, ConsentRules, Delegation
from apps.approvals.models.oversight import Escalation, SecondLook, SecondOpinion
from apps.approvals.models.queue import BulkOutcome, BulkState, BulkVote, SavedView, Selection, Snooze

__all__ = [
    "OPEN_STATES",
    "Approval",
    "ApprovalState",
    "AuthorityLimit",
    "BulkOutcome",
    "BulkState",
    "BulkVote",
    "ConsentRules",
    "Delegation",
    "Escalation",
    "FeedbackReason",
    "Risk",
    "SavedView",
    "SecondLook",
    "SecondOpinion",
    "Selection",
    "Snooze",
    "Stage",
    "Urgency",
    "Verdict",
    "Vote",
    "VoteWithdrawal",
]
