"""The eye on the approvers: bringing a request before more people, and the blind second look at what was approved."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.crypto import salted_hmac

from apps.accounts.models import Membership, Team
from apps.approvals.ballots import Cast, capacity_for, is_over
from apps.approvals.events import ApprovalEscalated
from apps.approvals.models import (
    Approval,
    ApprovalState,
    Escalation,
    SecondLook,
    SecondOpinion,
    Stage,
    Verdict,
    Vote,
)
from apps.approvals.queries import approval_for, approvals_visible_to, ballots_of, rules_of
from apps.approvals.standing import voter_of
from apps.approvals.telling import record, subject_of
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, MeshError, NotAllowed, NotFound
from apps.registry.models import Process
from apps.vault import services as vault

LONGEST_REASON = 300
LONGEST_OPINION = 4000
LOT_BITS = 64


# --- bringing it before more people -----------------------------------------------------------------------------------


def escalate(*, actor: Actor, approval_id: UUID, reason: str) -> Escalation:
    """Bring the request before the next team: the one policy names for that, then those on call, then the owners of the
    process. Only the team that policy names may vote; the others are told.

    It takes what approving takes: one act. Whoever it waits for may do it, also where the amount is over their limit.
    """
    reason = words_of(reason, "Say in a few words why others should look at this.", longest=LONGEST_REASON)
    with transaction.atomic():
        approval = approval_for(actor, approval_id, lock=True)
        _check_may_escalate(actor, approval)
        check_waits(approval)
        step = next_policy_step(approval, actor=actor, reason=reason)
        for team in ladder_of(approval.process):
            step = step or bring_before(approval, team, actor=actor, reason=reason)
        if step is None:
            raise Conflict("approval.top_of_ladder", "It is with everyone it can be brought before already.")
        approval.version += 1
        approval.save(update_fields=["version", "escalations", "next_escalation_at", "escalated_team"])
    return step


def words_of(reason: str, missing: str, *, longest: int) -> str:
    """What a person wrote, without blanks around it. Raises Invalid for nothing, and for more than is kept."""
    words = reason.strip()
    if not words:
        raise Invalid("approval.reason_missing", missing, errors=[{"pointer": "/reason", "sentence": missing}])
    if len(words) > longest:
        raise Invalid("approval.reason_too_long", f"That is longer than the {longest} characters that are kept.")
    return words


def may_vote(actor: Actor, approval: Approval) -> bool:
    """Whether this person could cast any verdict on it now, in their own name or for somebody else."""
    if not actor.is_person:
        return False
    [ballot] = ballots_of([approval])
    try:
        capacity_for(voter_of(actor), ballot, Cast(Verdict.REJECT), clock.now())
    except MeshError:
        return False
    return True


def _check_may_escalate(actor: Actor, approval: Approval) -> None:
    if not actor.is_person:
        raise NotAllowed("approval.people_only", "Only people escalate.")
    if actor.id in approval.barred_people:
        raise NotAllowed("approval.own_request", "You asked for this, so someone else has to bring it further.")
    before = Q(team=approval.open_team) | Q(team__in=approval.steps_up.values("team"))
    if not Membership.objects.filter(before, user=actor.id).exists() and not may_vote(actor, approval):
        check_waits(approval)
        raise NotAllowed("approval.not_your_stage", "Only those whom it waits for bring it before others.")


def check_waits(approval: Approval) -> None:
    """Raises Conflict unless people have it, in time and undecided."""
    if approval.state == ApprovalState.CHANGES_REQUESTED:
        raise Conflict("approval.with_agent", "It is the agent's turn: somebody asked for changes.")
    if approval.state == ApprovalState.EXPIRED or (approval.is_open and is_over(approval, clock.now())):
        raise Conflict("approval.expired", "The time to decide this has run out. Nothing was done.")
    if approval.state != ApprovalState.PENDING:
        raise Conflict("approval.already_decided", f"This was {approval.get_state_display().lower()} already.")
    if approval.settles_at is not None:
        raise Conflict("approval.settling", "It has been approved just now.")


def ladder_of(process: Process) -> tuple[Team, Team]:
    """Who is told, in this order, when those who may vote do not: who is on call, then who owns the process."""
    return process.oncall_team, process.owner_team


def next_policy_step(approval: Approval, *, actor: Actor, reason: str) -> Escalation | None:
    """The next of the escalations that policy demands, done now; None when none is left. From here on that team votes
    as the team of the open stage does. The caller holds the row's lock and saves it.
    """
    while approval.escalations:
        done, *later = approval.escalations
        if approval.next_escalation_at is not None:
            approval.next_escalation_at = (
                approval.next_escalation_at + dt.timedelta(seconds=later[0]["after_seconds"] - done["after_seconds"])
                if later
                else None
            )
        approval.escalations = later
        team = Team.objects.filter(slug=done["team"]).first()
        step = bring_before(approval, team, actor=actor, reason=reason, may_vote=True) if team else None
        if step is not None:
            return step
    return None


def bring_before(
    approval: Approval, team: Team, *, actor: Actor, reason: str, may_vote: bool = False
) -> Escalation | None:
    """Let one more team have it; None when that is nothing new to them. The caller holds the lock and saves the row."""
    known = approval.steps_up.filter(team=team).first()
    if known is not None and (known.may_vote or not may_vote):
        return None
    if not may_vote and team.id == approval.open_team_id:
        return None
    if may_vote:
        approval.escalated_team = team
    step, _ = Escalation.objects.update_or_create(
        approval=approval,
        team=team,
        defaults={
            "may_vote": may_vote,
            "reason": reason,
            "escalated_by": actor.key,
            "escalated_by_name": actor.name,
            "escalated_at": clock.now(),
        },
    )
    told = {"team": team.slug, "may_vote": may_vote}
    record(actor, "approval.escalated", approval, outcome=approval.state, reason=reason, data=told)
    outbox.add(ApprovalEscalated(**subject_of(approval), team=team.slug, escalated_by=actor.key))
    return step


# --- the second look --------------------------------------------------------------------------------------------------


def draw_second_look(approval: Approval) -> SecondLook | None:
    """Have somebody else look at it, if the lot falls on it. Called in the transaction in which people approved it."""
    return next(iter(draw_second_looks([approval])), None)


def draw_second_looks(approvals: Sequence[Approval]) -> list[SecondLook]:
    """The same for many, in at most three statements."""
    if not approvals:
        return []
    rules = rules_of({approval.process_id for approval in approvals})
    drawn = [
        (approval, rules[approval.process_id].second_look_team_id)
        for approval in approvals
        if is_drawn(approval.id, percent=rules[approval.process_id].second_look_percent)
    ]
    if not drawn:
        return []
    first_teams = _first_teams(approval.id for approval, team in drawn if team is None)
    now = clock.now()
    return SecondLook.objects.bulk_create(
        SecondLook(approval=approval, team_id=team or first_teams[approval.id], drawn_at=now)
        for approval, team in drawn
    )


def is_drawn(approval_id: UUID, *, percent: Decimal | int, key: str | None = None) -> bool:
    """Whether the lot falls on this approval.

    The lot is a keyed hash of the id: without the key nobody can tell beforehand which approvals will be looked at, and
    with it anybody can tell afterwards that none was left out. `key` is an earlier SECRET_KEY, to check old draws.
    """
    lot = salted_hmac("approvals.second_look", approval_id.bytes, secret=key or settings.SECRET_KEY, algorithm="sha256")
    drawn = int.from_bytes(lot.digest()[: LOT_BITS // 8], "big")
    return drawn < (1 << LOT_BITS) * Decimal(percent) / 100


def _first_teams(approval_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    stages = Stage.objects.filter(approval__in=list(approval_ids), position=1)
    return dict(stages.values_list("approval_id", "team_id"))


def open_second_looks(actor: Actor) -> QuerySet[SecondLook]:
    """The looks this person may take: in a team of theirs, and neither voted on nor asked for by them."""
    if not actor.is_person:
        return SecondLook.objects.none()
    mine = Membership.objects.filter(user=actor.id, user__is_active=True).values("team")
    return (
        SecondLook.objects.filter(looked_at=None, team__in=mine, approval__in=approvals_visible_to(actor).values("pk"))
        .exclude(approval__barred_people__contains=[actor.known_id])
        .exclude(Exists(_votes_of(actor).filter(approval=OuterRef("approval"))))
        .select_related("approval__process", "team")
        .order_by("id")
    )


def _votes_of(actor: Actor) -> QuerySet[Vote]:
    """Withdrawn ones too: who has voted knows more than the card says."""
    return Vote.objects.filter(Q(voter=actor.id) | Q(on_behalf_of=actor.id))


def second_look_for(actor: Actor, look_id: UUID, *, lock: bool = False) -> SecondLook:
    """One look that this person may take. Raises NotFound, NotAllowed, or Conflict when somebody has taken it."""
    looks = SecondLook.objects.filter(approval__in=approvals_visible_to(actor).values("pk"), id=look_id)
    look = (
        (looks.select_for_update(of=("self",)) if lock else looks).select_related("approval__process", "team").first()
    )
    if look is None:
        raise NotFound("second_look.not_found", "There is no such second look.")
    if not actor.is_person or not Membership.objects.filter(user=actor.id, team=look.team).exists():
        raise NotAllowed("second_look.not_your_team", f"{look.team.name} take this look, and you are not one of them.")
    if actor.id in look.approval.barred_people:
        raise NotAllowed("approval.own_request", "You asked for this, so someone else looks at it.")
    if _votes_of(actor).filter(approval=look.approval).exists():
        raise NotAllowed("second_look.own_vote", "You have voted on this, so someone else looks at it.")
    if look.looked_at is not None:
        raise Conflict("second_look.taken", "Somebody has looked at this already. Thank you all the same.")
    return look


def give_second_opinion(*, actor: Actor, look_id: UUID, opinion: str, reason: str = "") -> SecondLook:
    """What this person would have decided, given without knowing what was. Given once, and nothing follows from it but
    the record. Disagreement needs words.
    """
    if opinion not in SecondOpinion.values:
        raise Invalid("second_look.bad_opinion", f"An opinion is one of {', '.join(SecondOpinion.values)}.")
    if opinion == SecondOpinion.DISAGREE:
        reason = words_of(reason, "Say what speaks against it.", longest=LONGEST_OPINION)
    elif reason.strip():
        reason = words_of(reason, "", longest=LONGEST_OPINION)
    with transaction.atomic():
        look = second_look_for(actor, look_id, lock=True)
        words = vault.store(vault.Document(kind="second_look.reason", body=reason)) if reason.strip() else [None]
        look.looker_id, look.opinion, look.looked_at, look.reason = actor.known_id, opinion, clock.now(), words[0]
        look.save(update_fields=["looker", "opinion", "looked_at", "reason"])
        record(actor, "approval.second_look", look.approval, outcome=opinion, data={"second_look_id": str(look.id)})
    return look
