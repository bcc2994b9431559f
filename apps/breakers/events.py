"""News about breakers."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class BreakerOpened(DomainEvent):
    """The system does not answer; what can wait for it waits."""

    endpoint_id: str
    error_code: str
    opened_at: str

    @property
    def subject(self) -> str:
        return f"breaker:{self.endpoint_id}"


@dataclass(frozen=True, slots=True)
class BreakerRecovered(DomainEvent):
    """The system answers again, or a person says so: what waited goes now."""

    urgent: ClassVar[bool] = True

    endpoint_id: str

    @property
    def subject(self) -> str:
        return f"breaker:{self.endpoint_id}"
