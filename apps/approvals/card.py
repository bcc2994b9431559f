"""What the card shows of one approval: what is asked and why, who has to agree, what this person may do about it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import Membership, User
from apps.approvals.cards import cards_of
from apps.approvals.models import (
    Approval,
    ApprovalState,
    Delegation,
    Escalation,
    FeedbackReason,
    Stage,
    Verdict,
    Vote,
)
from apps.approvals.queries import stages_of, votes_of
from apps.approvals.subjects import kind_of
from apps.approvals.verbs import Verbs, verbs_for
from apps.core import clock
from apps.core.actor import Actor
from apps.registry.permissions import APPROVE
from apps.registry.queries import holders_among
from apps.vault import services as vault

MOST_NAMES = 4
ACTS = ("vote", "undo", "delegate", "snooze", "unsnooze", "escalate", "extend")


@dataclass(frozen=True, slots=True)
class StageShown:
    """One stage of the chain. `people` are those who may still vote in it."""

    label: str
    state: str
    note: str
    people: str


@dataclass(frozen=True, slots=True)
class VoteShown:
    """One vote with the words that came with it."""

    vote: Vote
    words: str

    @property
    def is_withdrawn(self) -> bool:
        return hasattr(self.vote, "withdrawal")

    @property
    def reason(self) -> str:
        code = self.vote.reason_code
        return str(FeedbackReason(code).label) if code in FeedbackReason.values else code


@dataclass(frozen=True, slots=True)
class Card:
    """One approval as one person sees it. `query` is the state of the list it was opened from; `subject` is what its
    kind tells of the moment: precedents, what waits on it.
    """

    approval: Approval
    content: dict[str, Any]
    subject: dict[str, Any]
    chain: list[StageShown]
    votes: list[VoteShown]
    verbs: Verbs
    steps_up: list[Escalation]
    handed_on: list[Delegation]
    replaced_by: Approval | None
    version_number: int
    may_undo: bool
    query: str

    @property
    def path(self) -> str:
        return reverse("approval", args=[self.approval.id])

    @property
    def url(self) -> str:
        return self.path + self.query

    @property
    def confirm_path(self) -> str:
        return reverse("approval-confirm", args=[self.approval.id])

    @property
    def act_urls(self) -> dict[str, str]:
        """Where each act on it is sent to, the list behind it included."""
        return {act: reverse(f"approval-{act}", args=[self.approval.id]) + self.query for act in ACTS}

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The list behind it, for forms that are sent by address and would drop the query."""
        return parse_qsl(self.query.removeprefix("?"))

    @property
    def may_vote(self) -> list[StageShown]:
        """The stages that wait, with who can vote in them."""
        return [stage for stage in self.chain if stage.people]

    @property
    def list_url(self) -> str:
        return list_url(self.query)

    @property
    def run_url(self) -> str | None:
        return reverse("run", args=[self.approval.run_id]) if self.approval.run_id else None

    @property
    def due_at(self) -> Any:
        return self.approval.milestones[-1] if self.approval.milestones else self.approval.expires_at

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return list(FeedbackReason.choices)


def list_url(query: str) -> str:
    """The list behind a card. Named even where it is the first view: a person may start with another."""
    return reverse("inbox") + (query or "?view=mine")


def card_for(actor: Actor, approval: Approval, *, query: str = "") -> Card:
    """The card as this person sees it."""
    votes, stages = votes_of(approval), stages_of(approval)
    standing = [vote for vote in votes if not hasattr(vote, "withdrawal")]
    words = vault.read_many([vote.comment_id for vote in votes])
    return Card(
        approval=approval,
        content=cards_of([approval], actor)[approval.id],
        subject=kind_of(approval).context(actor, approval),
        chain=_chain(approval, stages, standing),
        votes=[VoteShown(vote, words.get(vote.comment_id, "") if vote.comment_id else "") for vote in votes],
        verbs=verbs_for(actor, approval),
        steps_up=list(approval.steps_up.select_related("team")),
        handed_on=list(_handed_on(approval)),
        replaced_by=successor_of(approval),
        version_number=_version_number(approval),
        may_undo=_is_settling(approval) and bool(standing) and standing[-1].voter_id == actor.id,
        query=query,
    )


