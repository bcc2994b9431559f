"""What people keep about their queue: what they put off, how they look at it, what they picked."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Team, User
from apps.approvals.models.approvals import Approval, Verdict
from apps.core.ids import uuid7
from apps.vault.models import Payload


class Snooze(models.Model):
    """One person does not want to see one approval until then. Its clocks run on, and for others nothing changes."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="snoozes")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "person"], name="snooze_once")]

    def __str__(self) -> str:
        return f"{self.person} until {self.until}"


class SavedView(models.Model):
    """A filter of the queue under a name: one's own, or one's team's. `query` is the page's query string."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)
    is_default = models.BooleanField(default=False)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name"),
            models.UniqueConstraint(fields=["owner"], name="one_default_view", condition=models.Q(is_default=True)),
        ]

    def __str__(self) -> str:
        return self.name


class Selection(models.Model):
    """What a person picked, frozen: ids and the versions they saw (I15). `ids` and `versions` stand in step.

    `summary`: {"count", "sums": [{"minor", "currency"}], "oldest", "left_out": [{"why", "count"}]}.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    query = models.CharField(max_length=1000, help_text="The view it was picked from")
    ids = ArrayField(models.UUIDField())
    versions = ArrayField(models.PositiveIntegerField())
    summary = models.JSONField()
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.ids)} approvals of {self.owner}"


class BulkState(models.TextChoices):
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class BulkVote(models.Model):
    """One verdict on everything in a selection, carried out in portions. `done_count` rows have their outcome."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    selection = models.OneToOneField(Selection, on_delete=models.PROTECT, related_name="bulk_vote")
    voter = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    reason_code = models.CharField(max_length=40, blank=True)
    comment = models.ForeignKey(Payload, on_delete=models.PROTECT, null=True, related_name="+")
    via = models.CharField(max_length=20)
    state = models.CharField(max_length=20, choices=BulkState.choices, default=BulkState.RUNNING)
    done_count = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.verdict} {len(self.selection.ids)}"


class BulkOutcome(models.Model):
    """What became of one row. `code` is "done" or the code of the refusal, `sentence` its words."""

    bulk_vote = models.ForeignKey(BulkVote, on_delete=models.CASCADE, related_name="outcomes")
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(max_length=80)
    sentence = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bulk_vote", "approval"], name="bulk_outcome_once")]

    def __str__(self) -> str:
        return self.code
