"""Halts: rows that people lay over agents' own state."""

import datetime as dt
import hashlib
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.approvals.models import Approval
from apps.core.generations import HALTS, begins_new
from apps.core.ids import uuid7
from apps.registry.models import Agent, Environment


class Scope(models.TextChoices):
    MESH = "mesh", "The whole mesh"
    BUSINESS_UNIT = "business_unit", "Business unit"
    PROCESS = "process", "Process"
    AGENT = "agent", "Agent"
    CONNECTOR = "connector", "Connector"
    TOOL = "tool", "Tool"
    TOOL_AGENT = "tool_agent", "Tool of one agent"
    RUN = "run", "Run"
    COUNTERPARTY = "counterparty", "Counterparty"
    PRINCIPAL = "principal", "Work for a person"


# What a scope is told by: an id, two of them, words, or nothing.
NAMED_BY_ID = (Scope.PROCESS, Scope.AGENT, Scope.CONNECTOR, Scope.TOOL, Scope.RUN, Scope.PRINCIPAL)
NAMED_BY_TEXT = (Scope.BUSINESS_UNIT, Scope.COUNTERPARTY)
# Starting one of these again in production takes two people and goes in steps.
WIDE = (Scope.MESH, Scope.BUSINESS_UNIT, Scope.PROCESS, Scope.CONNECTOR)


class Mode(models.TextChoices):
    DRAIN = "drain", "Drain: nothing new starts, what runs finishes"
    HOLD = "hold", "Hold: no new calls, runs wait"
    STOP = "stop", "Stop: runs end, waiting calls end"


class ReasonCode(models.TextChoices):
    MALFUNCTION = "malfunction", "Suspected malfunction"
    SECURITY = "security", "Security incident"
    WRONG_RESULTS = "wrong_results", "Wrong results"
    SYSTEM_DOWN = "system_down", "A business system is down"
    MAINTENANCE = "maintenance", "Planned maintenance"
    BUDGET = "budget", "A budget is used up"
    DRILL = "drill", "Drill"


# How much of the work starts again so long after the lift began, in percent of the runs.
RAMP: tuple[tuple[dt.timedelta, int], ...] = (
    (dt.timedelta(0), 10),
    (dt.timedelta(minutes=5), 50),
    (dt.timedelta(minutes=10), 100),
)
RAMP_LENGTH = RAMP[-1][0]
BUCKETS = 100


def ramp_bucket(halt_id: UUID, run_id: UUID) -> int:
    """0–99, the same for a run as long as the halt lives. `apps.gateway.covered` says the same in SQL."""
    text = f"{halt_id}:{run_id}"
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) % BUCKETS


class HaltQuerySet(models.QuerySet["Halt"]):
    def in_force(self) -> "HaltQuerySet":
        """Judged by the database's clock, the one clock all nodes share, which each row tells as `seen_at`. A stop
        never expires into running: it goes on as a hold. A ramp that has come to its end holds nothing.
        """
        return self.annotate(read_at=Now()).filter(
            models.Q(mode=Mode.STOP) | models.Q(expires_at__gt=Now()),
            models.Q(ramp_started_at=None) | models.Q(ramp_started_at__gt=Now() - RAMP_LENGTH),
            lifted_at=None,
        )


class Halt(models.Model):
    """A stop that someone placed.

    `scope_id` is the id of the process, agent, connector, tool, run or person; of the tool for a tool of one agent,
    which `scope_agent_id` names. `scope_text` is the business unit, or the counterparty as `<type>:<id>`.
    `scope_process_id` is the process of a run. `executing_calls` are those under way when it was placed, read under the
    lock; `time_to_stop_ms` is from the request's arrival up to the commit. While `ramp_started_at` is set, a growing
    part of the runs is let through.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope_type = models.CharField(max_length=20, choices=Scope.choices)
    scope_id = models.UUIDField(null=True)
    scope_agent_id = models.UUIDField(null=True)
    scope_text = models.CharField(max_length=200, blank=True)
    scope_process_id = models.UUIDField(null=True)
    scope_name = models.CharField(max_length=200)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    reason_code = models.CharField(max_length=20, choices=ReasonCode.choices)
    reason = models.CharField(max_length=500, blank=True)
    placed_by = models.CharField(max_length=160)
    placed_by_name = models.CharField(max_length=200)
    placed_at = models.DateTimeField(db_default=Now())
    executing_calls = ArrayField(models.UUIDField(), default=list)
    last_admitted_at = models.DateTimeField(null=True)
    time_to_stop_ms = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField()
    expiry_told_at = models.DateTimeField(null=True)
    ramp_started_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_by_name = models.CharField(max_length=200, blank=True)
    lift_reason = models.CharField(max_length=500, blank=True)

    objects = HaltQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["environment"], name="halt_in_force", condition=models.Q(lifted_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="halt_scope_is_named",
                condition=models.Q(scope_type=Scope.MESH, scope_id=None, scope_agent_id=None, scope_text="")
                | models.Q(scope_type__in=NAMED_BY_ID, scope_id__isnull=False, scope_agent_id=None, scope_text="")
                | models.Q(scope_type=Scope.TOOL_AGENT, scope_id__isnull=False, scope_agent_id__isnull=False)
                | (models.Q(scope_type__in=NAMED_BY_TEXT, scope_id=None) & ~models.Q(scope_text="")),
            ),
        ]
        triggers = begins_new(HALTS)

    def __str__(self) -> str:
        return f"{self.mode} of {self.scope_name}"

    @property
    def sentence(self) -> str:
        """What an agent may know: how, what and the kind of reason, never the operator's own words."""
        return (
            f"{Mode(self.mode).label.split(':')[0]} on {self.scope_name}: {ReasonCode(self.reason_code).label.lower()}."
        )

    def is_in_force(self, now: dt.datetime) -> bool:
        """What `in_force` says of the row, of one that is not lifted; `now` is the database's."""
        if self.ramp_started_at is not None and self.ramp_started_at + RAMP_LENGTH <= now:
            return False
        return self.mode == Mode.STOP or self.expires_at > now

    def effective_mode(self, now: dt.datetime) -> Mode:
        """A stop past its expiry is a hold."""
        return Mode.HOLD if self.mode == Mode.STOP and self.expires_at <= now else Mode(self.mode)

    @property
    def seen_at(self) -> dt.datetime:
        """The database's clock when `in_force` read the row."""
        moment: dt.datetime = self.__dict__["read_at"]
        return moment

    @property
    def is_wide(self) -> bool:
        """Whether lifting it takes a second person and a ramp."""
        return self.environment == Environment.PRODUCTION and self.scope_type in WIDE

    def ramp_percent(self, at: dt.datetime) -> int:
        """How much of the work it lets through at this moment."""
        if self.ramp_started_at is None:
            return 0
        return max((percent for after, percent in RAMP if at >= self.ramp_started_at + after), default=0)

    def lets_through(self, run_id: UUID | None, at: dt.datetime) -> bool:
        """Whether its ramp has come to this run. What belongs to no run waits for the end of the ramp."""
        percent = self.ramp_percent(at)
        return percent > 0 and run_id is not None and ramp_bucket(self.id, run_id) < percent


