"""Policy sets, their immutable releases, and which release is active where."""

import pgtrigger
from django.db import models

from apps.core.generations import CONFIGURATION, begins_new
from apps.core.ids import uuid7
from apps.registry.models import Environment, Process

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
    schema_hash = models.CharField(max_length=64)
    content_hash = models.CharField(max_length=64)
    message = models.CharField(max_length=300, blank=True)
    released_by = models.CharField(max_length=160)
    released_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_set", "version"], name="release_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.policy_set}@{self.version}"


class ActiveRelease(models.Model):
    """The pointer: this release decides this set's calls in this environment."""

    policy_set = models.ForeignKey(PolicySet, on_delete=models.PROTECT, related_name="active_releases")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    release = models.ForeignKey(PolicyRelease, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    activated_by = models.CharField(max_length=160)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy_set", "environment"], name="active_release_once")]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.release} in {self.environment}"
