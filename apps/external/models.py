"""Consent that a gateway outside asks for, and the news it is sent about it. What it does with the answer happens where
we cannot see it; the claim is the one thing it does here.
"""

import pgtrigger
from django.db import models

from apps.approvals.models import Approval
from apps.core.ids import uuid7
from apps.registry.models import Agent, AgentCredential, Environment, Process
from apps.vault.models import Payload


class ExternalRequest(models.Model):
    """One act of an outside system that wants consent. `approval` is that of its newest version.

    The approval says how people decided. Beside it stands what only the request knows: its agent took it back, a stop
    ended it, or its agent claimed it, which happens once and excludes the other two.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="external_requests")
    credential = models.ForeignKey(AgentCredential, on_delete=models.PROTECT, related_name="+")
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="external_requests")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    idempotency_key = models.CharField(max_length=200)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+")
    callback_url = models.CharField(max_length=500, blank=True)
    webhook_secret = models.TextField(blank=True, help_text="Sealed by the vault")
    requested_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    halted_at = models.DateTimeField(null=True)
    halt_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "idempotency_key"], name="one_external_request_per_key"),
            models.CheckConstraint(
                name="external_request_ends_once",
                condition=models.Q(claimed_at=None, cancelled_at=None)
                | models.Q(claimed_at=None, halted_at=None)
                | models.Q(cancelled_at=None, halted_at=None),
            ),
            models.CheckConstraint(
                name="external_halt_is_named",
                condition=models.Q(halted_at=None, halt_id=None)
                | models.Q(halted_at__isnull=False, halt_id__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["process", "-id"], name="external_process")]

    def __str__(self) -> str:
        return f"{self.agent} {self.idempotency_key}"

    @property
    def state(self) -> str:
        """The approval's, unless something else than people ended it."""
        if self.halted_at is not None:
            return "halted"
        return "cancelled" if self.cancelled_at is not None else self.approval.state


class ExternalVersion(models.Model):
    """What was asked for, word by word, each time. Never changed.

    `request_digest` is of everything that was sent and recognises a repetition; `digest` is of what votes bind to;
    `payload_sha256` is the caller's own digest of what it will carry out.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(ExternalRequest, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="external_version")
    stored = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    request_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    payload_sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["request", "number"], name="external_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.request}, version {self.number}"


class NewsKind(models.TextChoices):
    RESOLVED = "approval.resolved", "Decided, expired or cancelled"
    CHANGES_REQUESTED = "approval.changes_requested", "Another version is wanted"
    HALTED = "approval.halted", "Approved, and ended by a stop before it was claimed"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class WebhookDelivery(models.Model):
    """One piece of news on its way to the caller: the body as it was when it happened, sent again until it is taken.

    `due_at` is when the next attempt may begin; an attempt moves it on before it sends, so that only one is under way.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(ExternalRequest, on_delete=models.PROTECT, related_name="deliveries")
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=40, choices=NewsKind.choices)
    body = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "kind"], name="webhook_once")]
        indexes = [models.Index(fields=["due_at"], name="webhook_due", condition=models.Q(state="waiting"))]

    def __str__(self) -> str:
        return f"{self.kind} of {self.request_id}"

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that a receiver can tell a repetition."""
        return f"msg_{self.id.hex}"
