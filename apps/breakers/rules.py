"""When a breaker opens, and for how long: what a connector's definition says of it."""

from dataclasses import dataclass

from apps.registry.models import ConnectorEndpoint


@dataclass(frozen=True, slots=True)
class Rules:
    """It opens when so many calls in a row failed, or this share of at least `min_calls` within the window; and lets
    one call try every `cooldown_seconds`. No more than `most_queued` calls wait for the system.
    """

    error_rate: float = 0.5
    window_seconds: float = 30
    min_calls: int = 10
    consecutive_failures: int = 5
    cooldown_seconds: float = 10
    most_queued: int = 1000


def rules_of(endpoint: ConnectorEndpoint) -> Rules:
    """What the endpoint says, and the defaults for the rest."""
    return Rules(**{name: value for name, value in endpoint.breaker.items() if name in Rules.__slots__})
