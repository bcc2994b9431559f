"""What a call would take of which budgets."""

from dataclasses import dataclass
from uuid import UUID

from apps.budgets.models import BREADTH, REPORTED, Budget, Measure, Scope
from apps.budgets.refusals import unknown_cost
from apps.core.generations import BUDGETS, Moment
from apps.core.memory import Remembered
from apps.core.money import Money
from apps.registry.models import Agent


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose budgets count."""

    environment: str
    agent_id: UUID
    process_id: UUID
    team_id: UUID
    business_unit: str

    @classmethod
    def of(cls, agent: Agent) -> "Reach":
        """Of an agent with its process at hand."""
        return cls(agent.environment, agent.id, agent.process_id, agent.owner_team_id, agent.process.business_unit)

    @property
    def scopes(self) -> dict[str, str]:
        """The scope of each kind that it lies in."""
        scopes: dict[str, str] = {
            Scope.AGENT: str(self.agent_id),
            Scope.PROCESS: str(self.process_id),
            Scope.TEAM: str(self.team_id),
            Scope.MESH: "",
        }
        if self.business_unit:
            scopes[Scope.BUSINESS_UNIT] = self.business_unit
        return scopes


@dataclass(frozen=True, slots=True)
class Charge:
    """A call as budgets see it. `moves_money`: its tool has a money field, whether or not the amount is known."""

    call_id: UUID
    run_id: UUID
    money: Money | None
    moves_money: bool


_in_force: Remembered[str, tuple[Budget, ...]] = Remembered(BUDGETS, size=100)


def budgets_over(reach: Reach, *, moment: Moment | None = None) -> list[Budget]:
    """The budgets in force that cover the reach, in the order in which their counters are locked: from the narrow to
    the wide.
    """
    scopes = reach.scopes
    rows = _in_force.get(reach.environment, lambda: _read_in_force(reach.environment), moment=moment) or ()
    return in_order([budget for budget in rows if scopes.get(budget.scope_type) == budget.scope_id])


def _read_in_force(environment: str) -> tuple[Budget, ...]:
    return tuple(Budget.objects.filter(environment=environment, ended_at=None))


def in_order(budgets: list[Budget]) -> list[Budget]:
    """One order for every transaction, so that two never wait for each other. What everybody shares comes last and is
    locked for the shortest time.
    """
    return sorted(budgets, key=lambda budget: (BREADTH[Scope(budget.scope_type)], budget.id))


def amount_under(budget: Budget, charge: Charge) -> int | None:
    """What the call reserves of the budget; None where the budget does not count it. Raises a refusal where it counts
    and is not known.

    A negative amount moves as much money as a positive one, and makes no room.
    """
    measure = Measure(budget.measure)
    if measure in (Measure.CALLS, Measure.STEPS):
        return 1
    if measure is not Measure.MONEY or not charge.moves_money:
        return None
    if charge.money is None:
        if budget.estimate is None:
            raise unknown_cost(budget)
        return budget.estimate
    return abs(charge.money.minor) if charge.money.currency == budget.currency else None


def is_reserved_by_calls(budget: Budget) -> bool:
    """Whether calls reserve of it; of the others it is only looked whether they are used up."""
    return budget.measure not in REPORTED and budget.measure != Measure.REPEATS
