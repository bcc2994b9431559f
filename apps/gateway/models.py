"""Tool calls, the decisions on them, and the versions of those that were changed before they ran."""

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from apps.approvals.models import Approval
from apps.core.ids import uuid7
from apps.registry.models import Agent, AgentCredential, Environment, Process, Tool
from apps.runs.models import Run
from apps.vault.models import Payload


class CallState(models.TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    QUEUED = "queued", "Queued"
    EXECUTING = "executing", "Executing"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    DENIED = "denied", "Denied"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"
    HALTED = "halted", "Halted"
    INVALIDATED = "invalidated", "Invalidated"
    OUTCOME_UNKNOWN = "outcome_unknown", "Outcome unknown"
    COMPENSATED = "compensated", "Compensated"


OPEN_STATES = (CallState.AWAITING_APPROVAL, CallState.QUEUED, CallState.EXECUTING)


class Outcome(models.TextChoices):
    ALLOW = "allow", "Allowed"
    DENY = "deny", "Denied"
    REQUIRE_APPROVAL = "require_approval", "Needs approval"


class ToolCall(models.Model):
    """One requested action. Its row is the only truth about it; every step claims it by conditional update.

    `holds_key` is False for calls that were turned away at the door (a halt): the agent may try again under the same
    key. `deadline_at` of an executing call is when the recovery job may look at it. Request, digests, money, entity and
    approval are those of the current `version`; a call that was changed has a row for each in `versions`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tool_calls")
    credential = models.ForeignKey(AgentCredential, on_delete=models.PROTECT, null=True, related_name="+")
    tool = models.ForeignKey(Tool, on_delete=models.PROTECT, related_name="tool_calls")
    tool_version = models.PositiveIntegerField()
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="tool_calls")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="tool_calls")
    idempotency_key = models.CharField(max_length=200)
    holds_key = models.BooleanField(default=True)
    state = models.CharField(max_length=20, choices=CallState.choices)
    version = models.PositiveSmallIntegerField(default=1)
    request = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    arguments_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, blank=True)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    entity_type = models.CharField(max_length=40, blank=True)
    entity_id = models.CharField(max_length=120, blank=True)
    on_behalf_of = models.UUIDField(null=True)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    result = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    error_code = models.CharField(max_length=80, blank=True)
    error_sentence = models.CharField(max_length=500, blank=True)
    halt_id = models.UUIDField(null=True)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    may_have_effect = models.BooleanField(default=False, help_text="Some attempt so far is not known to have had none")
    absence_count = models.PositiveSmallIntegerField(default=0, help_text="How often a lookup did not find the effect")
    requested_at = models.DateTimeField()
    executing_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "tool", "idempotency_key"], name="one_call_per_key", condition=models.Q(holds_key=True)
            ),
        ]
        indexes = [
            models.Index(fields=["deadline_at"], name="call_overdue", condition=models.Q(state="executing")),
            models.Index(fields=["process", "-id"], name="call_process"),
            # for "last call admitted": tiny, and written once per block of the table
            BrinIndex(fields=["executing_at"], name="call_executing_at", autosummarize=True),
            models.Index(fields=["run", "id"], name="call_run"),
            models.Index(fields=["entity_type", "entity_id"], name="call_entity"),
            models.Index(
                fields=["agent", "tool", "-id"],
                name="call_precedents",
                condition=models.Q(approval__isnull=False, finished_at__isnull=False),
            ),
            models.Index(
                fields=["environment"],
                name="call_parked",
                condition=models.Q(state__in=["awaiting_approval", "queued"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} {self.idempotency_key}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class DecisionMoment(models.TextChoices):
    INTAKE = "intake", "When it was asked for"
    EDIT = "edit", "When it was changed"
    RELEASE = "release", "When it was released"


class Decision(models.Model):
    """The immutable answer, with everything needed to give it again (I11)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="decisions")
    moment = models.CharField(max_length=10, choices=DecisionMoment.choices)
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    policies = models.JSONField(help_text="[{id, set, version, says}] that determined it")
    obligations = models.JSONField(default=dict)
    releases = models.JSONField(help_text="[{set, version, content_hash}] it was decided under")
    errors = models.JSONField(default=list)
    input = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.outcome


class CallVersion(models.Model):
    """What a call was at one time: as it was asked for (number 1), or as a person's edit or the agent's answer left it.

    Written only when a call is changed, number 1 together with number 2. `obligations` are those in force: what its
    decision demands together with what was demanded before it, because a change removes nobody who was asked. `digest`
    is what its approval and every vote on it name. `reason` is why it was changed, in the words of who changed it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    tool_version = models.PositiveIntegerField()
    request = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    arguments_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    entity_id = models.CharField(max_length=120, blank=True)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="version")
    obligations = models.JSONField(default=dict)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    made_by = models.CharField(max_length=160)
    made_by_name = models.CharField(max_length=160)
    made_by_kind = models.CharField(max_length=20)
    reason = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["tool_call", "number"], name="call_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"Version {self.number}"
