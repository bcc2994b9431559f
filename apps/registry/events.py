"""News of the registry."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class DataClassRuleChanged(DomainEvent):
    """Other roles than before see this class in the clear. `process` is "" for the whole mesh; `roles` are None where
    the rule was ended.
    """

    data_class: str
    process: str
    roles: list[str] | None
    rule_id: str

    @property
    def subject(self) -> str:
        return f"data_class:{self.data_class}"
