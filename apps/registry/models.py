"""What the mesh knows of the business: processes, the agents that work in them, and the tools those may be granted."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from apps.accounts.models import Team, User
from apps.core.generations import CONFIGURATION, begins_new
from apps.core.ids import uuid7
from apps.registry.permissions import PERMISSIONS


class Environment(models.TextChoices):
    SANDBOX = "sandbox", "Sandbox"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class Effect(models.TextChoices):
    READ = "read", "Read"
    WRITE = "write", "Write"


class WhenDown(models.TextChoices):
    """What a call does whose system does not answer."""

    QUEUE = "queue", "Wait for it, in order"
    FAIL = "fail", "Fail at once"


class Process(models.Model):
    """A business process with an owner team, an on-call team and currencies."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    business_unit = models.SlugField(blank=True)
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="owned_processes")
    oncall_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="oncall_processes")
    time_zone = models.CharField(max_length=60, default="UTC")
    currencies = ArrayField(models.CharField(max_length=3), default=list)
    run_time_budget_seconds = models.PositiveIntegerField(null=True, help_text="How long a run may take")

    class Meta:
        permissions = PERMISSIONS
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return self.name


class ProcessUserPermission(UserObjectPermissionBase):
    """guardian's rows with a real foreign key: 40 % faster than the generic ones and they fall with their process."""

    content_object = models.ForeignKey(Process, on_delete=models.CASCADE)


class ProcessGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Process, on_delete=models.CASCADE)


class RoleAssignment(models.Model):
    """A role a person holds in a process, or in the whole mesh where `process` is empty. Permissions are derived from
    it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=40)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, null=True, blank=True, related_name="roles")
    given_by = models.CharField(max_length=160)
    given_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "process"], name="role_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.process or 'the mesh'}"


class Agent(models.Model):
    """A non-human identity, bound to one process and one environment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="agents")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="owned_agents")
    built_by = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="built_agents")

    class Meta:
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return self.name


class AgentCredential(models.Model):
    """A client id and the digest of its secret. Whoever made it knows the secret and counts as the agent when votes
    are cast (I5).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="credentials")
    client_id = models.CharField(max_length=60, unique=True)
    secret_digest = models.CharField(max_length=64)
    made_by = models.CharField(max_length=160)
    made_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return self.client_id

    @property
    def maker_id(self) -> UUID | None:
        """The person who made it, and so could have been the agent; None for commands and the product itself."""
        kind, _, key = self.made_by.partition(":")
        return UUID(key) if kind == "person" else None


class Connector(models.Model):
    """How to reach one business system; where and with which secret is per environment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, default="http")

    class Meta:
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return self.name


class ConnectorEndpoint(models.Model):
    """A connector in one environment. `secret` is sealed by the vault: encrypted, or a reference."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="endpoints")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    base_url = models.URLField(max_length=300)
    auth_type = models.CharField(
        max_length=20,
        default="none",
        choices=[("none", "None"), ("bearer", "Bearer"), ("basic", "Basic"), ("header", "Header")],
    )
    auth_name = models.CharField(max_length=80, blank=True)
    secret = models.TextField(blank=True)
    timeout_seconds = models.FloatField(default=10)
    allow_private_addresses = models.BooleanField(default=False)
    breaker = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connector", "environment"], name="endpoint_once")]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.connector} in {self.environment}"


class Tool(models.Model):
    """One narrow, typed action on a connector. `version` counts its definitions; votes and decisions name it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120, unique=True)
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="tools")
    version = models.PositiveIntegerField(default=1)
    definition_digest = models.CharField(max_length=64)
    title = models.CharField(max_length=120)
    says = models.CharField(max_length=300)
    effect = models.CharField(max_length=10, choices=Effect.choices)
    is_reversible = models.BooleanField(default=False)
    is_idempotent = models.BooleanField(default=False)
    timeout_seconds = models.FloatField(null=True)
    when_down = models.CharField(max_length=10, blank=True, choices=WhenDown.choices)
    idempotency_keep_days = models.PositiveIntegerField(null=True, help_text="None: for good")
    data_classes = ArrayField(models.CharField(max_length=40), default=list)
    max_result_bytes = models.PositiveIntegerField(null=True, help_text="None: as the installation says")
    money_amount = models.CharField(max_length=120, blank=True, help_text="JSON Pointer into the arguments")
    money_currency = models.CharField(max_length=120, blank=True)
    entity_type = models.CharField(max_length=40, blank=True)
    entity_pointer = models.CharField(max_length=120, blank=True)
    compensation = models.JSONField(null=True)
    lookup = models.JSONField(null=True)
    request = models.JSONField()
    input_schema = models.JSONField()
    output_schema = models.JSONField(null=True)

    class Meta:
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return self.name

    @property
    def is_read(self) -> bool:
        return self.effect == Effect.READ

    @property
    def can_wait(self) -> bool:
        """Whether a call waits for a system that does not answer: a write does unless the tool says otherwise."""
        return self.when_down == WhenDown.QUEUE if self.when_down else not self.is_read

    @property
    def is_irreversible(self) -> bool:
        return self.effect == Effect.WRITE and not self.is_reversible

    @property
    def has_money(self) -> bool:
        return bool(self.money_amount)


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self, now: Any) -> "GrantQuerySet":
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)


class Grant(models.Model):
    """This agent may use this tool, given by someone for a reason, until a time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="grants")
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="grants")
    reason = models.CharField(max_length=300)
    given_by = models.CharField(max_length=160)
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=160, blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "tool"], name="grant_once", condition=models.Q(revoked_at=None)),
        ]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.agent} may use {self.tool}"

    def is_in_force(self, now: dt.datetime) -> bool:
        """What `in_force` says of the row."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class DataClassRule(models.Model):
    """Which roles see values of a class in the clear, in one process or, where `process` is empty, in all that have no
    rule of their own. Without any rule the product's own holds (`apps.registry.sight`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, null=True, related_name="data_class_rules")
    data_class = models.CharField(max_length=40)
    roles = ArrayField(models.CharField(max_length=40), default=list, help_text="None of them: nobody by their role")
    set_by = models.CharField(max_length=160)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["process", "data_class"], name="data_class_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.data_class} in {self.process or 'the mesh'}"
