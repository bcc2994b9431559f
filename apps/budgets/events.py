"""News about budgets."""

from dataclasses import dataclass

from apps.core.outbox import DomainEvent


@dataclass(frozen=True, slots=True)
class BudgetThresholdReached(DomainEvent):
    """A share of a budget is used, for the first time in this period."""

    budget_id: str
    period_id: str
    percent: int

    @property
    def subject(self) -> str:
        return f"budget:{self.budget_id}"


@dataclass(frozen=True, slots=True)
class RunHeld(DomainEvent):
    """A run asked for the same thing too often and is held."""

    hold_id: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunReleased(DomainEvent):
    """A person let a held run go on."""

    hold_id: str
    run_id: str

    @property
    def subject(self) -> str:
        return f"run:{self.run_id}"
