"""Requests for human consent and the votes on them. The engine knows a subject by type, id and digest; what the subject
is, is its owner's business.
"""

import datetime as dt

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Value, When
from django.db.models.functions import Coalesce

from apps.accounts.models import Team, User
from apps.core.ids import uuid7
from apps.registry.models import Agent, Environment, Process
from apps.vault.models import Payload


class ApprovalState(models.TextChoices):
    PENDING = "pending", "Waiting"
    CHANGES_REQUESTED = "changes_requested", "With the agent"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"
    SUPERSEDED = "superseded", "Replaced"


# Somebody still has to answer: a person, or the agent that was asked for changes.
OPEN_STATES = (ApprovalState.PENDING, ApprovalState.CHANGES_REQUESTED)


class Risk(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class Urgency(models.IntegerChoices):
    """How much of the time to decide is used up."""

    CALM = 0, "In time"
    HALF = 1, "Half of the time is gone"
    SOON = 2, "Due soon"
    BREACHED = 3, "Overdue"


class Verdict(models.TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"
    REQUEST_CHANGES = "request_changes", "Ask for changes"


class FeedbackReason(models.TextChoices):
    """Why a person did not approve, in words a program can act on."""

    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    WRONG_PARTY = "wrong_party", "Wrong customer or record"
    NOT_JUSTIFIED = "not_justified", "Not justified"
    MISSING_EVIDENCE = "missing_evidence", "Evidence is missing"
    DUPLICATE = "duplicate", "Already done"
    OTHER = "other", "Other"


class Approval(models.Model):
    """One request. `digest` binds every vote to exactly what was shown (I4); `card` is what was shown, kept in the
    vault.

    What the queue filters and sorts by stands in the row itself, written with each change under the row's lock:
    `open_team` (of the stage that is voted on), `spent_people` (who has voted or was voted for), `urgency`. `version`
    counts the changes a reader could see; a selection freezes it (I15). While `settles_at` is set the last vote is
    cast and its voter may still take it back. While `paused_at` is set a halt holds the clocks.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.PositiveIntegerField(default=1)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    card = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+", db_index=False)
    previous = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="approvals", db_index=False)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    run_id = models.UUIDField(null=True)
    barred_people = ArrayField(
        models.UUIDField(), default=list, help_text="Who asked for it, in person or behind a credential (I5)"
    )
    spent_people = ArrayField(models.UUIDField(), default=list, help_text="Who has voted, or was voted for")
    risk = models.CharField(max_length=10, choices=Risk.choices)
    risk_rank = models.GeneratedField(
        expression=Case(When(risk="high", then=Value(3)), When(risk="medium", then=Value(2)), default=Value(1)),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    is_reversible = models.BooleanField(default=False)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    size = models.GeneratedField(
        expression=Coalesce("money_minor", Value(0)),
        output_field=models.BigIntegerField(),
        db_persist=True,
        help_text="To sort by: the amount as a plain number, whatever its currency",
    )
    policy_ref = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=20, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    open_team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    escalated_team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="May vote too since policy escalated it",
    )
    urgency = models.PositiveSmallIntegerField(choices=Urgency.choices, default=Urgency.CALM)
    requested_at = models.DateTimeField()
    milestones = ArrayField(
        models.DateTimeField(), default=list, help_text="When 50 %, 90 % and all of the time to decide is gone"
    )
    next_milestone_at = models.DateTimeField(null=True)
    escalations = models.JSONField(default=list, help_text="[{after_seconds, team}] that policy demands, not yet done")
    next_escalation_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    settles_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="approval_expiry", condition=models.Q(resolved_at=None)),
            models.Index(fields=["settles_at"], name="approval_settling", condition=models.Q(settles_at__isnull=False)),
            models.Index(fields=["next_milestone_at"], name="approval_milestone", condition=models.Q(state="pending")),
            models.Index(
                fields=["next_escalation_at"], name="approval_escalation", condition=models.Q(state="pending")
            ),
            models.Index(fields=["process", "-id"], name="approval_process"),
            models.Index(fields=["subject_type", "subject_id"], name="approval_subject"),
            models.Index(
                fields=["-urgency", "-risk_rank", "-size", "id"],
                name="approval_queue",
                condition=models.Q(state="pending"),
            ),
            models.Index(fields=["open_team"], name="approval_open_team", condition=models.Q(state="pending")),
            models.Index(
                fields=["escalated_team"], name="approval_escalated", condition=models.Q(escalated_team__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject_type", "subject_id"],
                name="one_open_approval",
                condition=models.Q(state__in=["pending", "changes_requested"]),
            ),
            models.CheckConstraint(
                name="approval_resolved_once",
                condition=models.Q(state__in=["pending", "changes_requested"], resolved_at=None)
                | (~models.Q(state__in=["pending", "changes_requested"]) & models.Q(resolved_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="approval_settles_while_pending",
                condition=models.Q(settles_at=None) | models.Q(state="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def due_at(self) -> dt.datetime:
        """When the time to decide is gone: the last milestone."""
        return self.milestones[-1]


class Stage(models.Model):
    """One step of the chain: so many votes from one team. Stages are voted in order of `position`, from 1.

    `carried_count`: votes of earlier stages that count here again, where the process lets one person count twice.
    """

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    quorum = models.PositiveSmallIntegerField(default=1)
    carried_count = models.PositiveSmallIntegerField(default=0)
    passed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["approval", "position"], name="stage_once")]
        indexes = [models.Index(fields=["team", "approval"], name="stage_waiting", condition=models.Q(passed_at=None))]

    def __str__(self) -> str:
        return f"{self.quorum} of {self.team}"


class Vote(models.Model):
    """One person's verdict on exactly what they saw. Never changed; within the undo window it may be withdrawn, which
    is a row of its own, and a later vote of the same person names it in `replaces`.

    `on_behalf_of` is the person who delegated; both are then spent. `dwell_seconds` is how long the card was in front
    of the voter, as their browser tells it; None for programs.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(User, on_delete=models.PROTECT, related_name="votes")
    on_behalf_of = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    delegation = models.ForeignKey("approvals.Delegation", on_delete=models.PROTECT, null=True, related_name="votes")
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    reason_code = models.CharField(max_length=40, blank=True)
    comment = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    digest = models.CharField(max_length=64)
    via = models.CharField(max_length=20)
    dwell_seconds = models.FloatField(null=True)
    replaces = models.OneToOneField("approvals.VoteWithdrawal", on_delete=models.PROTECT, null=True, related_name="+")
    cast_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["voter", "-id"], name="vote_of_person")]
        constraints = [
            models.UniqueConstraint(
                fields=["approval", "voter"], name="one_person_one_vote", condition=models.Q(replaces=None)
            ),
            models.UniqueConstraint(
                fields=["approval", "on_behalf_of"],
                name="one_vote_for_one_person",
                condition=models.Q(replaces=None, on_behalf_of__isnull=False),
            ),
            models.CheckConstraint(
                name="delegated_vote_names_both",
                condition=models.Q(on_behalf_of=None, delegation=None)
                | (
                    models.Q(on_behalf_of__isnull=False, delegation__isnull=False)
                    & ~models.Q(on_behalf_of=models.F("voter"))
                ),
            ),
        ]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.voter}: {self.verdict}"


class VoteWithdrawal(models.Model):
    """A vote its voter took back before it was released. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    vote = models.OneToOneField(Vote, on_delete=models.PROTECT, related_name="withdrawal")
    withdrawn_at = models.DateTimeField()

    class Meta:
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.vote} withdrawn"
