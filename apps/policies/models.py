"""Policy sets, their immutable releases, and which release is active where."""

import datetime as dt

import pgtrigger
from django.db import models
from django.db.models import Q

from apps.accounts.models import User
from apps.approvals.models import Approval
from apps.core.generations import CONFIGURATION, begins_new
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.registry.models import Agent, Environment, Process, Tool

GLOBAL_SET = "global"


class PolicySet(models.Model):
    """`global`, or the set of one process. A forbid in any of them wins."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    process = models.OneToOneField(Process, on_delete=models.PROTECT, null=True, related_name="policy_set")

    def __str__(self) -> str:
        return self.slug


class PolicyRelease(models.Model):
    """Text and parameters that decided, or may decide, calls. Never changed, never removed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="releases")
    version = models.PositiveIntegerField()
    text = models.TextField()
    parameters = models.JSONField(default=dict)
    cases = models.JSONField(default=list, help_text="The test cases it was released with")
    schema_hash = models.CharField(max_length=64)
    content_hash = models.CharField(max_length=64)
    source = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="+", help_text="What it brings back, after a rollback"
    )
    message = models.CharField(max_length=300, blank=True)
    released_by = models.CharField(max_length=160)
    released_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_set", "version"], name="release_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.policy_set}@{self.version}"


class InFlight(models.TextChoices):
    """What becomes of calls that wait for people when a release takes the place of the one they were decided under."""

    RECHECK = "recheck", "Decided again under this release"
    KEEP = "keep", "Released under the policies they were approved under"


class ActiveRelease(models.Model):
    """The pointer: this release decides this set's calls in this environment."""

    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="active_releases")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    activated_by = models.CharField(max_length=160)
    in_flight = models.CharField(max_length=10, choices=InFlight.choices, default=InFlight.RECHECK)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_set", "environment"], name="active_release_once")]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.release} in {self.environment}"


class UnreadableRelease(models.Model):
    """What decides there cannot be read, and somebody noticed. Gone as soon as something readable decides."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="unreadable")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=500)
    noticed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_set", "environment"], name="unreadable_once")]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.release} in {self.environment}"


class PointerMove(models.Model):
    """One move of a pointer: from then on the release decided there, until the next move. Never changed or removed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="moves")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, related_name="moves")
    before = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="+")
    moved_at = models.DateTimeField()
    moved_by = models.CharField(max_length=160)
    moved_by_name = models.CharField(max_length=200)
    message = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.environment} → {self.release}"


class DraftState(models.TextChoices):
    OPEN = "open", "Draft"
    IN_REVIEW = "in_review", "In review"
    RELEASED = "released", "Released"
    DISCARDED = "discarded", "Discarded"


class PolicyDraft(models.Model):
    """What somebody wants a set to become. `version` counts its saves; each save names the one it began from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="drafts")
    base = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="drafts")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    message = models.CharField(max_length=300, blank=True)
    version = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=DraftState.choices, default=DraftState.OPEN)
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message or f"A draft of {self.policy_set}"

    @property
    def is_open(self) -> bool:
        return self.state == DraftState.OPEN


class DraftVersion(models.Model):
    """A draft as one save left it: the draft's content, and who had a hand in it. Never changed, never removed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    draft = models.ForeignKey(PolicyDraft, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    parameters = models.JSONField(default=dict)
    cases = models.JSONField(default=list)
    edited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["draft", "number"], name="draft_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.draft} ({self.number})"


class RequestKind(models.TextChoices):
    RELEASE = "release", "Release"
    PROMOTION = "promotion", "Promotion"
    ROLLBACK = "rollback", "Rollback"


class RequestState(models.TextChoices):
    WAITING = "waiting", "In review"
    SCHEDULED = "scheduled", "Scheduled"
    DONE = "done", "Released"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


# What was asked for and has not come to its end.
UNDER_WAY = (RequestState.WAITING, RequestState.SCHEDULED)


