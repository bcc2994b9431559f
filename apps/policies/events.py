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


@dataclass(frozen=True, slots=True)
class PolicyReleaseBroken(DomainEvent):
    """Tools were changed although this release, which decides in these environments, cannot be read against them."""

    policy_set: str
    version: int
    release_id: str
    environments: list[str]
    by: str

    @property
    def subject(self) -> str:
        return f"policy_set:{self.policy_set}"


@dataclass(frozen=True, slots=True)
class PolicyDraftChanged(DomainEvent):
    """A draft was started, saved, brought up to date or discarded; its row says how it is now."""

    draft_id: str
    policy_set: str
    version: int

    @property
    def subject(self) -> str:
        return f"policy_draft:{self.draft_id}"


@dataclass(frozen=True, slots=True)
class PolicyReviewRequested(DomainEvent):
    """Somebody wants to release, promote or roll back, and a second person is asked."""

    request_id: str
    approval_id: str

    @property
    def subject(self) -> str:
        return f"policy_request:{self.request_id}"


@dataclass(frozen=True, slots=True)
class PolicyReleaseScheduled(DomainEvent):
    """It was agreed to and waits for its time."""

    request_id: str
    release_at: str

    @property
    def subject(self) -> str:
        return f"policy_request:{self.request_id}"


@dataclass(frozen=True, slots=True)
class PolicyReviewEnded(DomainEvent):
    """It was released, refused or withdrawn: `state` says which."""

    request_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"policy_request:{self.request_id}"


@dataclass(frozen=True, slots=True)
class PolicyUnreadable(DomainEvent):
    """What decides there cannot be read, and everything it has a say in is denied."""

    noted_id: str
    policy_set: str
    environment: str

    @property
    def subject(self) -> str:
        return f"policy_set:{self.policy_set}"


@dataclass(frozen=True, slots=True)
class PolicyReadable(DomainEvent):
    """What decides there can be read again, or something else decides."""

    noted_id: str
    policy_set: str
    environment: str

    @property
    def subject(self) -> str:
        return f"policy_set:{self.policy_set}"


@dataclass(frozen=True, slots=True)
class PolicyReleasedAlone(DomainEvent):
    """One person released or rolled back in an emergency; a second person is asked afterwards."""

    request_id: str
    policy_set: str
    by: str

    @property
    def subject(self) -> str:
        return f"policy_request:{self.request_id}"


@dataclass(frozen=True, slots=True)
class EmergencyReviewed(DomainEvent):
    """What a second person said of an emergency release, or that nobody did in time: `state` says which."""

    request_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"policy_request:{self.request_id}"


@dataclass(frozen=True, slots=True)
class PolicyExceptionChanged(DomainEvent):
    """An exception was asked for, put in force, refused or ended: `state` says which."""

    exception_id: str
    state: str

    @property
    def subject(self) -> str:
        return f"policy_exception:{self.exception_id}"
