"""The acts of the approvals engine. One engine for every kind of consent; nothing here knows what a tool call is."""

from apps.approvals.services.authority import change_rules, delegate, end_delegation, end_limit, set_limit
from apps.approvals.services.bulk import (
    bulk_vote,
    cancel_bulk_vote,
    interrupted_bulk_votes,
    run_bulk_vote,
    withdraw_bulk_vote,
)
from apps.approvals.services.clocks import escalate_due, extend, mark_milestones, pause_clocks, resume_clocks
from apps.approvals.services.consent import (
    cancel_approval,
    expire_due,
    request_consent,
    settle_due,
    supersede_approval,
)
from apps.approvals.services.oversight import (
    draw_second_look,
    draw_second_looks,
    escalate,
    give_second_opinion,
    open_second_looks,
    second_look_for,
)
from apps.approvals.services.queue import change_selection, delete_view, save_view, select, snooze, unsnooze
from apps.approvals.services.votes import (
    BallotPaper,
    VoteOutcome,
    cast_vote,
    cast_votes,
    refusal_of_vote,
)
from apps.approvals.services.withdrawals import withdraw_vote, withdraw_votes

__all__ = [
    "BallotPaper",
    "VoteOutcome",
    "bulk_vote",
    "cancel_approval",
    "cancel_bulk_vote",
    "cast_vote",
    "cast_votes",
    "change_rules",
    "change_selection",
    "delegate",
    "delete_view",
    "draw_second_look",
    "draw_second_looks",
    "end_delegation",
    "end_limit",
    "escalate",
    "escalate_due",
    "expire_due",
    "extend",
    "give_second_opinion",
    "interrupted_bulk_votes",
    "mark_milestones",
    "open_second_looks",
    "pause_clocks",
    "refusal_of_vote",
    "request_consent",
    "resume_clocks",
    "run_bulk_vote",
    "save_view",
    "second_look_for",
    "select",
    "set_limit",
    "settle_due",
    "snooze",
    "supersede_approval",
    "unsnooze",
    "withdraw_bulk_vote",
    "withdraw_vote",
    "withdraw_votes",
]
