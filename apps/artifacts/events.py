"""News about what agents keep with a run."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class RunStateSaved(DomainEvent):
    """An agent saved the workflow state of a run; `version` is its number."""

    run_id: str
    version: int
    by: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class ArtifactStored(DomainEvent):
    """An agent keeps a file with a run."""

    run_id: str
    artifact_id: str
    sha256: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunContentRevealed(DomainEvent):
    """A person saw what is masked of what agents keep with a run; `classes` of which."""

    run_id: str
    by: str
    classes: list[str]

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"
