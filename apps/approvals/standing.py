"""What a person brings to a vote: their teams, the processes they may vote in, how much they may approve, and who acts
for whom. Read once per request, in a handful of queries, for any number of approvals; the rules in `ballots` and the
queue in `queries` both go by it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Least

from apps.accounts.models import Membership
from apps.approvals.models import AuthorityLimit, Delegation, Stage
from apps.core import clock
from apps.core.actor import Actor
from apps.core.once import once
from apps.registry.permissions import APPROVE
from apps.registry.queries import holders_among

# Minor units by currency.
Amounts = dict[str, int]


@dataclass(frozen=True, slots=True)
class StandIn:
    """`receiver` could vote for this person until then, in that process and on that approval where one is named. What a
    stand-in asked for, the person they stand in for does not decide (I5).
    """

    receiver: UUID
    until: dt.datetime
    process: UUID | None
    approval: UUID | None

    def stood_in_for(self, *, approval: UUID, process: UUID, since: dt.datetime) -> bool:
        """Whether the receiver could have voted for this person on that approval at any time since then."""
        return self.until > since and self.process in (None, process) and self.approval in (None, approval)


@dataclass(frozen=True, slots=True)
class Standing:
    """One person's own standing, without what others lent them.

    `approves_in` is None where they may vote in every process. `limits` has an entry for each process that keeps a
    table of limits, with what this person may approve there by currency.
    """

    person: UUID
    teams: frozenset[UUID]
    approves_in: frozenset[UUID] | None
    limits: dict[UUID, Amounts]
    stand_ins: tuple[StandIn, ...]

    def may_vote_in(self, process: UUID) -> bool:
        return self.approves_in is None or process in self.approves_in

    def limit_in(self, process: UUID, currency: str) -> int | None:
        """The most they may approve there, in minor units; None for no limit."""
        return self.limits[process].get(currency, 0) if process in self.limits else None


@dataclass(frozen=True, slots=True)
class Loan:
    """A delegation that is in force, with the standing of who gave it."""

    delegation: Delegation
    giver: Standing

    def covers(self, *, approval: UUID, process: UUID, money_minor: int | None, currency: str) -> bool:
        """Whether the delegation reaches this approval: its one approval, its one process, its caps."""
        if self.delegation.approval_id not in (None, approval) or self.delegation.process_id not in (None, process):
            return False
        caps: Amounts = self.delegation.caps
        return not caps or money_minor is None or money_minor <= caps.get(currency, -1)


@dataclass(frozen=True, slots=True)
class Voter:
    """A person with all in whose name they may vote."""

    own: Standing
    loans: tuple[Loan, ...]


def voter_of(actor: Actor) -> Voter:
    """The person's standing and the delegations they hold. Not passed on: a giver counts with their own standing."""
    return once(("voter", actor.known_id), lambda: _read_voter(actor))


def _read_voter(actor: Actor) -> Voter:
    delegations = _held_by(actor)
    standings = standings_of({actor.known_id, *(delegation.giver_id for delegation in delegations)})
    return Voter(own=standings[actor.known_id], loans=_loans(delegations, standings))


def loans_of(actor: Actor) -> tuple[Loan, ...]:
    """The delegations a person holds now; one query for the many who hold none."""
    delegations = _held_by(actor)
    givers = {delegation.giver_id for delegation in delegations}
    return _loans(delegations, standings_of(givers)) if givers else ()


def _held_by(actor: Actor) -> list[Delegation]:
    held = in_force().filter(receiver_id=actor.known_id).select_related("giver").order_by("id")
    return once(("delegations held", actor.known_id), lambda: list(held))


def _loans(delegations: list[Delegation], standings: dict[UUID, Standing]) -> tuple[Loan, ...]:
    return tuple(Loan(delegation, standings[delegation.giver_id]) for delegation in delegations)


def standings_of(people: Collection[UUID]) -> dict[UUID, Standing]:
    """Five queries for any number of people."""
    teams: dict[UUID, set[UUID]] = defaultdict(set)
    members = Membership.objects.filter(user__in=people, user__is_active=True)
    for person, team in members.values_list("user_id", "team_id"):
        teams[person].add(team)
    approves_in = holders_among(people, APPROVE)
    lines = list(AuthorityLimit.objects.filter(ended_at=None))
    stand_ins = _stand_ins_of(people)
    return {
        person: Standing(
            person=person,
            teams=frozenset(teams[person]),
            approves_in=approves_in.get(person, frozenset()),
            limits=_limits(lines, person, teams[person]),
            stand_ins=tuple(stand_ins[person]),
        )
        for person in people
    }


def in_force() -> QuerySet[Delegation]:
    """Delegations that count at this moment."""
    now = clock.now()
    return Delegation.objects.filter(starts_at__lte=now, ends_at__gt=now, ended_at=None, giver__is_active=True)


def reach_of(loans: Collection[Loan]) -> Q:
    """The approvals that any of the delegations reaches, whatever their state: those that ask a team of the giver."""
    reach = Q(pk__in=())
    for loan in loans:
        asks_them = Stage.objects.filter(approval=OuterRef("pk"), team__in=loan.giver.teams)
        within = Q(Exists(asks_them))
        if loan.giver.approves_in is not None:
            within &= Q(process__in=loan.giver.approves_in)
        if loan.delegation.process_id is not None:
            within &= Q(process=loan.delegation.process_id)
        if loan.delegation.approval_id is not None:
            within &= Q(pk=loan.delegation.approval_id)
        reach |= within
    return reach


def _limits(lines: list[AuthorityLimit], person: UUID, teams: Collection[UUID]) -> dict[UUID, Amounts]:
    """A person's own line counts before those of their teams; of several teams the highest counts."""
    own: dict[UUID, Amounts] = defaultdict(dict)
    shared: dict[UUID, Amounts] = defaultdict(dict)
    for line in lines:
        if line.person_id == person:
            own[line.process_id][line.currency] = line.limit_minor
        elif line.team_id in teams:
            amounts = shared[line.process_id]
            amounts[line.currency] = max(line.limit_minor, amounts.get(line.currency, 0))
    return {line.process_id: shared[line.process_id] | own[line.process_id] for line in lines}


def _stand_ins_of(people: Collection[UUID]) -> dict[UUID, list[StandIn]]:
    """Who could ever vote for each of them; ended delegations too, since what was asked for then may wait still."""
    found: dict[UUID, list[StandIn]] = defaultdict(list)
    given = Delegation.objects.filter(Q(giver__in=people), starts_at__lte=clock.now())
    until = Coalesce(Least("ends_at", "ended_at"), "ends_at")
    for giver, *stand_in in given.values_list("giver_id", "receiver_id", until, "process_id", "approval_id"):
        found[giver].append(StandIn(*stand_in))
    return found
