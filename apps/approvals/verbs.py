"""What one person may do with one approval. Templates hide by it; the services decide."""

from dataclasses import dataclass

from apps.approvals.models import Approval, ApprovalState, Risk, Snooze, Verdict
from apps.approvals.services import refusal_of_vote
from apps.approvals.standing import voter_of
from apps.approvals.subjects import kind_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import MeshError
from apps.registry.permissions import GOVERN, MANAGE
from apps.registry.queries import holds

# Refusals of a yes that leave a no open.
ONLY_OF_APPROVING = ("approval.over_limit", "approval.capacity")


@dataclass(frozen=True, slots=True)
class Verbs:
    """What this person may do. `notes` say why not the rest; `asks_first` means a sheet restates the act before it is
    approved.
    """

    approve: bool
    asks_first: bool
    edit_url: str | None
    reject: bool
    ask: bool
    delegate: bool
    snooze: bool
    snoozed: Snooze | None
    escalate: bool
    extend: bool
    notes: list[str]

    def allows(self, stage: str) -> bool:
        """Whether the form behind a verb may be opened."""
        return {
            "reject": self.reject,
            "request_changes": self.ask,
            "delegate": self.delegate,
            "snooze": self.snooze,
            "escalate": self.escalate,
            "extend": self.extend,
        }[stage]

    @property
    def any(self) -> bool:
        return self.reject or self.approve or self.escalate or self.snooze


def verbs_for(actor: Actor, approval: Approval) -> Verbs:
    """What the services would let this person do now."""
    refusal = refusal_of_vote(actor, approval)
    no_refusal = refusal
    if refusal is not None and refusal.code in ONLY_OF_APPROVING:
        no_refusal = refusal_of_vote(actor, approval, Verdict.REJECT)
    kind = kind_of(approval)
    waits = approval.state == ApprovalState.PENDING and approval.settles_at is None
    is_theirs = waits and _is_asked(actor, approval)
    may_say_no = no_refusal is None
    return Verbs(
        approve=refusal is None,
        asks_first=approval.risk == Risk.HIGH or not approval.is_reversible,
        edit_url=kind.edit_url(approval) if may_say_no else None,
        reject=may_say_no,
        ask=may_say_no and kind.can_change,
        delegate=refusal is None and is_theirs,
        snooze=may_say_no or is_theirs,
        snoozed=_snooze_of(actor, approval) if waits else None,
        escalate=may_say_no or (is_theirs and actor.id not in approval.barred_people),
        extend=waits and (may_say_no or _keeps(actor, approval)),
        notes=_notes(refusal, approval),
    )


def _notes(refusal: MeshError | None, approval: Approval) -> list[str]:
    """Why something is missing; of what is over, its state says enough."""
    return [refusal.sentence] if refusal is not None and approval.is_open else []


def _is_asked(actor: Actor, approval: Approval) -> bool:
    """Whether it waits for a team of this person's, policy's escalation included."""
    teams = [team for team in (approval.open_team_id, approval.escalated_team_id) if team]
    return not voter_of(actor).own.teams.isdisjoint(teams)


def _keeps(actor: Actor, approval: Approval) -> bool:
    """Whether the process is theirs to run: then they may give its voters more time."""
    return any(holds(actor, permission, approval.process) for permission in (GOVERN, MANAGE))


def _snooze_of(actor: Actor, approval: Approval) -> Snooze | None:
    return Snooze.objects.filter(approval=approval, person=actor.known_id, until__gt=clock.now()).first()
