"""Who may vote on what: the rules of I4, I5 and I8, on facts that were read before. Nothing here reads or writes."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from apps.approvals.models import Approval, ApprovalState, ConsentRules, Delegation, FeedbackReason, Stage, Verdict
from apps.approvals.standing import Loan, Standing, Voter
from apps.core.errors import Conflict, Exhausted, Invalid, MeshError, NotAllowed
from apps.core.money import Money
from apps.registry.permissions import APPROVE, DOES

# Whoever proved who they are this recently need not do it again.
STEP_UP_LASTS = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Ballot:
    """One approval as it is at this moment, with what a vote on it needs to know.

    `stage` is the one that is voted on, None when there is none; `given` counts its votes for, carried ones included;
    `later` are the stages after it. `last_voter` is the name of whoever voted last. `supporters` are those in whose
    name it was approved so far, with what they may do in later stages; empty unless the process lets one person count
    twice.
    """

    approval: Approval
    stage: Stage | None
    later: tuple[Stage, ...]
    given: int
    rules: ConsentRules
    last_voter: str
    can_change: bool
    supporters: tuple[Standing, ...] = ()

    def carried_into(self, stage: Stage, latest: Standing) -> int:
        """How many of the votes so far, the latest included, count in a later stage again."""
        if not self.rules.counts_twice:
            return 0
        return sum(self._counts_in(stage, standing) for standing in (*self.supporters, latest))

    def _counts_in(self, stage: Stage, standing: Standing) -> bool:
        limit = standing.limit_in(self.approval.process_id, self.approval.currency)
        is_within = limit is None or self.approval.money_minor is None or self.approval.money_minor <= limit
        return stage.team_id in standing.teams and standing.may_vote_in(self.approval.process_id) and is_within

    @property
    def teams(self) -> set[UUID]:
        """Whose members vote in the open stage."""
        found = {self.stage.team_id} if self.stage else set()
        return found | ({self.approval.escalated_team_id} if self.approval.escalated_team_id else set())


@dataclass(frozen=True, slots=True)
class Cast:
    """What a person wants to say, and how they came to say it.

    `digest` and `version` are those of what they saw; None where the face binds by the other. `recent_count` is how
    many approvals they gave in the last hour.
    """

    verdict: str
    digest: str | None = None
    version: int | None = None
    on_behalf_of: str | None = None
    confirmed_at: dt.datetime | None = None
    recent_count: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """In whose name the vote counts: one's own, or that of who delegated; with that person's standing."""

    standing: Standing
    delegation: Delegation | None = None


def check_words(verdict: str, reason_code: str) -> None:
    """Raises Invalid for a verdict that is none, and for one that says no without a reason."""
    if verdict not in Verdict.values:
        raise Invalid(
            "approval.bad_verdict", f"A verdict is one of {', '.join(Verdict.values)}.", errors=[_at("/verdict")]
        )
    if verdict != Verdict.APPROVE and reason_code not in FeedbackReason.values:
        what = "A rejection" if verdict == Verdict.REJECT else "A request for changes"
        raise Invalid(
            "approval.reason_missing",
            f"{what} needs a reason code: one of {', '.join(FeedbackReason.values)}.",
            errors=[_at("/reason_code")],
        )


def _at(pointer: str) -> dict[str, str]:
    return {"pointer": pointer, "sentence": "Missing or not one of the choices."}


def capacity_for(voter: Voter, ballot: Ballot, cast: Cast, now: dt.datetime) -> Capacity:
    """In whose name this vote counts. Raises the refusal that says why it cannot be cast.

    Rejecting and asking for changes need neither limit nor proof: saying no is never harder than saying yes.
    """
    _check_right(voter, ballot)
    _check_person(voter.own.person, ballot)
    _check_state(ballot, now)
    _check_seen(ballot, cast)
    capacity = _capacity(voter, ballot, cast)
    if cast.verdict == Verdict.REQUEST_CHANGES and not ballot.can_change:
        raise Invalid("approval.cannot_change", "Whoever asked for this cannot answer with another version.")
    if cast.verdict == Verdict.APPROVE:
        _check_step_up(ballot, cast, now)
        _check_pace(ballot, cast)
    return capacity


def _check_right(voter: Voter, ballot: Ballot) -> None:
    """Somebody who could vote on nothing here is told that, whatever state it is in."""
    process = ballot.approval.process
    if not voter.own.may_vote_in(process.id) and not any(loan.giver.may_vote_in(process.id) for loan in voter.loans):
        raise NotAllowed("permission.missing", f"You may not {DOES[APPROVE]} in {process.name}.")


def _check_person(person: UUID, ballot: Ballot) -> None:
    if person in ballot.approval.barred_people:
        raise NotAllowed("approval.own_request", "You asked for this, so someone else has to decide it.")
    if person in ballot.approval.spent_people:
        raise Conflict("approval.already_voted", "You have voted on this already. One person has one vote.")


def _check_state(ballot: Ballot, now: dt.datetime) -> None:
    approval = ballot.approval
    if approval.state == ApprovalState.CHANGES_REQUESTED:
        raise Conflict("approval.with_agent", f"{ballot.last_voter} asked for changes; it is the agent's turn.")
    if approval.state == ApprovalState.EXPIRED or (approval.is_open and is_over(approval, now)):
        raise Conflict(
            "approval.expired", "The time to decide this has run out. Nothing was done; the agent may ask again."
        )
    if approval.state != ApprovalState.PENDING:
        who = f" by {ballot.last_voter}" if ballot.last_voter and approval.state in ("approved", "rejected") else ""
        raise Conflict(
            "approval.already_decided",
            f"This was {approval.get_state_display().lower()}{who} already.",
            state=approval.state,
        )
    if approval.settles_at is not None:
        raise Conflict("approval.settling", f"{ballot.last_voter} has approved this just now.")


def is_over(approval: Approval, now: dt.datetime) -> bool:
    """Whether the time to decide has run out. A halt holds the clock; what is decided and only settles is in time."""
    return approval.settles_at is None and approval.expires_at <= (approval.paused_at or now)


def _check_seen(ballot: Ballot, cast: Cast) -> None:
    if cast.digest is not None and cast.digest != ballot.approval.digest:
        raise Conflict(
            "stale",
            "This is not what you were shown: it has changed since. Look again before you decide.",
            digest=ballot.approval.digest,
        )
    if cast.version is not None and cast.version != ballot.approval.version:
        raise Conflict("changed", "This has changed since you selected it.")


def _capacity(voter: Voter, ballot: Ballot, cast: Cast) -> Capacity:
    """One's own name where that is possible, else that of the first giver for whom it is."""
    refusal: MeshError | None = None
    if cast.on_behalf_of is None:
        refusal = refusal_of_standing(voter.own, ballot, cast.verdict)
        if refusal is None:
            return Capacity(voter.own)
    for loan in voter.loans:
        if cast.on_behalf_of in (None, loan.delegation.giver.username) and _lends(loan, ballot, cast.verdict):
            return Capacity(loan.giver, loan.delegation)
    raise refusal or NotAllowed("approval.no_delegation", f"{cast.on_behalf_of} has not delegated this to you.")


