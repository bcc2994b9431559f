"""What people are told, mostly about approvals, where, and what became of each message."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Team, User
from apps.approvals.models import Approval
from apps.core.ids import uuid7
from apps.gateway.models import ToolCall

MORNING = 9


class ChannelKind(models.TextChoices):
    IN_APP = "in_app", "In the console"
    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    WEBHOOK = "webhook", "Webhook"


class Allows(models.TextChoices):
    """How much a channel may carry: that something waits and a link to it, or what is asked as well, with its amount.
    Nothing else is carried by any.
    """

    LINK = "link", "A link"
    SUMMARY = "summary", "A summary"


class NewsKind(models.TextChoices):
    """What a person hears of. The last two are nobody's choice, and stand in the console alone."""

    OPENED = "opened", "Waits for my team"
    DELEGATED = "delegated", "Delegated to me"
    HALF = "half", "Half of the time is gone"
    SOON = "soon", "Due soon"
    OVERDUE = "overdue", "Overdue"
    ESCALATED = "escalated", "Escalated to my team"
    RESOLVED = "resolved", "Resolved, and I voted"
    CHANGES = "changes", "Changes asked for, and I voted"
    UNKNOWN = "unknown", "Outcome unknown"
    STALE = "stale", "Outcome unknown for too long"
    BUDGET = "budget", "A budget is nearly used up"
    SPENT = "spent", "A budget is used up"
    HELD = "held", "A run is held"
    DOWN = "down", "A system does not answer"
    BACK = "back", "A system answers again"
    HALTED = "halted", "A halt was placed"
    OVERTIME = "overtime", "A run is out of time"
    BROKEN = "broken", "Policies cannot be read"
    UNGOVERNED = "ungoverned", "An agent acted outside the mesh"
    LIFTED = "lifted", "A halt was lifted, or its time ran out"
    ALONE = "alone", "Policies were released alone in an emergency"
    REFUSED = "refused", "An emergency release was rejected, or not reviewed in time"
    TEST = "test", "Test message"
    FAILED = "failed", "A message was given up"


class Mode(models.TextChoices):
    NOW = "now", "At once"
    DIGEST = "digest", "Digest"
    NEVER = "never", "Never"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed, will be tried again"
    GIVEN_UP = "given_up", "Given up"
    DROPPED = "dropped", "No longer news"


# What may still be sent.
OPEN_STATES = (DeliveryState.WAITING, DeliveryState.FAILED)


class Channel(models.Model):
    """A way to one person, or to one team's room. `address` is sealed by the vault and shown to nobody again; `name`,
    or the `host` of the address, is what people know it by.

    Until a test message has arrived (`verified_at`) it gets nothing else. After a failure nothing is tried on it before
    `retry_at`; `failed_count` counts failures in a row. The row of kind `in_app` only carries preferences.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="channels")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="channels")
    kind = models.CharField(max_length=10, choices=ChannelKind.choices)
    name = models.CharField(max_length=60, blank=True)
    host = models.CharField(max_length=255, blank=True)
    address = models.TextField(blank=True)
    allows = models.CharField(max_length=10, choices=Allows.choices, default=Allows.LINK)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True, help_text="Since when a person has it switched off")
    failed_count = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    last_sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="channel_of_person_or_team",
                condition=models.Q(team=None, person__isnull=False) | models.Q(team__isnull=False, person=None),
            ),
            models.CheckConstraint(
                name="channel_of_team_is_a_room",
                condition=models.Q(team=None) | ~models.Q(kind__in=["in_app", "email"]),
            ),
            models.UniqueConstraint(
                fields=["person", "kind"], name="channel_once", condition=models.Q(kind__in=["in_app", "email"])
            ),
        ]

    def __str__(self) -> str:
        known_by = self.name or self.host
        return f"{self.get_kind_display()} ({known_by})" if known_by else self.get_kind_display()


class Preference(models.Model):
    """How one channel hears of one kind of news, where that is not the default."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="preferences")
    kind = models.CharField(max_length=10, choices=NewsKind.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "kind"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.channel}, {self.kind}: {self.mode}"


def one_in_the_morning() -> list[int]:
    return [MORNING]


class Rhythm(models.Model):
    """When a person wants to be told, in their own time zone. Without a row: at any time, with a digest at nine."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="rhythm")
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    escalations_break_quiet = models.BooleanField(default=False)
    digest_hours = ArrayField(models.PositiveSmallIntegerField(), default=one_in_the_morning)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="quiet_has_both_ends",
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"Rhythm of {self.person}"


class News(models.Model):
    """Something happened that people may want to hear of. `key` names the event, so that hearing of it twice tells
    once; `data` holds ids and codes. Until `spread_at` nobody was told.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=160, unique=True)
    kind = models.CharField(max_length=10, choices=NewsKind.choices)
    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, null=True, related_name="+")
    tool_call = models.ForeignKey(ToolCall, on_delete=models.CASCADE, null=True, related_name="+")
    data = models.JSONField(default=dict)
    happened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    spread_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="news_due", condition=models.Q(spread_at=None)),
            models.Index(fields=["happened_at"], name="news_age"),
        ]

    def __str__(self) -> str:
        return self.key


class Notice(models.Model):
    """One piece of news in one person's list. What it says is made when it is read, from what they may see then."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    news = models.ForeignKey(News, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=10, choices=NewsKind.choices)
    made_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "news"], name="notice_once")]
        indexes = [
            models.Index(fields=["person", "-id"], name="notice_of_person"),
            models.Index(fields=["person"], name="notice_unseen", condition=models.Q(seen_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.person}"


class Delivery(models.Model):
    """One piece of news on its way through one channel. The words are made when it is sent and kept nowhere.

    `attempt_count` counts attempts begun: whoever claims it counts it up and moves `due_at` on, so that a sender that
    dies leaves it to the next.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    news = models.ForeignKey(News, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=NewsKind.choices)
    is_digest = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempt_count = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    last_error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["news", "channel", "person"], name="delivery_once", nulls_distinct=False)
        ]
        indexes = [
            models.Index(
                fields=["channel", "due_at"],
                name="delivery_due",
                condition=models.Q(state__in=["waiting", "failed"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} through {self.channel}"
