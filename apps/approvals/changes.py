"""What changed in the queue since a page showed it. Nothing is ever put between the rows somebody reads: what is new is
counted, what is over stays and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from apps.approvals.filters import QueueFilter
from apps.approvals.inbox import DRAWN, Ending, Queue, Row, rows_of
from apps.approvals.models import Approval, ApprovalState, Vote
from apps.approvals.queries import approvals_visible_to
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import BadRequest
from apps.core.ids import parse_uuid
from apps.core.paging import PAGE_SIZE

MOST_UNDOABLE = 3
# A look begins with the id.
ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different from what the page shows: rows to draw anew, ids to take away, how many are new."""

    rows: list[Row]
    gone: list[UUID]
    new_count: int


def ids_of(looks: Sequence[str]) -> list[UUID]:
    """Of which rows these are the looks. Raises BadRequest where one is none."""
    found = [parse_uuid(look[:ID_LENGTH]) for look in looks]
    if None in found:
        raise BadRequest("inbox.bad_look", "Load the page again: this one is older than the console.")
    return [row_id for row_id in found if row_id]


def changes_for(actor: Actor, queue: Queue, seen: Sequence[str]) -> Changes:
    """The difference between the queue and the rows that a page shows, given as their looks in the order they stand."""
    looks = dict(zip(ids_of(seen), seen, strict=True))
    present = {row.approval.id: row for row in queue.rows}
    left = [row_id for row_id in looks if row_id not in present]
    rows = [row for row in queue.rows if row.approval.id in looks] + _left_behind(actor, queue.shown, left)
    found = {row.approval.id for row in rows}
    return Changes(
        rows=[row for row in rows if row.look != looks[row.approval.id]],
        gone=[row_id for row_id in left if row_id not in found],
        new_count=_new_count(queue, looks),
    )


def _new_count(queue: Queue, looks: dict[UUID, str]) -> int:
    """Rows that would stand between those on the screen. Behind the last of a full page others merely move up."""
    known = [row.approval.id in looks for row in queue.rows]
    last = len(known) - 1 - known[::-1].index(True) if True in known else -1
    within = known if len(looks) < PAGE_SIZE or last < 0 else known[: last + 1]
    return within.count(False)


def _left_behind(actor: Actor, shown: QueueFilter, ids: list[UUID]) -> list[Row]:
    """Rows that are on the screen and not on the page any more: moved to another page, or decided elsewhere."""
    if not ids:
        return []
    seen = approvals_visible_to(actor).filter(id__in=ids)
    approvals = list(with_last_voter(seen.select_related(*DRAWN)))
    moved = set(shown.apply(actor).filter(id__in=ids).values_list("id", flat=True))
    endings = {approval.id: _ending(approval, actor) for approval in approvals if approval.id not in moved}
    return rows_of(actor, approvals, shown, endings)


def news_of(actor: Actor, opened: str) -> Ending | None:
    """What happened to the approval that is open on the page since it was drawn there, given as "id:version"."""
    name, _colon, version = opened.partition(":")
    if (approval_id := parse_uuid(name)) is None:
        return None
    approval = with_last_voter(approvals_visible_to(actor).filter(id=approval_id)).first()
    if approval is None or str(approval.version) == version:
        return None
    if approval.state == ApprovalState.PENDING and approval.settles_at is None:
        return Ending(_("Changed since you opened it"), None)
    return _ending(approval, actor)


def _ending(approval: Any, actor: Actor) -> Ending:
    """Who ended the wait and when, in a few words."""
    who = _("you") if approval.last_voter_id == actor.id else approval.last_voter
    if approval.settles_at is not None or approval.state == ApprovalState.APPROVED:
        return Ending(_("Approved by %(who)s") % {"who": who}, approval.last_voted_at)
    if approval.state == ApprovalState.REJECTED:
        return Ending(_("Rejected by %(who)s") % {"who": who}, approval.last_voted_at)
    if approval.state == ApprovalState.CHANGES_REQUESTED:
        return Ending(_("Sent back by %(who)s") % {"who": who}, approval.last_voted_at)
    if approval.state != ApprovalState.PENDING:
        return Ending(approval.get_state_display(), approval.resolved_at)
    return Ending(_("Not in this list any more"), None)


def undoable_of(actor: Actor) -> list[Row]:
    """What this person approved a moment ago and may still take back."""
    settling = Approval.objects.filter(settles_at__gt=clock.now(), spent_people__contains=[actor.known_id])
    ids = list(settling.values_list("id", flat=True))
    if not ids:
        return []
    mine = with_last_voter(approvals_visible_to(actor).filter(id__in=ids)).filter(last_voter_id=actor.known_id)
    return rows_of(actor, list(mine.select_related(*DRAWN)[:MOST_UNDOABLE]), QueueFilter())


def with_last_voter(approvals: QuerySet[Approval]) -> QuerySet[Any]:
    """With `last_voter` (a name), `last_voter_id` and `last_voted_at` of the last vote that stands."""
    last = Vote.objects.filter(approval=OuterRef("pk"), withdrawal=None).order_by("-id")
    return approvals.annotate(
        last_voter=Subquery(last.values("voter__name")[:1]),
        last_voter_id=Subquery(last.values("voter_id")[:1]),
        last_voted_at=Subquery(last.values("cast_at")[:1]),
    )
