"""Budgets, the ledger of what is reserved and settled under them, and runs that were held for going in circles."""

from django.db import models
from django.db.models.functions import Now

from apps.core.generations import BUDGETS, begins_new
from apps.core.ids import uuid7
from apps.core.money import format_money
from apps.registry.models import Environment


class Scope(models.TextChoices):
    AGENT = "agent", "Agent"
    PROCESS = "process", "Process"
    TEAM = "team", "Team"
    BUSINESS_UNIT = "business_unit", "Business unit"
    MESH = "mesh", "The whole mesh"


class Measure(models.TextChoices):
    MONEY = "money", "Money moved"
    MODEL_COST = "model_cost", "Model cost"
    TOKENS = "tokens", "Tokens"
    CALLS = "calls", "Calls"
    STEPS = "steps", "Steps of a run"
    REPEATS = "repeats", "The same call again in a run"


class Window(models.TextChoices):
    HOUR = "hour", "an hour"
    DAY = "day", "a day"
    WEEK = "week", "a week"
    MONTH = "month", "a month"
    RUN = "run", "a run"
    TOTAL = "total", "in total"


# What is counted in a currency; what only a report tells, after it was used; what only makes sense within a run.
IN_MONEY = (Measure.MONEY, Measure.MODEL_COST)
REPORTED = (Measure.MODEL_COST, Measure.TOKENS)
OF_A_RUN = (Measure.STEPS, Measure.REPEATS)
# Locks are taken from the narrow to the wide, so that the row everybody shares is held for the shortest time.
BREADTH = {scope: rank for rank, scope in enumerate(Scope.values)}