class ReleaseRequest(models.Model):
    """Somebody wants this content to decide a set's calls in an environment, and a second person is asked.

    A release takes its content from `draft_version`; a promotion moves the pointer to `source`; a rollback releases the
    content of `source` again. `replaces` is what decided there when it was asked for: what was reviewed is the way from
    there to here. With `release_at` it decides from then on, not from the answer.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=10, choices=RequestKind.choices)
    environment = models.CharField(max_length=20, choices=Environment.choices)
    draft_version = models.ForeignKey(DraftVersion, on_delete=models.PROTECT, null=True, related_name="requests")
    source = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="+")
    replaces = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="+")
    in_flight = models.CharField(max_length=10, choices=InFlight.choices, default=InFlight.RECHECK)
    schema_hash = models.CharField(max_length=64)
    message = models.CharField(max_length=300, blank=True)
    requester = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    release_at = models.DateTimeField(null=True)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.WAITING)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, null=True, related_name="requests")
    refusal = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy_set", "environment"],
                condition=Q(state__in=["waiting", "scheduled"]),
                name="one_release_in_review",
            )
        ]
        indexes = [models.Index(fields=["release_at"], condition=Q(state="scheduled"), name="release_scheduled")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.policy_set} to {self.environment}"


class EmergencyState(models.TextChoices):
    OPEN = "open", "To be reviewed"
    OVERDUE = "overdue", "Review overdue"
    AGREED = "agreed", "Agreed to afterwards"
    REJECTED = "rejected", "Rejected afterwards"


class EmergencyRelease(models.Model):
    """One person changed alone what decides; a second person says by `due_at` whether that was right. The request says
    who, what, where and why, and its approval is the one that is asked for afterwards.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.OneToOneField(ReleaseRequest, on_delete=models.PROTECT, related_name="emergency")
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=EmergencyState.choices, default=EmergencyState.OPEN)
    answered_at = models.DateTimeField(null=True)
    taken_back = models.OneToOneField(
        ReleaseRequest, on_delete=models.PROTECT, null=True, related_name="takes_back", help_text="What undid it"
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=~Q(state="agreed"), name="emergency_not_agreed"),
        ]
        # every page says which are not settled
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"Emergency release of {self.request.policy_set} to {self.request.environment}"

    @property
    def waits(self) -> bool:
        """Whether a second person has still to say something."""
        return self.state in (EmergencyState.OPEN, EmergencyState.OVERDUE)


class ExceptionState(models.TextChoices):
    WAITING = "waiting", "In review"
    ACTIVE = "active", "In force"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"


# The longest that one may hold, counted from when it was asked for.
LONGEST_EXCEPTION = dt.timedelta(days=7)


class PolicyException(models.Model):
    """For a time, rules of a release do not hold up an agent and a tool: named permits ask nobody, named forbids are
    not looked at. It is to this very content of the set, agreed to by a second person, and ends by itself.

    `agent` None stands for every agent of the process; `cap_minor` None for any amount. `ended_at` is when somebody, or
    its time, ended it; what is past `expires_at` holds no more whatever the state says.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, related_name="exceptions")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    rules = models.JSONField(help_text="The ids of the rules it lifts")
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, related_name="+")
    tool = models.ForeignKey(Tool, on_delete=models.PROTECT, related_name="+")
    cap_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    reason = models.CharField(max_length=300)
    requester = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=ExceptionState.choices, default=ExceptionState.WAITING)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=160, blank=True)
    ended_by_name = models.CharField(max_length=200, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="exception_at_most_a_week",
                condition=Q(expires_at__lte=models.F("requested_at") + LONGEST_EXCEPTION),
            ),
            models.CheckConstraint(
                name="exception_cap_in_a_currency",
                condition=Q(cap_minor=None, currency="") | (Q(cap_minor__gt=0) & ~Q(currency="")),
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state__in=["waiting", "active"]), name="exception_open")
        ]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"Exception to {', '.join(self.rules)} of {self.release.policy_set.slug}"

    @property
    def cap(self) -> Money | None:
        return Money(self.cap_minor, self.currency) if self.cap_minor is not None else None
