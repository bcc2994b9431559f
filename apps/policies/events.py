"""News of policies."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class PolicyReleased(DomainEvent):
    """This release now decides its set's calls in these environments."""

    policy_set: str
    version: int
    release_id: str
    environments: list[str]
    by: str

    @property
    def subject(self) -> str:
        return f"policy_set:{self.policy_set}"
