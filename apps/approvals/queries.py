"""Reading approvals: whose they are, what waits, what was shown."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, Sum

from apps.accounts.models import Membership
from apps.approvals.models import Approval, ApprovalState, Stage, Vote
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.money import Money
from apps.registry.permissions import APPROVE
from apps.registry.queries import processes_visible_to, processes_where
from apps.vault import services as vault

VIEWS = ("mine", "team", "decided", "all")
# What breaches first comes first; `id` makes the order total.
QUEUE_ORDER = ("expires_at", "id")


def approvals_visible_to(actor: Actor) -> QuerySet[Approval]:
    """Approvals of the processes a person sees. Agents learn of theirs through the tool call."""
    if actor.is_agent:
        return Approval.objects.none()
    return Approval.objects.filter(process__in=processes_visible_to(actor)).select_related("process", "agent")


def approval_for(actor: Actor, approval_id: UUID, *, lock: bool = False) -> Approval:
    """One approval this actor may see; with `lock`, its row locked until the transaction ends. Raises NotFound."""
    approvals = approvals_visible_to(actor).filter(id=approval_id)
    approval = (approvals.select_for_update(of=("self",)) if lock else approvals).first()
    if approval is None:
        raise NotFound("approval.not_found", "There is no such approval.")
    return approval


def approvals_in_view(actor: Actor, view: str) -> QuerySet[Approval]:
    """`mine`: I can vote on it now. `team`: it waits for a team of mine. `decided`: I voted. `all`: everything I may
    see.
    """
    visible = approvals_visible_to(actor)
    if view == "decided":
        return visible.filter(Exists(Vote.objects.filter(approval=OuterRef("pk"), voter_id=actor.known_id)))
    if view == "all":
        return visible
    waiting = visible.filter(state=ApprovalState.PENDING, expires_at__gt=clock.now())
    waiting = waiting.annotate(stage_team=Subquery(_open_stages().values("team")[:1]))
    mine = waiting.filter(stage_team__in=Membership.objects.filter(user_id=actor.known_id).values("team"))
    if view == "team":
        return mine
    return mine.filter(
        ~Exists(Vote.objects.filter(approval=OuterRef("pk"), voter_id=actor.known_id)),
        ~Q(barred_people__contains=[actor.known_id]),
        process__in=processes_where(actor, APPROVE),
    )


def _open_stages() -> QuerySet[Stage]:
    return Stage.objects.filter(approval=OuterRef("pk"), passed_at=None).order_by("position")


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """Count, oldest request and sum per currency of one view."""

    count: int
    oldest: Any
    sums: list[Money]


def summary_of(approvals: QuerySet[Approval]) -> QueueSummary:
    """One query: money is summed per currency and never across."""
    rows = list(
        approvals.order_by()
        .values("currency")
        .annotate(count=Count("id"), oldest=Min("requested_at"), total=Sum("money_minor"))
    )
    return QueueSummary(
        count=sum(row["count"] for row in rows),
        oldest=min((row["oldest"] for row in rows), default=None),
        sums=[
            Money(row["total"], row["currency"])
            for row in sorted(rows, key=lambda row: row["currency"])
            if row["currency"]
        ],
    )


def cards_of(approvals: list[Approval]) -> dict[UUID, dict[str, Any]]:
    """What was shown for each approval, by approval id. An erased card reads as such and never fails a page."""
    bodies = vault.read_many([approval.card_id for approval in approvals])
    return {approval.id: bodies.get(approval.card_id) or ERASED_CARD for approval in approvals}


ERASED_CARD: dict[str, Any] = {
    "sentence": "The content of this request was erased",
    "facts": [],
    "why": [],
    "evidence": [],
}


def stages_of(approval: Approval) -> list[Stage]:
    """The chain in order, each with its team and `approve_count`."""
    approved = Count("votes", filter=Q(votes__verdict="approve"))
    return list(approval.stages.select_related("team").annotate(approve_count=approved).order_by("position"))


def progress_of(approvals: list[Approval]) -> dict[UUID, tuple[int, int]]:
    """(votes for it, votes needed) by approval id, in one query."""
    rows = (
        Stage.objects.filter(approval__in=approvals)
        .values("approval_id", "id", "quorum")
        .annotate(given=Count("votes", filter=Q(votes__verdict="approve")))
    )
    progress: dict[UUID, tuple[int, int]] = {}
    for row in rows:
        given, needed = progress.get(row["approval_id"], (0, 0))
        progress[row["approval_id"]] = (given + row["given"], needed + row["quorum"])
    return progress


def votes_of(approval: Approval) -> list[Vote]:
    """Every vote, in the order they were cast, with its voter."""
    return list(approval.votes.select_related("voter", "stage").annotate(team=F("stage__team__name")).order_by("id"))
