"""Replays of policies over the decisions there are, how far each is, and the decisions that would be others."""

from typing import Any

from django.db import models
from django.db.models import Q

from apps.core.ids import uuid7
from apps.gateway.models import Decision, Outcome, ToolCall
from apps.policies.models import DraftVersion, PolicyRelease, PolicySet
from apps.registry.models import Environment, Process
from apps.replays.kinds import Kind
from apps.replays.steps import StepKind
from apps.runs.models import Run

FIRST_CHUNK = 250


class Mode(models.TextChoices):
    REPLAY = "replay", "Replay"
    SHADOW = "shadow", "Shadow"


class ReplayState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


OPEN_STATES = (ReplayState.QUEUED, ReplayState.RUNNING)


class ImpactReplay(models.Model):
    """Decisions of one environment decided again with one set's policies exchanged: for a version of a draft, or for a
    release.

    A replay takes those that were made in `[since, until)`, None being the beginning; a shadow those that are made from
    its start until `until`. `last_id` is the last decision of a replay. All up to `planned_to` are done or in a chunk.
    `tally` is `apps.replays.tally.Tally`. `moved_at` is when the last chunk of it was done.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="replays")
    draft_version = models.ForeignKey(DraftVersion, on_delete=models.PROTECT, null=True, related_name="replays")
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="replays")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField()
    state = models.CharField(max_length=10, choices=ReplayState.choices, default=ReplayState.QUEUED)
    total_count = models.PositiveIntegerField(null=True)
    done_count = models.PositiveIntegerField(default=0)
    tally = models.JSONField(default=dict)
    planned_to = models.UUIDField(null=True)
    last_id = models.UUIDField(null=True)
    chunk_size = models.PositiveIntegerField(default=FIRST_CHUNK)
    failure = models.CharField(max_length=300, blank=True)
    asked_by = models.CharField(max_length=160)
    asked_by_name = models.CharField(max_length=160)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="replay_of_one_thing",
                condition=Q(draft_version=None, release__isnull=False) | Q(draft_version__isnull=False, release=None),
            ),
            models.UniqueConstraint(
                fields=["policy_set", "environment", "mode"],
                name="one_replay_at_a_time",
                condition=Q(state__in=["queued", "running"]),
            ),
        ]
        indexes = [
            models.Index(fields=["state"], name="replay_open", condition=Q(state__in=["queued", "running"])),
        ]

    def __str__(self) -> str:
        return f"{self.get_mode_display()} of {self.subject_words} in {self.environment}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_shadow(self) -> bool:
        return self.mode == Mode.SHADOW

    @property
    def subject_words(self) -> str:
        """What was replayed, by name."""
        if self.release is not None:
            return str(self.release)
        number = self.draft_version.number if self.draft_version else 0
        return f"a draft of {self.policy_set} (version {number})"


class ReplayChunk(models.Model):
    """Decisions after one id up to another, for one worker. The row is locked while somebody is at it, so a worker that
    was killed leaves it free; it is removed in the transaction that counts it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    replay = models.ForeignKey(ImpactReplay, on_delete=models.CASCADE, related_name="chunks")
    after = models.UUIDField(null=True)
    up_to = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.replay_id} up to {self.up_to}"


class ReplayedDecision(models.Model):
    """A decision that would be another, or could not be made again. The same ones are only counted.

    `after` is {policies, obligations, errors} of the new verdict. `money_minor` is what the decision was about.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    replay = models.ForeignKey(ImpactReplay, on_delete=models.CASCADE, related_name="rows")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="+", db_index=False)
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="+", db_index=False)
    outcome_before = models.CharField(max_length=20, choices=Outcome.choices)
    outcome_after = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    after = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["replay", "decision"], name="decision_replayed_once")]
        indexes = [models.Index(fields=["replay", "kind", "-decision"], name="replayed_by_kind")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}"

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The policies that would determine it."""
        return list(self.after.get("policies", []))


class Under(models.TextChoices):
    THEN = "then", "The policies that decided then"
    TODAY = "today", "The policies that decide there today"
    SANDBOX = "sandbox", "The policies that decide in the sandbox today"
    DRAFT = "draft", "A draft, beside those that decided then"


class RunReplay(models.Model):
    """The calls of one ended run decided again, in their order, and answered from the record. Nothing is sent.

    All calls up to `done_to` are done. `parted_at` is the position of the first step from which what was recorded does
    not follow any more. `tally` counts steps by kind. `moved_at` is when the last chunk was done.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="replays")
    under = models.CharField(max_length=10, choices=Under.choices, default=Under.THEN)
    draft_version = models.ForeignKey(DraftVersion, on_delete=models.PROTECT, null=True, related_name="run_replays")
    state = models.CharField(max_length=10, choices=ReplayState.choices, default=ReplayState.QUEUED)
    total_count = models.PositiveIntegerField(default=0)
    done_count = models.PositiveIntegerField(default=0)
    done_to = models.UUIDField(null=True)
    parted_at = models.PositiveIntegerField(null=True)
    tally = models.JSONField(default=dict)
    failure = models.CharField(max_length=300, blank=True)
    asked_by = models.CharField(max_length=160)
    asked_by_name = models.CharField(max_length=160)
    asked_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="run_replay_under_a_draft",
                condition=Q(under="draft", draft_version__isnull=False)
                | (~Q(under="draft") & Q(draft_version__isnull=True)),
            ),
            models.UniqueConstraint(
                fields=["run"], name="one_replay_of_a_run_at_a_time", condition=Q(state__in=["queued", "running"])
            ),
        ]
        indexes = [models.Index(fields=["run", "-id"], name="replay_of_run")]

    def __str__(self) -> str:
        return f"Replay of {self.run}"

    @property
    def is_known(self) -> bool:
        """Whether it still goes as it was recorded."""
        return self.parted_at is None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def under_words(self) -> str:
        """Under what it was decided again, by name."""
        if self.draft_version is None:
            return self.get_under_display()
        return f"Version {self.draft_version.number} of a draft, beside the policies that decided then"


class RunReplayStep(models.Model):
    """One call of it. `cause` is a `Kind`; `after` is {policies, obligations, errors} of the new verdict, {} where
    there is none or it is the same.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    replay = models.ForeignKey(RunReplay, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="+", db_index=False)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=StepKind.choices)
    cause = models.CharField(max_length=20, choices=Kind.choices, blank=True)
    outcome_after = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    state_after = models.CharField(max_length=20, blank=True)
    error_after = models.CharField(max_length=80, blank=True)
    after = models.JSONField(default=dict)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["replay", "position"], name="run_replay_step_once")]

    def __str__(self) -> str:
        return f"{self.position}: {self.get_kind_display()}"
