"""The eye on the approvers: what was escalated, and the blind second look at what was approved."""

from django.db import models

from apps.accounts.models import Team, User
from apps.approvals.models.approvals import Approval
from apps.core.ids import uuid7
from apps.vault.models import Payload


class Escalation(models.Model):
    """An approval was brought before one more team, by a person or by time. `may_vote`: policy names the team, so its
    members count as members of the open stage's team.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="steps_up")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    may_vote = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True)
    escalated_by = models.CharField(max_length=160)
    escalated_by_name = models.CharField(max_length=160)
    escalated_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "team"], name="escalation_once")]

    def __str__(self) -> str:
        return f"to {self.team}"


class SecondOpinion(models.TextChoices):
    AGREE = "agree", "I would have approved it"
    DISAGREE = "disagree", "I would not have approved it"


class SecondLook(models.Model):
    """One approved request in a random sample, shown to another approver without how it was decided."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="second_look")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    drawn_at = models.DateTimeField()
    looker = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    opinion = models.CharField(max_length=20, choices=SecondOpinion.choices, blank=True)
    reason = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    looked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["team", "id"], name="second_look_open", condition=models.Q(looked_at=None))]
        constraints = [
            models.CheckConstraint(
                name="second_look_whole",
                condition=models.Q(looker=None, looked_at=None, opinion="")
                | (models.Q(looker__isnull=False, looked_at__isnull=False) & ~models.Q(opinion="")),
            )
        ]

    def __str__(self) -> str:
        return f"Second look at {self.approval}"