class LiftState(models.TextChoices):
    WAITING = "waiting", "Waiting for a second person"
    RAMPING = "ramping", "Starting again in steps"
    DONE = "done", "Lifted"
    REFUSED = "refused", "Not agreed to"
    STOPPED = "stopped", "Stopped on the way"


class LiftRequest(models.Model):
    """One person's wish to lift a wide halt, and what became of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    halt = models.ForeignKey(Halt, on_delete=models.PROTECT, related_name="lift_requests")
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=LiftState.choices, default=LiftState.WAITING)
    requested_by = models.CharField(max_length=160)
    requested_by_name = models.CharField(max_length=200)
    requester = models.UUIDField()
    reason = models.CharField(max_length=500)
    requested_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["halt"], name="one_open_lift_request", condition=models.Q(state__in=["waiting", "ramping"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requested_by_name}: lift {self.halt_id}"


class Condition(models.TextChoices):
    ERROR_RATE = "error_rate", "Share of calls that failed, in percent"
    CONSECUTIVE_FAILURES = "consecutive_failures", "Calls that failed one after the other"
    DENIED_PER_MINUTE = "denied_per_minute", "Calls denied by policy within a minute"
    BUDGET_USED_UP = "budget_used_up", "Use of a budget of it, in percent"


class HaltRule(models.Model):
    """When the product places a halt by itself. A change is a new version; what a version says never changes.

    `window_seconds` is how far back it looks, `least_calls` how many calls an error rate needs to say anything. A dry
    rule writes down what it would have done. `fired_at` is when it last found its condition true.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField()
    version = models.PositiveIntegerField()
    scope_type = models.CharField(max_length=20, choices=Scope.choices)
    scope_id = models.UUIDField()
    scope_name = models.CharField(max_length=200)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    condition = models.CharField(max_length=30, choices=Condition.choices)
    threshold = models.PositiveIntegerField()
    window_seconds = models.PositiveIntegerField()
    least_calls = models.PositiveIntegerField(default=10)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    is_dry = models.BooleanField(default=True)
    made_by = models.CharField(max_length=160)
    made_by_name = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)
    fired_at = models.DateTimeField(null=True)

    # a rule watches a process, an agent or a tool
    scope_agent_id = None
    scope_text = ""
    scope_process_id = None

    class Meta:
        ordering = ["slug", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="halt_rule_version_once"),
            models.UniqueConstraint(fields=["slug"], name="one_current_halt_rule", condition=models.Q(retired_at=None)),
            models.CheckConstraint(
                name="halt_rule_watches_one_thing",
                condition=models.Q(scope_type__in=[Scope.PROCESS, Scope.AGENT, Scope.TOOL]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug}@{self.version}"


class HaltDrill(models.Model):
    """One trial of the stop on a canary agent: planned, carried out, kept as evidence.

    `got_through_count` is how many calls in the scope became executing after the halt had answered, which must be none;
    `turned_away_count` how many tried, without which the trial shows little.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    planned_for = models.DateTimeField()
    every_days = models.PositiveSmallIntegerField(default=0, help_text="0: once")
    scheduled_by = models.CharField(max_length=160)
    scheduled_by_name = models.CharField(max_length=200)
    scheduled_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    halt = models.OneToOneField(Halt, on_delete=models.PROTECT, null=True, related_name="drill")
    time_to_stop_ms = models.PositiveIntegerField(null=True)
    turned_away_count = models.PositiveIntegerField(null=True)
    got_through_count = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["planned_for"],
                name="halt_drill_open",
                condition=models.Q(finished_at=None, cancelled_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"Drill on {self.agent}"

    @property
    def is_planned(self) -> bool:
        return self.halt_id is None and self.cancelled_at is None

    @property
    def outcome(self) -> str:
        if self.cancelled_at is not None:
            return "Cancelled"
        if self.finished_at is None:
            return "Under way" if self.halt_id else "Planned"
        if self.got_through_count:
            return "Failed: a call got through"
        return "Held" if self.turned_away_count else "Held, but no call came"
