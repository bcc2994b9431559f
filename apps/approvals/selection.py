"""What a person picked, as it stood when they picked it (I15): ids and versions, what they add up to, and what was left
out and why. The database freezes and sums it in one statement, for one row or a hundred thousand.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, ApprovalState, BulkVote, ConsentRules, Risk, SavedView, Selection, Verdict
from apps.approvals.queries import approvals_visible_to, carried_by, lent_by, waits_for
from apps.approvals.standing import Loan, Voter, voter_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.money import Money

# More than this is a decision on a policy, and not on cases.
MOST_ROWS = 100_000
NEEDS_A_LOOK = "approval.needs_a_look"

# Why a row is left out, in the words that follow its count.
LEFT_OUT: dict[str, Any] = {
    "approval.not_found": _("not there, or not yours to see"),
    "permission.missing": _("in processes where you may not vote"),
    "approval.own_request": _("asked for by you, or by someone who may vote for you"),
    "approval.already_voted": _("voted on by you already"),
    "approval.with_agent": _("with the agent, who was asked for changes"),
    "approval.already_decided": _("decided already"),
    "approval.settling": _("approved just now"),
    "approval.expired": _("expired"),
    "approval.not_your_stage": _("waiting for a team you are not in"),
    "approval.over_limit": _("over your limit"),
    NEEDS_A_LOOK: _("of high risk or irreversible: each needs a look of its own"),
    "changed": _("changed since you saw them"),
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """So many rows that are not in the selection, for one reason."""

    why: str
    count: int

    @property
    def words(self) -> str:
        return str(LEFT_OUT.get(self.why, self.why))


@dataclass(frozen=True, slots=True)
class Picked:
    """What a selection adds up to. `left_out` tells of the last act that picked. For a yes, `step_up_count` rows need
    their voter to prove who they are.
    """

    count: int
    sums: list[Money]
    oldest: dt.datetime | None
    left_out: list[LeftOut]
    step_up_count: int


def picked_of(selection: Selection) -> Picked:
    summary = selection.summary
    return Picked(
        count=summary["count"],
        sums=[Money(int(money["minor"]), money["currency"]) for money in summary["sums"]],
        oldest=dt.datetime.fromisoformat(summary["oldest"]) if summary["oldest"] else None,
        left_out=[LeftOut(**left_out) for left_out in summary["left_out"]],
        step_up_count=summary["step_up_count"],
    )


def selection_for(actor: Actor, selection_id: UUID, *, lock: bool = False) -> Selection:
    """One's own selection, without its long columns. Raises NotFound for anybody else's."""
    selections = Selection.objects.defer("ids", "versions").filter(id=selection_id, owner=actor.id)
    selection = (selections.select_for_update() if lock else selections).first() if actor.is_person else None
    if selection is None:
        raise NotFound("selection.not_found", "There is no such selection of yours.")
    return selection


def bulk_vote_for(actor: Actor, bulk_id: UUID, *, lock: bool = False) -> BulkVote:
    """One's own bulk vote with its selection, the long columns aside. Raises NotFound for anybody else's."""
    votes = BulkVote.objects.select_related("selection").defer("selection__ids", "selection__versions")
    votes = votes.filter(id=bulk_id, voter=actor.id)
    vote = (votes.select_for_update(of=("self",)) if lock else votes).first() if actor.is_person else None
    if vote is None:
        raise NotFound("bulk_vote.not_found", "There is no such bulk vote of yours.")
    return vote


def picked_among(selection: Selection, approval_ids: Collection[UUID]) -> set[UUID]:
    """Which of these rows are in the selection; for the check marks of a page."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT picked FROM approvals_selection, unnest(ids) AS picked WHERE id = %s AND picked = ANY(%s::uuid[])",
            [selection.id, list(approval_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def views_of(actor: Actor) -> QuerySet[SavedView]:
    """One's own saved views and those of one's teams, newest first."""
    if not actor.is_person:
        return SavedView.objects.none()
    seen = Q(owner=actor.id) | Q(team__members=actor.id)
    ids = SavedView.objects.filter(seen).values("id")
    return SavedView.objects.filter(id__in=ids).select_related("owner", "team").order_by("-id")


# --- which rows this person may vote on
# ------------------------------------------------------------------------------------------------------------


def with_reasons(approvals: QuerySet[Approval], actor: Actor, verdict: str) -> QuerySet[Approval]:
    """Each row with `why` its vote would be refused, "" where it would not, and whether a yes `needs_step_up`.

    The same rules in the same order as `ballots.capacity_for`, for any number of rows at once. How many a person may
    approve in an hour is not told beforehand: it depends on the order they are voted in.
    """
    voter = voter_of(actor)
    reasons = [*_of_right(voter), *_of_state(voter.own.person), *_of_standing(voter, verdict)]
    return approvals.annotate(
        why=Case(*reasons, default=Value("approval.not_your_stage"), output_field=CharField()),
        needs_step_up=Case(When(_above_step_up(), then=Value(True)), default=Value(False)),
    )


def _of_right(voter: Voter) -> list[When]:
    """Where this person may vote on nothing at all, in nobody's name."""
    standings = [voter.own, *(loan.giver for loan in voter.loans)]
    if any(standing.approves_in is None for standing in standings):
        return []
    approves_in = {process for standing in standings for process in standing.approves_in or ()}
    return [When(~Q(process__in=approves_in), then=Value("permission.missing"))]


def _of_state(person: UUID) -> list[When]:
    """What bars everybody, or this person whatever their standing."""
    return [
        When(barred_people__contains=[person], then=Value("approval.own_request")),
        When(spent_people__contains=[person], then=Value("approval.already_voted")),
        When(state=ApprovalState.CHANGES_REQUESTED, then=Value("approval.with_agent")),
        When(state=ApprovalState.EXPIRED, then=Value("approval.expired")),
        When(~Q(state=ApprovalState.PENDING), then=Value("approval.already_decided")),
        When(settles_at__isnull=False, then=Value("approval.settling")),
        When(expires_at__lte=Coalesce("paused_at", Value(clock.now())), then=Value("approval.expired")),
    ]


def _of_standing(voter: Voter, verdict: str) -> list[When]:
    """Whether one's own standing or what others lent carries the verdict; if not, what one's own lacks."""
    own = voter.own if verdict == Verdict.APPROVE else replace(voter.own, limits={})
    loans = voter.loans if verdict == Verdict.APPROVE else [_without_limits(loan) for loan in voter.loans]
    carried = carried_by(own) | lent_by(loans)
    reasons = [When(carried, then=Value(""))]
    if verdict == Verdict.APPROVE:
        needs_a_look = Q(risk=Risk.HIGH) | Q(is_reversible=False)
        reasons.insert(0, When(carried & needs_a_look, then=Value(NEEDS_A_LOOK)))
    if own.approves_in is not None:
        reasons.append(When(~Q(process__in=own.approves_in), then=Value("permission.missing")))
    reasons += [
        When(
            barred_people__contains=[stand_in.receiver],
            requested_at__lt=stand_in.until,
            then=Value("approval.own_request"),
        )
        for stand_in in own.stand_ins
    ]
    return [*reasons, When(waits_for(own), then=Value("approval.over_limit"))]


def _without_limits(loan: Loan) -> Loan:
    """Saying no is never harder than saying yes: neither limit nor cap counts."""
    uncapped = copy(loan.delegation)
    uncapped.caps = {}
    return Loan(uncapped, replace(loan.giver, limits={}))


def _above_step_up() -> Q:
    above = Q(pk__in=())
    for rules in ConsentRules.objects.exclude(step_up={}):
        for currency, threshold in rules.step_up.items():
            above |= Q(process=rules.process_id, currency=currency, money_minor__gt=threshold)
    return above


# --- freezing
# --------------------------------------------------------------------------------------------------------------------

_COLUMNS = ("id", "version", "currency", "money_minor", "requested_at", "needs_step_up", "why")
_NO_ROWS = (
    "SELECT NULL::uuid AS id, NULL::int AS version, '' AS currency, NULL::bigint AS money_minor,"
    " NULL::timestamptz AS requested_at, false AS needs_step_up, '' AS why WHERE false"
)
_SUMMED = """
kept AS (SELECT * FROM picked WHERE why = ''),
frozen AS (
    SELECT
        coalesce((SELECT array_agg(id ORDER BY place) FROM kept), '{}') AS ids,
        coalesce((SELECT array_agg(version ORDER BY place) FROM kept), '{}') AS versions,
        jsonb_build_object(
            'count', (SELECT count(*) FROM kept),
            'oldest', (SELECT min(requested_at) FROM kept),
            'step_up_count', (SELECT count(*) FROM kept WHERE needs_step_up),
            'sums', coalesce((
                SELECT jsonb_agg(jsonb_build_object('minor', minor, 'currency', currency) ORDER BY currency)
                FROM (SELECT currency, sum(money_minor) AS minor FROM kept WHERE currency <> '' GROUP BY currency) sums
            ), '[]'),
            'left_out', coalesce((
                SELECT jsonb_agg(jsonb_build_object('why', why, 'count', rows) ORDER BY rows DESC, why)
                FROM (SELECT why, count(*) AS rows FROM picked WHERE why <> '' GROUP BY why) reasons
            ), '[]')
        ) AS summary
)
"""
_MATCHING = "picked AS MATERIALIZED (SELECT *, row_number() OVER () AS place FROM ({shown}) shown),"
# Of rows that were named one by one: whoever may not see one is told no more than that it is not in.
_NAMED = """
picked AS MATERIALIZED (
    SELECT
        wanted.id, wanted.place, seen.version, seen.currency, seen.money_minor, seen.requested_at, seen.needs_step_up,
        CASE
            WHEN seen.id IS NULL THEN 'approval.not_found'
            WHEN seen.why <> '' THEN seen.why
            WHEN wanted.version <> seen.version THEN 'changed'
            ELSE ''
        END AS why
    FROM wanted LEFT JOIN ({seen}) seen ON seen.id = wanted.id
),
"""
Statement = tuple[str, list[Any]]


def frozen_matching(actor: Actor, query: QueueFilter, verdict: str) -> Statement:
    """CTEs ending in `frozen`: everything the filter shows, in its order. One row more than may be picked is read, so
    that too much is noticed and not cut.
    """
    rows = with_reasons(query.apply(actor), actor, verdict).order_by(*query.order())[: MOST_ROWS + 1]
    sql, params = _sql_of(rows)
    return _MATCHING.replace("{shown}", sql) + _SUMMED, params


def frozen_named(actor: Actor, ids: Sequence[UUID], versions: Sequence[int | None], verdict: str) -> Statement:
    """CTEs ending in `frozen`: these rows in this order, as they were at these versions where one is given."""
    wanted = "wanted AS (SELECT * FROM unnest(%s::uuid[], %s::int[]) WITH ORDINALITY AS wanted(id, version, place)),"
    named, params = _named(actor, verdict, among=ids)
    return wanted + named, [list(ids), list(versions), *params]


def frozen_changed(
    actor: Actor, selection: Selection, add: Sequence[UUID], versions: Sequence[int | None], remove: Sequence[UUID]
) -> Statement:
    """CTEs ending in `frozen`: the selection without some rows and with others after them. What has changed since it
    was frozen falls out, and is told.
    """
    wanted = """
    wanted AS (
        SELECT before.id, before.version, before.place
        FROM approvals_selection selection,
            unnest(selection.ids, selection.versions) WITH ORDINALITY AS before(id, version, place)
        WHERE selection.id = %s AND before.id <> ALL(%s::uuid[])
        UNION ALL
        SELECT added.id, added.version, %s + added.place
        FROM approvals_selection selection,
            unnest(%s::uuid[], %s::int[]) WITH ORDINALITY AS added(id, version, place)
        WHERE selection.id = %s AND added.id <> ALL(selection.ids)
    ),"""
    named, params = _named(actor, selection.summary["verdict"])
    return wanted + named, [selection.id, list(remove), MOST_ROWS, list(add), list(versions), selection.id, *params]


def _named(actor: Actor, verdict: str, *, among: Sequence[UUID] | None = None) -> Statement:
    visible = approvals_visible_to(actor)
    seen = with_reasons(visible if among is None else visible.filter(id__in=among), actor, verdict)
    sql, params = _sql_of(seen)
    return _NAMED.replace("{seen}", sql) + _SUMMED, params


def _sql_of(rows: QuerySet[Approval]) -> Statement:
    try:
        sql, params = rows.values_list(*_COLUMNS).query.sql_with_params()
    except EmptyResultSet:  # the database need not be asked, so Django has no question
        return _NO_ROWS, []
    return sql, list(params)