def _lends(loan: Loan, ballot: Ballot, verdict: str) -> bool:
    approval = ballot.approval
    reaches = loan.covers(
        approval=approval.id,
        process=approval.process_id,
        money_minor=approval.money_minor if verdict == Verdict.APPROVE else None,
        currency=approval.currency,
    )
    is_free = loan.giver.person not in (*approval.barred_people, *approval.spent_people)
    return reaches and is_free and refusal_of_standing(loan.giver, ballot, verdict) is None


def refusal_of_standing(standing: Standing, ballot: Ballot, verdict: str) -> MeshError | None:
    """Why this person's own standing does not carry the verdict; None when it does."""
    approval = ballot.approval
    if not standing.may_vote_in(approval.process_id):
        return NotAllowed("permission.missing", f"You may not {DOES[APPROVE]} in {approval.process.name}.")
    if any(
        stand_in.receiver in approval.barred_people
        and stand_in.stood_in_for(approval=approval.id, process=approval.process_id, since=approval.requested_at)
        for stand_in in standing.stand_ins
    ):
        return NotAllowed("approval.own_request", "Someone who may vote for you asked for this, so it is not yours.")
    if not standing.teams & ballot.teams:
        team = ballot.stage.team.name if ballot.stage else "nobody"
        return NotAllowed("approval.not_your_stage", f"This waits for {team}, and you are not one of them.")
    if verdict == Verdict.APPROVE and approval.money_minor is not None:
        limit = standing.limit_in(approval.process_id, approval.currency)
        if limit is not None and approval.money_minor > limit:
            most = Money(limit, approval.currency)
            return NotAllowed("approval.over_limit", f"You may approve up to {most} here; this is more.")
    return None


def _check_step_up(ballot: Ballot, cast: Cast, now: dt.datetime) -> None:
    approval = ballot.approval
    threshold = ballot.rules.step_up.get(approval.currency)
    if threshold is None or approval.money_minor is None or approval.money_minor <= threshold:
        return
    if cast.confirmed_at is None or cast.confirmed_at < now - STEP_UP_LASTS:
        raise NotAllowed(
            "approval.step_up_needed", "This amount needs you to confirm who you are before you approve it."
        )


def _check_pace(ballot: Ballot, cast: Cast) -> None:
    most = ballot.rules.votes_per_hour
    if most is not None and cast.recent_count >= most:
        raise Exhausted(
            "approval.capacity",
            f"You have approved {cast.recent_count} in the last hour, the most {ballot.approval.process.name} lets one"
            " person. Hand some to a colleague, or go on later.",
            retry_after_seconds=600,
        )
