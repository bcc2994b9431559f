"""Who may approve how much, for whom, and by which rules of the process."""

import datetime as dt

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Team, User
from apps.approvals.models.approvals import Approval
from apps.core.ids import uuid7
from apps.registry.models import Process

MONDAY_TO_FRIDAY = 5


def working_week() -> list[int]:
    """Monday (0) to Friday (4)."""
    return list(range(MONDAY_TO_FRIDAY))


class AuthorityLimit(models.Model):
    """One line of a process's delegation of authority: this team, or this person, may approve up to so much in one
    currency. A person's own line counts before those of their teams; of several teams the highest counts. A process
    without lines has no limits; in one with lines, whoever has none in a currency approves nothing in it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="authority_limits")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    person = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    currency = models.CharField(max_length=3)
    limit_minor = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    set_by = models.CharField(max_length=160)
    set_at = models.DateTimeField()
    ended_by = models.CharField(max_length=160, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["process", "team", "person", "currency"],
                name="authority_limit_once",
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="authority_of_team_or_person",
                condition=models.Q(team=None, person__isnull=False) | models.Q(team__isnull=False, person=None),
            ),
            models.CheckConstraint(name="authority_not_negative", condition=models.Q(limit_minor__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.team or self.person}: {self.limit_minor} {self.currency}"


class Delegation(models.Model):
    """`giver` lets `receiver` vote for them: from one day to another, in one process or in all, on one approval or on
    any, up to an amount per currency. It is not passed on.

    `caps` maps a currency to minor units; empty means no cap, and with any cap other currencies are not covered.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    giver = models.ForeignKey(User, on_delete=models.PROTECT, related_name="delegations_given")
    receiver = models.ForeignKey(User, on_delete=models.PROTECT, related_name="delegations_received")
    process = models.ForeignKey(Process, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, null=True, blank=True, related_name="delegations")
    caps = models.JSONField(default=dict)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField()
    ended_by = models.CharField(max_length=160, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["receiver", "ends_at"], name="delegation_receiver")]
        constraints = [
            models.CheckConstraint(name="delegation_to_someone_else", condition=~models.Q(giver=models.F("receiver"))),
            models.CheckConstraint(
                name="delegation_ends_after_start", condition=models.Q(ends_at__gt=models.F("starts_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receiver} for {self.giver}"


class ConsentRules(models.Model):
    """How one process wants to be asked. A process without a row goes by the defaults below.

    `sla_seconds` counts working time: `work_days` (0 is Monday) from `work_starts` to `work_ends` in the process's time
    zone, without the public holidays of `holidays` ("DE", "DE-BY"; empty for none). None: the approval's own expiry is
    the time to decide. `step_up` maps a currency to minor units: above it, approving asks the voter who they are again.
    """

    process = models.OneToOneField(Process, on_delete=models.CASCADE, primary_key=True, related_name="consent_rules")
    sla_seconds = models.PositiveIntegerField(null=True, blank=True)
    work_days = ArrayField(models.PositiveSmallIntegerField(), default=working_week)
    work_starts = models.TimeField(default=dt.time(9))
    work_ends = models.TimeField(default=dt.time(17))
    holidays = models.CharField(max_length=12, blank=True)
    counts_twice = models.BooleanField(
        default=False, help_text="A person's one vote counts in every stage whose team they are in"
    )
    undo_seconds = models.PositiveSmallIntegerField(default=10)
    step_up = models.JSONField(default=dict)
    votes_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many approvals one person may give in an hour; none: no limit"
    )
    second_look_percent = models.DecimalField(max_digits=5, decimal_places=2, default=2)
    second_look_team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="None: the stage's own team"
    )
    changed_by = models.CharField(max_length=160, blank=True)
    changed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Rules of {self.process}"
