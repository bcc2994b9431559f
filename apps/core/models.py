"""The outbox, generations and the heartbeat: what has to be true after a crash of everything but the database."""

from django.db import models


class OutboxEvent(models.Model):
    """One piece of news, written in the transaction of the change it tells of, delivered at least once after it."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=80)
    subject = models.CharField(max_length=120)
    body = models.JSONField()
    written_at = models.DateTimeField()
    due_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    attempt_count = models.PositiveIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="outbox_due", condition=models.Q(delivered_at=None)),
            models.Index(fields=["subject", "id"], name="outbox_subject", condition=models.Q(delivered_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.subject}"


class Generation(models.Model):
    """A mark that changes with every change of the tables that belong to it; see `apps.core.generations`."""

    name = models.CharField(primary_key=True, max_length=40)
    mark = models.UUIDField()

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """When a background part last showed that it works."""

    name = models.CharField(primary_key=True, max_length=80)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
