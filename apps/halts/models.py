"""Halts: rows that people lay over agents' own state."""

import datetime as dt

from django.db import models
from django.db.models.functions import Now

from apps.core.generations import HALTS, begins_new
from apps.core.ids import uuid7
from apps.registry.models import Environment


class Scope(models.TextChoices):
    MESH = "mesh", "The whole mesh"
    PROCESS = "process", "Process"
    AGENT = "agent", "Agent"
    TOOL = "tool", "Tool"


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
    DRILL = "drill", "Drill"


class HaltQuerySet(models.QuerySet["Halt"]):
    def in_force(self) -> "HaltQuerySet":
        """Judged by the database's clock, the one clock all nodes share. A stop never expires into running: it goes on
        as a hold.
        """
        return self.filter(lifted_at=None).filter(models.Q(mode=Mode.STOP) | models.Q(expires_at__gt=Now()))


class Halt(models.Model):
    """A stop that someone placed. `scope_id` is the id of the process, agent or tool; empty for the mesh."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope_type = models.CharField(max_length=20, choices=Scope.choices)
    scope_id = models.UUIDField(null=True)
    scope_name = models.CharField(max_length=120)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    reason_code = models.CharField(max_length=20, choices=ReasonCode.choices)
    reason = models.CharField(max_length=500, blank=True)
    placed_by = models.CharField(max_length=160)
    placed_by_name = models.CharField(max_length=200)
    placed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_by_name = models.CharField(max_length=200, blank=True)
    lift_reason = models.CharField(max_length=500, blank=True)

    objects = HaltQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["environment"], name="halt_in_force", condition=models.Q(lifted_at=None))]
        constraints = [
            models.CheckConstraint(
                name="halt_scope_is_named",
                condition=models.Q(scope_type=Scope.MESH, scope_id=None)
                | (~models.Q(scope_type=Scope.MESH) & models.Q(scope_id__isnull=False)),
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
        return self.mode == Mode.STOP or self.expires_at > now

    def effective_mode(self, now: dt.datetime) -> Mode:
        """A stop past its expiry is a hold."""
        return Mode.HOLD if self.mode == Mode.STOP and self.expires_at <= now else Mode(self.mode)
