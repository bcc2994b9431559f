"""Circuit breakers: what the mesh does about a business system that does not answer."""

from django.db import models

from apps.core.generations import BREAKERS, begins_new
from apps.registry.models import ConnectorEndpoint


class BreakerState(models.TextChoices):
    CLOSED = "closed", "Closed: calls go through"
    OPEN = "open", "Open: nothing is sent"
    HALF_OPEN = "half_open", "Half open: one call tries"
    DRAINING = "draining", "Draining: what waited goes first"


class Breaker(models.Model):
    """The breaker of one endpoint; an endpoint without one is closed. Nothing that a call changes stands in it, only
    what changes when the system goes away and comes back.

    `probe_at` is when the next call may try. `last_error` is a code of ours, never the system's words.
    """

    endpoint = models.OneToOneField(ConnectorEndpoint, on_delete=models.CASCADE, primary_key=True, related_name="+")
    state = models.CharField(max_length=20, choices=BreakerState.choices, default=BreakerState.CLOSED)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=80, blank=True)
    probe_count = models.PositiveIntegerField(default=0, help_text="Calls that tried since it opened")

    class Meta:
        triggers = begins_new(BREAKERS)
        constraints = [
            models.CheckConstraint(
                name="breaker_open_has_a_probe",
                condition=~models.Q(state__in=["open", "half_open"]) | models.Q(probe_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Breaker of {self.endpoint}: {self.state}"
