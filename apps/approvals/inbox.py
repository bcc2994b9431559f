"""What the inbox shows: rows, tabs and the card, as plain values for the templates."""

import zlib
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from apps.approvals.models import Approval, ApprovalState, RejectReason, Stage, Verdict, Vote
from apps.approvals.queries import (
    QUEUE_ORDER,
    QueueSummary,
    approvals_in_view,
    cards_of,
    progress_of,
    stages_of,
    summary_of,
    votes_of,
)
from apps.approvals.services import refusal_of_vote
from apps.core.actor import Actor
from apps.core.errors import MeshError
from apps.core.paging import NEWEST_FIRST, Page, page_of
from apps.vault import services as vault

TABS = {"mine": "Waiting for me", "team": "My team", "decided": "Decided by me", "all": "All"}


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    label: str
    url: str
    current: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the queue."""

    approval: Approval
    sentence: str
    votes_given: int
    votes_needed: int
    url: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of one view. `version` changes when the page would show something else."""

    view: str
    url: str
    tabs: list[Tab]
    rows: list[Row]
    summary: QueueSummary
    page: Page[Approval]
    version: str


@dataclass(frozen=True, slots=True)
class Card:
    """One approval, ready to be decided. `refusal` says why this person cannot vote; None when they can."""

    approval: Approval
    content: dict[str, Any]
    stages: list[Stage]
    votes: list[tuple[Vote, str]]
    refusal: MeshError | None
    reject_reasons: list[tuple[str, str]]
    url: str
    vote_url: str
    run_url: str | None
    chain: list[dict[str, Any]]


def queue_for(actor: Actor, *, view: str, cursor: str | None) -> Queue:
    """The queue as this person sees it."""
    approvals = approvals_in_view(actor, view)
    page = page_of(approvals, cursor=cursor, order=QUEUE_ORDER if view in ("mine", "team") else NEWEST_FIRST)
    cards, progress = cards_of(page.items), progress_of(page.items)
    rows = [
        Row(approval, cards[approval.id]["sentence"], *progress.get(approval.id, (0, 0)), url=card_url(approval, view))
        for approval in page.items
    ]
    summary = summary_of(approvals)
    return Queue(
        view=view,
        url=f"{reverse('inbox')}?{urlencode({'view': view} | ({'after': cursor} if cursor else {}))}",
        tabs=_tabs(view, summary),
        rows=rows,
        summary=summary,
        page=page,
        version=version_of(rows, summary),
    )


def version_of(rows: list[Row], summary: QueueSummary) -> str:
    """Cheap and honest: the number waiting, and each shown row with its state and votes."""
    shown = ",".join(f"{row.approval.id.hex[-6:]}{row.approval.state[0]}{row.votes_given}" for row in rows)
    return f"{summary.count}-{zlib.crc32(shown.encode()):x}"


def card_url(approval: Approval, view: str) -> str:
    url = reverse("approval", args=[approval.id])
    return url if view == "mine" else f"{url}?view={view}"


def _tabs(current: str, summary: QueueSummary) -> list[Tab]:
    return [
        Tab(name, label, f"{reverse('inbox')}?view={name}", name == current, summary.count if name == current else None)
        for name, label in TABS.items()
    ]


def card_for(actor: Actor, approval: Approval) -> Card:
    """The card as this person sees it."""
    votes, stages = votes_of(approval), stages_of(approval)
    words = vault.read_many([vote.comment_id for vote in votes])
    return Card(
        approval=approval,
        content=cards_of([approval])[approval.id],
        stages=stages,
        votes=[(vote, words.get(vote.comment_id, "") if vote.comment_id else "") for vote in votes],
        refusal=refusal_of_vote(actor, approval),
        reject_reasons=list(RejectReason.choices),
        url=reverse("approval", args=[approval.id]),
        vote_url=reverse("approval-vote", args=[approval.id]),
        run_url=reverse("run", args=[approval.run_id]) if approval.run_id else None,
        chain=_chain(approval, stages, votes),
    )


def _chain(approval: Approval, stages: list[Stage], votes: list[Vote]) -> list[dict[str, Any]]:
    """Each stage as the chain shows it: passed, refused, open now, or later; with who has voted in it."""
    shown = []
    open_seen = approval.state != ApprovalState.PENDING
    for stage in stages:
        voters = [vote for vote in votes if vote.stage_id == stage.id]
        refused = any(vote.verdict == Verdict.REJECT for vote in voters)
        state = "done" if stage.passed_at else "refused" if refused else "later" if open_seen else "now"
        open_seen = open_seen or state == "now"
        given = sum(vote.verdict == Verdict.APPROVE for vote in voters)
        names = ", ".join(str(vote.voter) for vote in voters)
        shown.append({"label": stage.team.name, "state": state, "note": names or f"{given} of {stage.quorum}"})
    return shown
