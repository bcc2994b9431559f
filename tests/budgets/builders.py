"""Budgets for tests, set by the service that sets them for everyone."""

from typing import Any

from apps.budgets.models import Budget, BudgetPeriod, Measure, Rate, Reservation, ReservationState
from apps.budgets.services import Wanted, WantedRate, set_budget, set_rate
from apps.core.actor import system_actor

TESTS = system_actor("tests")


def make_budget(cap: int = 100_000, **more: Any) -> Budget:
    """A budget of money a day for the writer, unless it is told otherwise."""
    wanted: dict[str, Any] = {
        "scope_type": "agent",
        "scope_reference": "writer",
        "environment": "production",
        "measure": Measure.MONEY,
        "window": "day",
        "currency": "EUR",
    }
    wanted |= more
    if wanted["measure"] not in (Measure.MONEY, Measure.MODEL_COST):
        wanted["currency"] = ""
    return set_budget(actor=TESTS, wanted=Wanted(cap=cap, **wanted))


def make_rate(capacity: int = 2, refill_per_second: float = 0.01, **more: Any) -> Rate:
    """A rate for the writer, unless it is told otherwise."""
    wanted = {"scope_type": "agent", "scope_reference": "writer", "environment": "production", **more}
    return set_rate(actor=TESTS, wanted=WantedRate(capacity=capacity, refill_per_second=refill_per_second, **wanted))


def counter_of(budget: Budget) -> BudgetPeriod:
    return BudgetPeriod.objects.filter(budget=budget).latest("starts_at")


def check_ledger() -> None:
    """Every counter equals the rows behind it, and none is beyond its cap (I7, I14)."""
    for period in BudgetPeriod.objects.all():
        rows = list(Reservation.objects.filter(period=period))
        reserved = sum(row.amount for row in rows if row.state == ReservationState.RESERVED)
        settled = sum(row.settled_amount or 0 for row in rows if row.state == ReservationState.SETTLED)
        assert (period.reserved, period.settled + period.overrun) == (reserved, settled), period
        assert period.settled + period.reserved <= period.ceiling
