"""Requests for human consent. The engine knows a subject by type, id and digest; what the subject is, is its owner's
business.
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Team, User
from apps.core.ids import uuid7
from apps.registry.models import Agent, Environment, Process
from apps.vault.models import Payload


class ApprovalState(models.TextChoices):
    PENDING = "pending", "Waiting"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"


class Risk(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class Verdict(models.TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


class RejectReason(models.TextChoices):
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    WRONG_PARTY = "wrong_party", "Wrong customer or record"
    NOT_JUSTIFIED = "not_justified", "Not justified"
    MISSING_EVIDENCE = "missing_evidence", "Evidence is missing"
    DUPLICATE = "duplicate", "Already done"
    OTHER = "other", "Other"


class Approval(models.Model):
    """One request. `digest` binds every vote to exactly what was shown (I4); `card` is what was shown, kept in the
    vault.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    card = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="approvals")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    run_id = models.UUIDField(null=True)
    barred_people = ArrayField(
        models.UUIDField(), default=list, help_text="Who asked for it, in person or behind a credential (I5)"
    )
    risk = models.CharField(max_length=10, choices=Risk.choices)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    policy_ref = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=20, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="approval_expiry", condition=models.Q(state="pending")),
            models.Index(fields=["process", "-id"], name="approval_process"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject_type", "subject_id"], name="one_pending_approval", condition=models.Q(state="pending")
            ),
            models.CheckConstraint(
                name="approval_resolved_once",
                condition=models.Q(state="pending", resolved_at=None)
                | (~models.Q(state="pending") & models.Q(resolved_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id}"


class Stage(models.Model):
    """One step of the chain: so many votes from one team. Stages are voted in order of `position`, from 1."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    quorum = models.PositiveSmallIntegerField(default=1)
    passed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["approval", "position"], name="stage_once")]
        indexes = [models.Index(fields=["team", "approval"], name="stage_waiting", condition=models.Q(passed_at=None))]

    def __str__(self) -> str:
        return f"{self.quorum} of {self.team}"


class Vote(models.Model):
    """One person's verdict on exactly what they saw. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(User, on_delete=models.PROTECT, related_name="votes")
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    reason_code = models.CharField(max_length=40, blank=True)
    comment = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    digest = models.CharField(max_length=64)
    via = models.CharField(max_length=20)
    cast_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "voter"], name="one_person_one_vote")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.voter}: {self.verdict}"
