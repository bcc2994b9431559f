"""Reserve, hold again, settle, release. Every function runs in the caller's transaction; each may be called twice.

The caller comes to `reserve` last: from there to the commit it holds the counters that every other call waits for.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.budgets import ledger
from apps.budgets.charges import Charge, amount_under, in_order, is_reserved_by_calls
from apps.budgets.models import REPORTED, Budget, BudgetPeriod, Measure, Reservation, ReservationState
from apps.budgets.periods import Period, period_at
from apps.budgets.refusals import exhausted
from apps.core import clock

# Ends that let the money go and have used up the attempt all the same.
OF_ATTEMPTS = (Measure.CALLS, Measure.STEPS)


def reserve(charge: Charge, budgets: Sequence[Budget]) -> None:
    """Take what a new call needs of each of these budgets, all or nothing: a refusal is raised, and the caller's
    transaction must not be committed then.
    """
    check_reported(budgets, charge.run_id)
    now = clock.now()
    for budget in budgets:
        amount = amount_under(budget, charge)
        period = period_at(budget, now, charge.run_id)
        if amount is not None and period is not None and not ledger.take(budget, period, charge.call_id, amount):
            raise exhausted(budget, _standing(budget, period), amount)


def check_reported(budgets: Sequence[Budget], run_id: UUID | None) -> None:
    """Raise the refusal of a budget of model cost or tokens that is used up. Their use is told afterwards."""
    for budget in budgets:
        if budget.measure in REPORTED and (counter := ledger.standing(budget, run_id)) is not None and not counter.left:
            raise exhausted(budget, counter, 1)


def check_room(charge: Charge, budgets: Sequence[Budget]) -> None:
    """Raise the refusal that a call would get now; reserves nothing, for decisions that others carry out."""
    check_reported(budgets, charge.run_id)
    for budget in budgets:
        amount = amount_under(budget, charge)
        counter = ledger.standing(budget, charge.run_id) if amount is not None else None
        if amount is not None and counter is not None and counter.left < amount:
            raise exhausted(budget, counter, amount)


def reserve_again(charge: Charge, covering: Sequence[Budget]) -> bool:
    """Bring the reservations of a waiting call to what it is now and to the present periods: other amounts, budgets set
    since, periods that have ended. Returns whether it holds any; raises a refusal and has then changed nothing.

    The caller holds the call's row lock. `covering` are the budgets in force over it.
    """
    budgets = {budget.id: budget for budget in covering}
    held = {row.budget_id: row for row in _reservations(charge.call_id)}
    every = in_order([*{**{row.budget_id: row.budget for row in held.values()}, **budgets}.values()])
    with transaction.atomic():
        check_reported(list(budgets.values()), charge.run_id)
        for budget in every:
            amount = amount_under(budget, charge) if budget.id in budgets else None
            _bring_to(budget, amount, held.get(budget.id), charge)
    return any(is_reserved_by_calls(budget) for budget in every)


def _bring_to(budget: Budget, amount: int | None, reservation: Reservation | None, charge: Charge) -> None:
    period = period_at(budget, clock.now(), charge.run_id)
    is_held = reservation is not None and reservation.state == ReservationState.RESERVED
    if amount is None or period is None:
        if reservation is not None and is_held:
            ledger.give_back(reservation)
        return
    if reservation is not None and is_held:
        if reservation.period.key == period.key:
            if not ledger.resize(budget, reservation, amount):
                raise exhausted(budget, _standing(budget, period), amount - reservation.amount)
            return
        ledger.give_back(reservation)
    if not ledger.take(budget, period, charge.call_id, amount, again=reservation):
        raise exhausted(budget, _standing(budget, period), amount)


def settle(call_id: UUID, actual: int | None = None) -> None:
    """The call took effect: what it reserved is used. `actual` is what it came to where that is known to differ."""
    for reservation in _reservations(call_id, ReservationState.RESERVED):
        in_money = reservation.budget.measure == Measure.MONEY
        ledger.settle(reservation, actual if actual is not None and in_money else reservation.amount)


def release(call_id: UUID) -> None:
    """The call never ran: all it reserved is free again."""
    for reservation in _reservations(call_id, ReservationState.RESERVED):
        ledger.give_back(reservation)


def release_failed(call_id: UUID) -> None:
    """The call ran and had no effect: no money moved, and the attempt counts."""
    for reservation in _reservations(call_id, ReservationState.RESERVED):
        if reservation.budget.measure in OF_ATTEMPTS:
            ledger.settle(reservation, reservation.amount)
        else:
            ledger.give_back(reservation)


def _reservations(call_id: UUID, *states: str) -> list[Reservation]:
    """The call's rows, locked, in the order in which counters are locked."""
    rows = Reservation.objects.filter(source_id=call_id).select_related("budget", "period")
    rows = rows.filter(state__in=states) if states else rows
    by_budget = {row.budget_id: row for row in rows.select_for_update(of=("self",)).order_by("id")}
    return [by_budget[budget.id] for budget in in_order([row.budget for row in by_budget.values()])]


def _standing(budget: Budget, period: Period) -> BudgetPeriod:
    return BudgetPeriod.objects.get(budget=budget, key=period.key)
