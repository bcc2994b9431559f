"""What the queue shows: tabs, rows and the line above them, as plain values for the templates."""

import dataclasses
import datetime as dt
import zlib
from dataclasses import dataclass
from urllib.parse import parse_qsl
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.approvals.cards import cards_of
from apps.approvals.filters import Chip, QueueFilter
from apps.approvals.models import Approval, ApprovalState, Delegation, SavedView, Vote
from apps.approvals.queries import (
    MOST_COUNTED,
    QueueSummary,
    counted,
    progress_of,
    summary_of,
    waiting_count,
)
from apps.approvals.standing import loans_of, voter_of
from apps.approvals.tabs import WAITING, Tab, tabs_for, view_url
from apps.core import clock
from apps.core.actor import Actor
from apps.core.paging import Page, page_of
from apps.registry.permissions import APPROVE
from apps.registry.queries import processes_where

# What a row says of its approval besides its own columns.
DRAWN = ("process", "agent", "open_team", "escalated_team")
# How long the times in a row may stand before it is drawn anew: in its last two hours, and before.
QUICK_TICK, SLOW_TICK = 60, 600
NEAR = dt.timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a row that is still on the screen does not wait there any more."""

    sentence: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the queue. `handed_to` names who may decide it instead, "" for nobody."""

    approval: Approval
    sentence: str
    votes_given: int
    votes_needed: int
    handed_to: str
    url: str
    ending: Ending | None = None

    @property
    def due_at(self) -> dt.datetime:
        return self.approval.milestones[-1] if self.approval.milestones else self.approval.expires_at

    @property
    def seconds_left(self) -> int:
        """How long its last vote is held back still."""
        at = self.approval.settles_at
        return max(0, round((at - clock.now()).total_seconds())) if at else 0

    @property
    def assignee(self) -> str:
        """Who it was handed to, else the team whose turn it is; "" when nobody's."""
        return self.handed_to or str(self.approval.open_team or "")

    @property
    def waits(self) -> bool:
        """Whether somebody can still decide it."""
        return self.approval.state == ApprovalState.PENDING and self.approval.settles_at is None and not self.ending

    @property
    def pick(self) -> str:
        """Its name in a selection, bound to the version that is shown (I15); "" where there is nothing to decide."""
        return f"{self.approval.id}:{self.approval.version}" if self.waits else ""

    @property
    def pick_label(self) -> str:
        return _("Select: %(what)s") % {"what": self.sentence}

    @property
    def votes(self) -> str:
        return f"{self.votes_given}/{self.votes_needed}"

    @property
    def votes_in_words(self) -> str:
        return _("%(votes)s votes") % {"votes": self.votes}

    @property
    def is_paused(self) -> bool:
        return self.approval.paused_at is not None

    @property
    def look(self) -> str:
        """The id and how the row looks: another string when it would be drawn differently."""
        now = clock.now()
        tick = QUICK_TICK if self.due_at - now < NEAR else SLOW_TICK
        parts = (
            self.approval.version,
            self.approval.state,
            self.approval.urgency,
            self.approval.paused_at is None,
            self.votes_given,
            self.handed_to,
            self.ending.sentence if self.ending else int(now.timestamp()) // tick,
        )
        return f"{self.approval.id.hex}{zlib.crc32(repr(parts).encode()):08x}"


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of one view. `version` changes when the page would show something else; `query` is the list's state for
    the addresses of cards and acts.
    """

    shown: QueueFilter
    url: str
    query: str
    tabs: list[Tab]
    rows: list[Row]
    summary: QueueSummary
    page: Page[Approval]
    version: str

    @property
    def view(self) -> str:
        return self.shown.view

    @property
    def badge(self) -> str:
        """What waits for this person, for the rail: the first tab's count, and nothing for none."""
        count = self.tabs[0].count
        return "" if count in (None, "0") else str(count)

    @property
    def is_waiting(self) -> bool:
        """Whether its rows are there to be decided."""
        return self.view in WAITING

    @property
    def has_picks(self) -> bool:
        return any(row.pick for row in self.rows)

    @property
    def chips(self) -> list[Chip]:
        chips = self.shown.chips(reverse("inbox"))
        return [chip if "?" in chip.url else chip._replace(url=self.all_url) for chip in chips]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a search leaves as it is."""
        return parse_qsl(str(dataclasses.replace(self.shown, text="")))

    @property
    def all_url(self) -> str:
        return view_url(self.view)

    @property
    def everything_url(self) -> str:
        return view_url("all")

    @property
    def top_url(self) -> str:
        return self.shown.url(reverse("inbox"))


@dataclass(frozen=True, slots=True)
class Quiet:
    """What an empty queue has to say. `votes` is False for who approves nothing anywhere."""

    votes: bool
    team_count: int
    last_decision_at: dt.datetime | None


def queue_for(actor: Actor, shown: QueueFilter, *, cursor: str | None = None) -> Queue:
    """The queue as this person sees it."""
    voter = voter_of(actor)
    approvals = shown.apply(actor, voter=voter)
    page = page_of(approvals.select_related(*DRAWN), cursor=cursor, order=shown.order())
    rows = rows_of(actor, page.items, shown)
    summary = _summary(actor, approvals, shown)
    return Queue(
        shown=shown,
        url=shown.url(reverse("inbox"), **({"after": cursor} if cursor else {})),
        query=query_of(shown),
        tabs=tabs_for(actor, voter, shown, summary),
        rows=rows,
        summary=summary,
        page=page,
        version=f"{summary.count}-{zlib.crc32(','.join(row.look for row in rows).encode()):x}",
    )


def summary_for(actor: Actor, shown: QueueFilter, *, is_exact: bool = False) -> QueueSummary:
    """How many there are, and what they come to; to the last one where somebody asked for that."""
    approvals = shown.apply(actor)
    return summary_of(approvals) if is_exact else _summary(actor, approvals, shown)


def _summary(actor: Actor, approvals: QuerySet[Approval], shown: QueueFilter) -> QueueSummary:
    """Of what is over there may be millions: counted as far as anybody reads, and not summed."""
    is_whole = shown.view == "mine" and not shown.is_narrowed
    count = waiting_count(actor) if is_whole else counted(approvals)
    if shown.view in WAITING:
        return summary_of(approvals, count=count)
    return QueueSummary(count=count, oldest=None, sums=[], is_exact=count <= MOST_COUNTED)


def query_of(shown: QueueFilter) -> str:
    """What cards and acts carry along to lead back to the same list: "?view=team", or "" for the first tab."""
    return f"?{shown}" if str(shown) else ""


def rows_of(
    actor: Actor, approvals: list[Approval], shown: QueueFilter, endings: dict[UUID, Ending] | None = None
) -> list[Row]:
    """Lines for these approvals, in their order; a fixed number of queries."""
    cards, progress, handed_to = cards_of(approvals, actor), progress_of(approvals), _handed_to(approvals)
    query = query_of(shown)
    return [
        Row(
            approval,
            cards[approval.id]["sentence"],
            *progress.get(approval.id, (0, 0)),
            handed_to=handed_to[approval.id],
            url=reverse("approval", args=[approval.id]) + query,
            ending=(endings or {}).get(approval.id),
        )
        for approval in approvals
    ]


def _handed_to(approvals: list[Approval]) -> dict[UUID, str]:
    """Who else may decide: whom it was delegated to, and the team it was escalated to."""
    ids = [approval.id for approval in approvals]
    handed_on = Delegation.objects.filter(approval__in=ids, ended_at=None, ends_at__gt=clock.now())
    names: dict[UUID, list[str]] = {approval.id: [] for approval in approvals}
    for delegation in handed_on.select_related("receiver"):
        if delegation.approval_id is not None:
            names[delegation.approval_id].append(str(delegation.receiver))
    for approval in approvals:
        if approval.escalated_team is not None:
            names[approval.id].append(str(approval.escalated_team))
    return {approval_id: ", ".join(given) for approval_id, given in names.items()}


def quiet_for(actor: Actor) -> Quiet:
    """For the empty queue: what waits for others, and when this person last decided something."""
    last = Vote.objects.filter(voter=actor.known_id).order_by("-id").first()
    return Quiet(
        votes=processes_where(actor, APPROVE).exists() or bool(loans_of(actor)),
        team_count=QueueFilter(view="team").apply(actor).count(),
        last_decision_at=last.cast_at if last else None,
    )


def default_view_of(actor: Actor) -> QueueFilter | None:
    """The list this person starts with, where they keep one for that."""
    own = SavedView.objects.filter(owner=actor.known_id, is_default=True).first()
    return QueueFilter.lenient(own.query)[0] if own and own.query else None


def following(queue: Queue, approval: Approval) -> Approval | None:
    """What comes after this one in the order of the queue, from the top again behind the last."""
    for row in queue.rows:
        if _stands_after(row.approval, approval, queue.shown.order()):
            return row.approval
    return queue.rows[0].approval if queue.rows else None


def _stands_after(one: Approval, other: Approval, order: tuple[str, ...]) -> bool:
    for column in order:
        mine, theirs = getattr(one, column.lstrip("-")), getattr(other, column.lstrip("-"))
        if mine != theirs:
            return bool(mine < theirs) if column.startswith("-") else bool(mine > theirs)
    return False
