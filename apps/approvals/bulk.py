"""Reading bulk votes: how far one has come, and what became of each row."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count

from apps.approvals.cards import cards_of
from apps.approvals.models import Approval, BulkOutcome, BulkState, BulkVote
from apps.approvals.queries import approvals_visible_to
from apps.approvals.selection import bulk_vote_for
from apps.core.actor import Actor
from apps.core.paging import PAGE_SIZE, page_of

DONE = "done"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class NotDone:
    """One row that was not voted on: `what` it asks for, and why not. None for a row one may not see any more."""

    approval: Approval | None
    approval_id: UUID
    what: str | None
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class BulkResult:
    """`counts` has the rows by code, "done" among them; `count` is how many there are and `handled_count` how many have
    their outcome. `not_done` is one page of what was refused, `next` the cursor of the following one.
    """

    bulk: BulkVote
    count: int
    handled_count: int
    counts: dict[str, int]
    not_done: list[NotDone]
    next: str | None

    @property
    def done_count(self) -> int:
        return self.counts.get(DONE, 0)

    @property
    def is_running(self) -> bool:
        return self.bulk.state == BulkState.RUNNING


def outcomes_of(actor: Actor, bulk_id: UUID, *, cursor: str | None = None, size: int = PAGE_SIZE) -> BulkResult:
    """How it went: every row counted by its code, and those that were not done one by one."""
    bulk = bulk_vote_for(actor, bulk_id)
    counts = dict(bulk.outcomes.order_by().values_list("code").annotate(Count("id")))
    page = page_of(bulk.outcomes.exclude(code__in=(DONE, WITHDRAWN)), cursor=cursor, size=size, order=("id",))
    return BulkResult(
        bulk=bulk,
        count=bulk.selection.summary["count"],
        handled_count=bulk.done_count,
        counts=counts,
        not_done=_explained(actor, page.items),
        next=page.next,
    )


def _explained(actor: Actor, outcomes: list[BulkOutcome]) -> list[NotDone]:
    ids = [outcome.approval_id for outcome in outcomes]
    seen = {approval.id: approval for approval in approvals_visible_to(actor).filter(id__in=ids)}
    cards = cards_of(list(seen.values()), actor)
    return [
        NotDone(
            approval=seen.get(outcome.approval_id),
            approval_id=outcome.approval_id,
            what=cards[outcome.approval_id]["sentence"] if outcome.approval_id in seen else None,
            code=outcome.code,
            sentence=outcome.sentence,
        )
        for outcome in outcomes
    ]