def _is_settling(approval: Approval) -> bool:
    return approval.settles_at is not None and approval.settles_at > clock.now()


def _chain(approval: Approval, stages: list[Stage], votes: list[Vote]) -> list[StageShown]:
    """Each stage as the chain shows it: passed, refused, open now, or later; with who has voted and who may."""
    electorate = _electorate(approval, stages)
    shown = []
    open_seen = approval.state != ApprovalState.PENDING
    for stage in stages:
        voters = [vote for vote in votes if vote.stage_id == stage.id]
        refused = any(vote.verdict == Verdict.REJECT for vote in voters)
        state = "done" if stage.passed_at else "refused" if refused else "later" if open_seen else "now"
        open_seen = open_seen or state == "now"
        given = sum(vote.verdict == Verdict.APPROVE for vote in voters) + stage.carried_count
        names = ", ".join(str(vote.voter) for vote in voters)
        counted = _("%(given)s of %(needed)s") % {"given": given, "needed": stage.quorum}
        note = names if stage.passed_at or refused else f"{counted}, {names}" if names else counted
        people = electorate.get(stage.team_id, []) if state in ("now", "later") and approval.is_open else []
        shown.append(StageShown(label=stage.team.name, state=state, note=note, people=named(people)))
    return shown


def _electorate(approval: Approval, stages: list[Stage]) -> dict[UUID, list[str]]:
    """Who may still vote, by team: active members who hold the right here, have not voted and did not ask for it."""
    if not approval.is_open:
        return {}
    out = {*approval.barred_people, *approval.spent_people}
    members = [
        member
        for member in Membership.objects.filter(
            team__in=[stage.team_id for stage in stages], user__is_active=True
        ).select_related("user")
        if member.user_id not in out
    ]
    rights = holders_among({member.user_id for member in members}, APPROVE)
    electorate: dict[UUID, list[str]] = {}
    for member in sorted(members, key=lambda member: str(member.user).casefold()):
        processes = rights.get(member.user_id, frozenset())
        if processes is None or approval.process_id in processes:
            electorate.setdefault(member.team_id, []).append(str(member.user))
    return electorate


def named(people: list[str]) -> str:
    """Names in a row, "and 3 more" behind the first few."""
    if len(people) <= MOST_NAMES:
        return ", ".join(people)
    more = _("%(count)s more") % {"count": len(people) - MOST_NAMES + 1}
    return f"{', '.join(people[: MOST_NAMES - 1])}, {more}"


def _handed_on(approval: Approval) -> Any:
    """Delegations of this one approval that are in force."""
    now = clock.now()
    running = approval.delegations.filter(ended_at=None, starts_at__lte=now, ends_at__gt=now)
    return running.select_related("giver", "receiver").order_by("id")


def successor_of(approval: Approval) -> Approval | None:
    """The version that replaced it."""
    if approval.state != ApprovalState.SUPERSEDED:
        return None
    return Approval.objects.filter(previous=approval).first()


def _version_number(approval: Approval) -> int:
    """1 for the first version; each change counts one up."""
    number, previous = 1, approval.previous_id
    while previous is not None:
        number += 1
        previous = Approval.objects.values_list("previous_id", flat=True).get(id=previous)
    return number


def receivers_for(actor: Actor, approval: Approval) -> tuple[list[User], list[User]]:
    """Whom the approval may be delegated to: colleagues of the open team, then everyone else who sees the process."""
    free = User.objects.filter(is_active=True).exclude(id__in=[actor.known_id, *approval.barred_people])
    team = (
        list(free.filter(membership__team=approval.open_team).order_by("name").distinct()) if approval.open_team else []
    )
    seeing = free.filter(processuserpermission__content_object=approval.process).order_by("name").distinct()
    return team, [person for person in seeing if person not in team]