class Budget(models.Model):
    """A cap that someone set. `scope_id` is the id of the agent, process or team, the slug of the business unit, and
    empty for the mesh.

    The cap is the one column that changes while it is in force; what it was is in the audit log, and the ledger goes
    on. `estimate` stands for what a report leaves unknown. `time_zone` says when a day begins.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope_type = models.CharField(max_length=20, choices=Scope.choices)
    scope_id = models.CharField(max_length=60, blank=True)
    scope_name = models.CharField(max_length=120)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    measure = models.CharField(max_length=20, choices=Measure.choices)
    currency = models.CharField(max_length=3, blank=True)
    window = models.CharField(max_length=10, choices=Window.choices)
    cap = models.BigIntegerField()
    estimate = models.BigIntegerField(null=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    set_by = models.CharField(max_length=160)
    set_by_name = models.CharField(max_length=200)
    set_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=160, blank=True)
    ended_by_name = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        triggers = begins_new(BUDGETS)
        constraints = [
            models.UniqueConstraint(
                fields=["scope_type", "scope_id", "environment", "measure", "currency", "window"],
                name="budget_once",
                condition=models.Q(ended_at=None),
            ),
            models.CheckConstraint(
                name="budget_scope_is_named",
                condition=models.Q(scope_type=Scope.MESH, scope_id="")
                | (~models.Q(scope_type=Scope.MESH) & ~models.Q(scope_id="")),
            ),
            models.CheckConstraint(
                name="budget_currency_fits",
                condition=models.Q(measure__in=["money", "model_cost"]) & ~models.Q(currency="")
                | ~models.Q(measure__in=["money", "model_cost"]) & models.Q(currency=""),
            ),
            models.CheckConstraint(name="budget_cap_is_none_or_more", condition=models.Q(cap__gte=0)),
            models.CheckConstraint(
                name="budget_estimate_is_more_than_none",
                condition=models.Q(estimate__gt=0)
                | models.Q(estimate=None) & ~models.Q(measure__in=["model_cost", "tokens"]),
            ),
            models.CheckConstraint(
                name="budget_of_a_run",
                condition=~models.Q(measure__in=["steps", "repeats"]) | models.Q(window=Window.RUN),
            ),
        ]
        indexes = [
            models.Index(fields=["environment", "scope_id"], name="budget_in_force", condition=models.Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.shown(self.cap)} {self.get_window_display()} for {self.scope_name}"

    def shown(self, amount: int) -> str:
        """An amount of what is counted, as people read it."""
        if self.currency:
            return format_money(amount, self.currency)
        word = {"tokens": "token", "calls": "call", "steps": "step", "repeats": "repeat"}[self.measure]
        return f"{amount:,} {word}" if amount == 1 else f"{amount:,} {word}s"

    @property
    def is_in_force(self) -> bool:
        return self.ended_at is None


class BudgetPeriod(models.Model):
    """The counter of one budget in one period: the one row that every call under it changes.

    A call is let in only while settled + reserved + overrun + its amount ≤ `cap`. `ceiling` is the cap, or what stood
    here when the cap was lowered below it, and the database holds that nothing grows beyond. `overrun` is what was
    reported beyond the cap after it had been used.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="periods")
    key = models.CharField(max_length=40)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    run_id = models.UUIDField(null=True)
    cap = models.BigIntegerField()
    ceiling = models.BigIntegerField()
    settled = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    overrun = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "key"], name="budget_period_once"),
            models.CheckConstraint(
                name="budget_never_overspent",
                condition=models.Q(settled__gte=0, reserved__gte=0, overrun__gte=0)
                & models.Q(ceiling__gte=models.F("settled") + models.F("reserved")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def used(self) -> int:
        return self.settled + self.reserved + self.overrun

    @property
    def left(self) -> int:
        return max(self.cap - self.used, 0)


class ReservationState(models.TextChoices):
    RESERVED = "reserved", "Reserved"
    SETTLED = "settled", "Settled"
    RELEASED = "released", "Released"


class Source(models.TextChoices):
    TOOL_CALL = "tool_call", "Tool call"
    USAGE = "usage", "Reported use"


class Reservation(models.Model):
    """What one tool call, or one report of use, takes of one budget. The sums of these rows are the period's counters.

    `settled_amount` is what it came to. The call stands above this floor, so its id is a plain value.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="reservations")
    period = models.ForeignKey(BudgetPeriod, on_delete=models.PROTECT, related_name="reservations")
    source_type = models.CharField(max_length=10, choices=Source.choices, default=Source.TOOL_CALL)
    source_id = models.UUIDField()
    amount = models.BigIntegerField()
    settled_amount = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, choices=ReservationState.choices)
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source_id", "budget"], name="reservation_once"),
            models.CheckConstraint(name="reservation_is_none_or_more", condition=models.Q(amount__gte=0)),
            models.CheckConstraint(
                name="reservation_settled_amount",
                condition=models.Q(state="settled", settled_amount__gte=0)
                | (~models.Q(state="settled") & models.Q(settled_amount=None)),
            ),
        ]
        indexes = [models.Index(fields=["period", "state", "-id"], name="reservation_period")]

    def __str__(self) -> str:
        return f"{self.state} {self.amount}"


class BudgetAlert(models.Model):
    """A share of a budget that was reached, once in each period."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="alerts")
    percent = models.PositiveSmallIntegerField()
    reached_at = models.DateTimeField()

    class Meta:
        ordering = ["percent"]
        constraints = [models.UniqueConstraint(fields=["period", "percent"], name="budget_alert_once")]

    def __str__(self) -> str:
        return f"{self.percent} %"


class Usage(models.Model):
    """What an agent reports of one model call. A cost or a count of tokens that is not known is None, never zero."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent_id = models.UUIDField()
    key = models.CharField(max_length=200)
    run_id = models.UUIDField(null=True)
    model = models.CharField(max_length=120, blank=True)
    tokens = models.BigIntegerField(null=True)
    cost_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent_id", "key"], name="usage_once")]
        indexes = [models.Index(fields=["run_id"], name="usage_run", condition=models.Q(run_id__isnull=False))]

    def __str__(self) -> str:
        return f"{self.model} {self.key}"


class RunHold(models.Model):
    """A run that asked for the same thing too often, held until a person lets it go on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run_id = models.UUIDField()
    process_id = models.UUIDField()
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="holds")
    tool_name = models.CharField(max_length=120)
    agent_name = models.CharField(max_length=120)
    count = models.PositiveIntegerField()
    held_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=160, blank=True)
    released_by_name = models.CharField(max_length=200, blank=True)
    release_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run_id"], name="run_held_once", condition=models.Q(released_at=None)),
        ]
        indexes = [models.Index(fields=["process_id", "-id"], name="run_hold_process")]

    def __str__(self) -> str:
        return f"{self.tool_name} × {self.count}"


class RateScope(models.TextChoices):
    AGENT = "agent", "Agent"
    TOOL = "tool", "Tool"
    PROCESS = "process", "Process"


class Rate(models.Model):
    """How often calls may come: a bucket of `capacity` calls that fills by `refill_per_second`. The row is the bucket,
    so that all nodes draw from one.

    `is_admitted` is the answer to the last draw, `refused_count` how many were refused since it was set.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope_type = models.CharField(max_length=10, choices=RateScope.choices)
    scope_id = models.UUIDField()
    scope_name = models.CharField(max_length=120)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    capacity = models.PositiveIntegerField()
    refill_per_second = models.FloatField()
    level = models.FloatField()
    filled_at = models.DateTimeField(db_default=Now())
    is_admitted = models.BooleanField(default=True)
    refused_count = models.BigIntegerField(default=0)
    refused_at = models.DateTimeField(null=True)
    set_by = models.CharField(max_length=160)
    set_by_name = models.CharField(max_length=200)
    set_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by_name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope_type", "scope_id", "environment"], name="rate_once", condition=models.Q(ended_at=None)
            ),
            models.CheckConstraint(
                name="rate_lets_something_through",
                condition=models.Q(capacity__gte=1, refill_per_second__gt=0, level__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.refill_per_second:g} calls a second for {self.scope_name}"
