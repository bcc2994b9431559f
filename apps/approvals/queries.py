"""Reading approvals: whose they are, what waits, what was shown."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, DateTimeField, Exists, F, Min, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from apps.approvals.ballots import Ballot
from apps.approvals.models import (
    Approval,
    ApprovalState,
    ConsentRules,
    Delegation,
    Escalation,
    Snooze,
    Stage,
    Verdict,
    Vote,
)
from apps.approvals.standing import Loan, Standing, Voter, loans_of, reach_of, standings_of, voter_of
from apps.approvals.subjects import kind_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.money import Money
from apps.core.once import once
from apps.registry.models import Process
from apps.registry.queries import processes_visible_to

VIEWS = ("mine", "team", "delegated", "snoozed", "decided", "all")
# What is most overdue first, then risk, then amount, then age; `id` makes the order total and grows with time.
QUEUE_ORDER = ("-urgency", "-risk_rank", "-size", "id")
# A list counts no further, unless it is asked to.
MOST_COUNTED = 1000
FOR = Q(verdict=Verdict.APPROVE, withdrawal=None)


def approvals_visible_to(actor: Actor, *, voter: Voter | None = None) -> QuerySet[Approval]:
    """Approvals of the processes a person sees, and those that others delegated to them. Agents learn of theirs through
    the tool call. `voter` is the actor's own where it is at hand.
    """
    if actor.is_agent:
        return Approval.objects.none()
    return once(("approvals seen", actor), lambda: _seen_by(actor, voter))


def _seen_by(actor: Actor, voter: Voter | None) -> QuerySet[Approval]:
    seen = Q(process__in=processes_visible_to(actor))
    if actor.is_person and (loans := voter.loans if voter else loans_of(actor)):
        seen |= reach_of(loans)
    return Approval.objects.filter(seen).select_related("process", "agent")


def approval_for(actor: Actor, approval_id: UUID, *, lock: bool = False) -> Approval:
    """One approval this actor may see; with `lock`, its row locked until the transaction ends. Raises NotFound."""
    approvals = approvals_visible_to(actor).filter(id=approval_id)
    approval = (approvals.select_for_update(of=("self",)) if lock else approvals).first()
    if approval is None:
        raise NotFound("approval.not_found", "There is no such approval.")
    return approval


def locked_approvals(actor: Actor, approval_ids: Collection[UUID]) -> list[Approval]:
    """Those of them the actor may see, locked in the order of their ids, so that two who lock many never wait for each
    other.
    """
    seen = approvals_visible_to(actor).filter(id__in=approval_ids)
    return list(seen.select_for_update(of=("self",)).order_by("id"))


def ballots_of(approvals: Collection[Approval]) -> list[Ballot]:
    """Each approval as its voters find it: open stage, votes so far, rules. Three queries, five where one person may
    count twice.
    """
    ids = [approval.id for approval in approvals]
    stages: dict[UUID, list[Stage]] = defaultdict(list)
    for stage in Stage.objects.filter(approval__in=ids).select_related("team").order_by("position"):
        stages[stage.approval_id].append(stage)
    votes: dict[UUID, list[Vote]] = defaultdict(list)
    for vote in Vote.objects.filter(approval__in=ids, withdrawal=None).select_related("voter").order_by("id"):
        votes[vote.approval_id].append(vote)
    rules = rules_of({approval.process_id for approval in approvals})
    supporters = _supporters(approvals, votes, rules)
    return [
        _ballot(approval, stages[approval.id], votes[approval.id], rules[approval.process_id], supporters)
        for approval in approvals
    ]


def _ballot(
    approval: Approval, stages: list[Stage], votes: list[Vote], rules: ConsentRules, supporters: dict[UUID, Standing]
) -> Ballot:
    waiting = [stage for stage in stages if stage.passed_at is None]
    stage = waiting[0] if waiting else None
    given = sum(vote.stage_id == stage.id and vote.verdict == Verdict.APPROVE for vote in votes) if stage else 0
    people = [vote.on_behalf_of_id or vote.voter_id for vote in votes if vote.verdict == Verdict.APPROVE]
    return Ballot(
        approval=approval,
        stage=stage,
        later=tuple(waiting[1:]),
        given=given + (stage.carried_count if stage else 0),
        rules=rules,
        last_voter=str(votes[-1].voter) if votes else "",
        can_change=kind_of(approval).can_change,
        supporters=tuple(supporters[person] for person in people if person in supporters),
    )


def _supporters(
    approvals: Collection[Approval], votes: dict[UUID, list[Vote]], rules: dict[UUID, ConsentRules]
) -> dict[UUID, Standing]:
    """The standing of everyone in whose name something was approved, where that may count a second time."""
    twice = [approval.id for approval in approvals if rules[approval.process_id].counts_twice]
    people = {vote.on_behalf_of_id or vote.voter_id for approval in twice for vote in votes[approval]}
    return standings_of(people) if people else {}


def rules_of(processes: Collection[UUID]) -> dict[UUID, ConsentRules]:
    """The rules of each process, the defaults where it has none of its own."""
    kept = {rules.process_id: rules for rules in ConsentRules.objects.filter(process__in=processes)}
    return {process: kept.get(process) or ConsentRules(process_id=process) for process in processes}


def rules_for(process: Process) -> ConsentRules:
    return rules_of([process.id])[process.id]


def recent_approve_count(person: UUID) -> int:
    """How many approvals the person gave within the last hour."""
    since = clock.now() - dt.timedelta(hours=1)
    return Vote.objects.filter(FOR, voter=person, cast_at__gte=since).count()


def approvals_in_view(actor: Actor, view: str, *, voter: Voter | None = None) -> QuerySet[Approval]:
    """`mine`: I can vote on it now, in my own name. `team`: it waits for a team of mine, or was escalated to it.
    `delegated`: I can vote on it for someone else. `snoozed`: I put it off. `decided`: I voted. `all`: everything I may
    see. Who asks for several views hands in the actor's `voter`, so that it is read once.
    """
    visible = approvals_visible_to(actor, voter=voter)
    if view == "all":
        return visible
    if view == "decided":
        return visible.filter(Exists(Vote.objects.filter(approval=OuterRef("pk"), voter_id=actor.known_id)))
    now = clock.now()
    put_off = Exists(Snooze.objects.filter(approval=OuterRef("pk"), person=actor.known_id, until__gt=now))
    waiting = visible.filter(waiting_at(now))
    if view == "snoozed":
        return waiting.filter(put_off)
    voter = voter or voter_of(actor)
    if view == "team":
        escalated = Escalation.objects.filter(approval=OuterRef("pk"), team__in=voter.own.teams)
        return waiting.filter(waits_for(voter.own) | Exists(escalated))
    free = waiting.filter(~Q(barred_people__contains=[actor.known_id]), ~Q(spent_people__contains=[actor.known_id]))
    if view == "delegated":
        return free.filter(lent_by(voter.loans))
    handed_on = Delegation.objects.filter(
        approval=OuterRef("pk"), giver=actor.known_id, ended_at=None, starts_at__lte=now, ends_at__gt=now
    )
    return free.filter(carried_by(voter.own), ~put_off, ~Exists(handed_on))


def waiting_at(now: dt.datetime) -> Q:
    """It can still be decided: pending, not about to settle, in time. A halt holds the clock.

    One comparison with an expression, of which the planner guesses a third: given the columns it would take what is
    pending and what is in time for independent of each other, expect next to nothing, and sort all there is.
    """
    clock_at = Coalesce("paused_at", Value(now, output_field=DateTimeField()))
    return Q(state=ApprovalState.PENDING, settles_at=None, expires_at__gt=clock_at)


def waits_for(standing: Standing) -> Q:
    return Q(open_team__in=standing.teams) | Q(escalated_team__in=standing.teams)


def carried_by(standing: Standing) -> Q:
    """What this standing alone carries a yes for; `ballots.refusal_of_standing` says the same of one approval."""
    condition = waits_for(standing)
    if standing.approves_in is not None:
        condition &= Q(process__in=standing.approves_in)
    for stand_in in standing.stand_ins:
        theirs = Q(barred_people__contains=[stand_in.receiver], requested_at__lt=stand_in.until)
        if stand_in.process is not None:
            theirs &= Q(process=stand_in.process)
        if stand_in.approval is not None:
            theirs &= Q(pk=stand_in.approval)
        condition &= ~theirs
    if standing.limits:
        within = ~Q(process__in=standing.limits) | Q(money_minor=None)
        for process, amounts in standing.limits.items():
            for currency, limit in amounts.items():
                within |= Q(process=process, currency=currency, money_minor__lte=limit)
        condition &= within
    return condition


def lent_by(loans: Collection[Loan]) -> Q:
    """What can be approved in the name of any of these givers."""
    lent = Q(pk__in=())
    for loan in loans:
        giver = loan.giver.person
        capped = Q(money_minor=None) if loan.delegation.caps else Q()
        for currency, most in loan.delegation.caps.items():
            capped |= Q(currency=currency, money_minor__lte=most)
        is_free = ~Q(barred_people__contains=[giver]) & ~Q(spent_people__contains=[giver])
        lent |= reach_of([loan]) & carried_by(loan.giver) & is_free & capped
    return lent


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """Count, oldest request and sum per currency of one view. Past MOST_COUNTED the count is one more than that, and
    nothing is summed: part of a sum is no sum (I14).
    """

    count: int
    oldest: dt.datetime | None
    sums: list[Money]
    is_exact: bool = True


def counted(approvals: QuerySet[Approval]) -> int:
    """How many there are; MOST_COUNTED and one for all that is more."""
    return approvals.order_by()[: MOST_COUNTED + 1].count()


def waiting_count(actor: Actor) -> int:
    """What waits for this person, counted as far as a badge tells."""
    return once(("waiting", actor), lambda: counted(approvals_in_view(actor, "mine")))


def summary_of(approvals: QuerySet[Approval], *, count: int | None = None) -> QueueSummary:
    """One query: money is summed per currency and never across. With their `count`, as `counted` tells it, none where
    that is past MOST_COUNTED; without it, exact, which takes its time where there are many.
    """
    if count is not None and count > MOST_COUNTED:
        return QueueSummary(count, None, [], is_exact=False)
    rows = approvals.order_by()
    groups = list(rows.values("currency").annotate(n=Count("id"), first=Min("requested_at"), total=Sum("money_minor")))
    return QueueSummary(
        count=sum(group["n"] for group in groups),
        oldest=min((group["first"] for group in groups), default=None),
        sums=_moneys({group["currency"]: group["total"] for group in groups}),
    )


def _moneys(sums: Mapping[str, int]) -> list[Money]:
    return [Money(sums[currency], currency) for currency in sorted(sums) if currency]


def stages_of(approval: Approval) -> list[Stage]:
    """The chain in order, each with its team and `approve_count`, carried votes included."""
    approved = Count("votes", filter=Q(votes__verdict=Verdict.APPROVE, votes__withdrawal=None)) + F("carried_count")
    return list(approval.stages.select_related("team").annotate(approve_count=approved).order_by("position"))


def progress_of(approvals: list[Approval]) -> dict[UUID, tuple[int, int]]:
    """(votes for it, votes needed) by approval id, in one query."""
    rows = (
        Stage.objects.filter(approval__in=approvals)
        .values("approval_id", "id", "quorum", "carried_count")
        .annotate(given=Count("votes", filter=Q(votes__verdict=Verdict.APPROVE, votes__withdrawal=None)))
    )
    progress: dict[UUID, tuple[int, int]] = {}
    for row in rows:
        given, needed = progress.get(row["approval_id"], (0, 0))
        progress[row["approval_id"]] = (given + row["given"] + row["carried_count"], needed + row["quorum"])
    return progress


def votes_of(approval: Approval) -> list[Vote]:
    """Every vote, in the order they were cast, with its voter, whom they voted for, and its withdrawal if any."""
    votes = approval.votes.select_related("voter", "on_behalf_of", "stage", "withdrawal")
    return list(votes.annotate(team=F("stage__team__name")).order_by("id"))
