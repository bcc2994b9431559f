"""News about what is kept and erased."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class RetentionRuleChanged(DomainEvent):
    """Content is kept for other than it was; `days` is None where a rule was ended."""

    rule_id: str
    process: str
    content: str
    data_class: str
    days: int | None

    @property
    def subject(self) -> str:
        return f"retention:{self.process}:{self.content}:{self.data_class}"


@dataclass(frozen=True, slots=True)
class LegalHoldPlaced(DomainEvent):
    """Nothing of a run or a process is erased from now on."""

    hold_id: str
    process: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"legal_hold:{self.hold_id}"


@dataclass(frozen=True, slots=True)
class LegalHoldLifted(DomainEvent):
    """What was held may be erased again."""

    hold_id: str
    process: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"legal_hold:{self.hold_id}"


@dataclass(frozen=True, slots=True)
class RunContentErased(DomainEvent):
    """What a run held is erased, because a person asked for it."""

    run_id: str
    by: str
    counts: dict[str, int]

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"
