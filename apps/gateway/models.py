"""Tool calls, the decisions on them, what people found out about them, and how they are undone."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from apps.accounts.models import User
from apps.approvals.models import Approval
from apps.core.ids import uuid7
from apps.policies.models import PolicyException
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


# In which a call has had an effect, may have had one or may still have one.
EFFECTIVE_STATES = (
    CallState.AWAITING_APPROVAL,
    CallState.QUEUED,
    CallState.EXECUTING,
    CallState.SUCCEEDED,
    CallState.OUTCOME_UNKNOWN,
    CallState.COMPENSATED,
)
OPEN_STATES = (CallState.AWAITING_APPROVAL, CallState.QUEUED, CallState.EXECUTING)


class Outcome(models.TextChoices):
    ALLOW = "allow", "Allowed"
    DENY = "deny", "Denied"
    REQUIRE_APPROVAL = "require_approval", "Needs approval"


class ToolCall(models.Model):
    """One requested action. Its row is the only truth about it; every step claims it by conditional update.

    `holds_key` is False for calls that were turned away at the door (a halt, a budget, a system that does not answer):
    the agent may try again under the same key. `deadline_at` of an executing call is when the recovery job may look at
    it; of one whose outcome is unknown, when the system may be asked about it once more, None when nobody wants that.
    Request, digests, money, entity and approval are those of the current `version`; a call that was changed has a row
    for each in `versions`.
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
    holds_budget = models.BooleanField(default=False, help_text="Some budget has a reservation for it, or had one")
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
    # where in the agent's own trace it was asked for: what its `traceparent` said
    trace_id = models.UUIDField(null=True)
    trace_span_id = models.BigIntegerField(null=True)
    requested_at = models.DateTimeField()
    queued_at = models.DateTimeField(null=True, help_text="Since when it waits for its system")
    executing_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # the finding of a person that ended a call whose outcome nobody knew
    resolution = models.OneToOneField("Resolution", on_delete=models.PROTECT, null=True, related_name="+")
    # what this call undoes
    compensates = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="compensations")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "tool", "idempotency_key"], name="one_call_per_key", condition=models.Q(holds_key=True)
            ),
            # what ended without an effect leaves room for another try
            models.UniqueConstraint(
                fields=["compensates"],
                name="compensated_once",
                condition=models.Q(
                    state__in=[
                        "awaiting_approval",
                        "queued",
                        "executing",
                        "succeeded",
                        "outcome_unknown",
                        "compensated",
                    ]
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["deadline_at"], name="call_overdue", condition=models.Q(state="executing")),
            models.Index(fields=["process", "id"], name="call_unknown", condition=models.Q(state="outcome_unknown")),
            models.Index(fields=["process", "-id"], name="call_process"),
            # for "last call admitted": tiny, and written once per block of the table
            BrinIndex(fields=["executing_at"], name="call_executing_at", autosummarize=True),
            models.Index(fields=["run", "id"], name="call_run"),
            models.Index(fields=["entity_type", "entity_id"], name="call_entity"),
            models.Index(fields=["trace_id"], name="call_trace", condition=models.Q(trace_id__isnull=False)),
            models.Index(
                fields=["agent", "tool", "-id"],
                name="call_precedents",
                condition=models.Q(approval__isnull=False, finished_at__isnull=False),
            ),
            models.Index(
                fields=["tool", "environment", "id"],
                name="call_waits_for_system",
                condition=models.Q(state="queued", queued_at__isnull=False),
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
        # for replays of a window: tiny, and written once per block of the table
        indexes = [BrinIndex(fields=["decided_at"], name="decision_decided_at", autosummarize=True)]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.outcome


class ExceptionUse(models.Model):
    """One decision in which an exception to policy took part. Never changed, never removed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    exception = models.ForeignKey(PolicyException, on_delete=models.PROTECT, related_name="uses")
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="+")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    used_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["exception", "-id"], name="use_of_exception")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.exception_id} in {self.decision_id}"


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


class Finding(models.TextChoices):
    """What a person found out about a call whose outcome nobody knew."""

    HAPPENED = "happened", "It happened"
    DID_NOT_HAPPEN = "did_not_happen", "It did not happen"
    STILL_UNKNOWN = "still_unknown", "Still unknown"


class Resolution(models.Model):
    """One person's finding about a call whose outcome is unknown, with the evidence for it.

    Only one ends the call; those that are `still_unknown` leave it as it is, and have the system asked once more where
    the tool has a lookup. `words` are payload; `reference`, `link` and `sha256` say where the evidence is.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tool_call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="resolutions")
    finding = models.CharField(max_length=20, choices=Finding.choices)
    reference = models.CharField(max_length=200, blank=True)
    words = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    link = models.URLField(max_length=500, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    made_by = models.CharField(max_length=160)
    made_by_name = models.CharField(max_length=160)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tool_call"], name="resolved_once", condition=~models.Q(finding="still_unknown")
            )
        ]
        indexes = [models.Index(fields=["tool_call", "id"], name="resolution_of_call")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_finding_display()} ({self.made_by_name})"


class UnwindState(models.TextChoices):
    RUNNING = "running", "Under way"
    DONE = "done", "Done"
    STOPPED = "stopped", "Stopped"


class Unwind(models.Model):
    """Undoing what a run did, step by step, the last one first. One at a time for each run; whoever asks for it while
    it is under way joins it. It stops at the first step that fails; asked for again, what is left is tried.

    `people` are all who asked for it, and so approve none of its steps (I5). `own_run` is where its calls are made.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="unwinds")
    own_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=UnwindState.choices, default=UnwindState.RUNNING)
    sentence = models.CharField(max_length=500, blank=True, help_text="Why it stopped")
    started_by = models.CharField(max_length=160)
    started_by_name = models.CharField(max_length=160)
    person = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    people = ArrayField(models.UUIDField(), default=list)
    started_at = models.DateTimeField()
    looked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run"], name="one_unwind_at_a_time", condition=models.Q(state="running"))
        ]
        indexes = [models.Index(fields=["looked_at"], name="unwind_running", condition=models.Q(state="running"))]

    def __str__(self) -> str:
        return f"Undoing {self.run}"


class UnwindStepState(models.TextChoices):
    PENDING = "pending", "Waiting"
    UNDER_WAY = "under_way", "Under way"
    UNDONE = "undone", "Undone"
    LEFT = "left", "Left as it is"
    FAILED = "failed", "Failed"


class UnwindStep(models.Model):
    """One call of the run, in the order in which they are undone, as the preview showed it. `LEFT`: it cannot be
    undone, and `sentence` says why.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    unwind = models.ForeignKey(Unwind, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    call = models.ForeignKey(ToolCall, on_delete=models.PROTECT, related_name="+")
    compensation = models.ForeignKey(ToolCall, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=UnwindStepState.choices, default=UnwindStepState.PENDING)
    sentence = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["unwind", "position"], name="unwind_step_once")]

    def __str__(self) -> str:
        return f"{self.position}: {self.call}"
