"""The ledger's statements. Each changes one counter and the row behind it together, by a condition that the database
judges on the counter's newest state, so that no number of callers can take more than there is (I7).
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.budgets.events import BudgetThresholdReached
from apps.budgets.models import Budget, BudgetAlert, BudgetPeriod, Reservation, Source
from apps.budgets.periods import Period, period_at
from apps.core import clock, outbox
from apps.core.ids import uuid7

THRESHOLDS = (50, 80, 100)

TAKE = """
WITH taken AS (
  UPDATE budgets_budgetperiod SET reserved = reserved + %(amount)s
  WHERE budget_id = %(budget)s AND key = %(key)s AND settled + reserved + overrun + %(amount)s <= cap
  RETURNING id, cap, settled + reserved + overrun AS used
), kept AS (
  INSERT INTO budgets_reservation
    (id, budget_id, period_id, source_type, source_id, amount, settled_amount, state, made_at, ended_at)
  SELECT %(id)s, %(budget)s, taken.id, %(type)s, %(source)s, %(amount)s, NULL, 'reserved', %(now)s, NULL FROM taken
)
SELECT id, cap, used FROM taken
"""
TAKE_AGAIN = """
WITH taken AS (
  UPDATE budgets_budgetperiod SET reserved = reserved + %(amount)s
  WHERE budget_id = %(budget)s AND key = %(key)s AND settled + reserved + overrun + %(amount)s <= cap
  RETURNING id, cap, settled + reserved + overrun AS used
), kept AS (
  UPDATE budgets_reservation
  SET period_id = taken.id, amount = %(amount)s, state = 'reserved', settled_amount = NULL, made_at = %(now)s,
      ended_at = NULL
  FROM taken WHERE budgets_reservation.id = %(id)s
)
SELECT id, cap, used FROM taken
"""
RESIZE = """
WITH taken AS (
  UPDATE budgets_budgetperiod SET reserved = reserved + %(delta)s
  WHERE id = %(period)s AND (%(delta)s <= 0 OR settled + reserved + overrun + %(delta)s <= cap)
  RETURNING id, cap, settled + reserved + overrun AS used
), kept AS (
  UPDATE budgets_reservation SET amount = amount + %(delta)s FROM taken WHERE budgets_reservation.id = %(id)s
)
SELECT id, cap, used FROM taken
"""
GIVE_BACK = """
WITH ended AS (
  UPDATE budgets_reservation SET state = 'released', ended_at = %(now)s
  WHERE id = %(id)s AND state = 'reserved' RETURNING period_id, amount
)
UPDATE budgets_budgetperiod SET reserved = reserved - ended.amount
FROM ended WHERE budgets_budgetperiod.id = ended.period_id
"""
# What it came to beyond the reservation takes what room there is; the rest has been used all the same and is overrun.
SETTLE = """
WITH ended AS (
  UPDATE budgets_reservation SET state = 'settled', settled_amount = %(actual)s, ended_at = %(now)s
  WHERE id = %(id)s AND state = 'reserved' RETURNING period_id, amount
)
UPDATE budgets_budgetperiod SET
  reserved = reserved - ended.amount,
  settled = settled + LEAST(%(actual)s, ended.amount + GREATEST(cap - settled - reserved - overrun, 0)),
  overrun = overrun + GREATEST(%(actual)s - ended.amount - GREATEST(cap - settled - reserved - overrun, 0), 0)
FROM ended WHERE budgets_budgetperiod.id = ended.period_id
RETURNING budgets_budgetperiod.id, cap, settled + reserved + overrun AS used
"""
REPORT = """
WITH kept AS (
  INSERT INTO budgets_reservation
    (id, budget_id, period_id, source_type, source_id, amount, settled_amount, state, made_at, ended_at)
  SELECT %(id)s, %(budget)s, period.id, 'usage', %(source)s, %(amount)s, %(amount)s, 'settled', %(now)s, %(now)s
  FROM budgets_budgetperiod period WHERE period.budget_id = %(budget)s AND period.key = %(key)s
  ON CONFLICT (source_id, budget_id) DO NOTHING RETURNING period_id
)
UPDATE budgets_budgetperiod SET
  settled = settled + LEAST(%(amount)s, GREATEST(cap - settled - reserved - overrun, 0)),
  overrun = overrun + GREATEST(%(amount)s - GREATEST(cap - settled - reserved - overrun, 0), 0)
FROM kept WHERE budgets_budgetperiod.id = kept.period_id
RETURNING budgets_budgetperiod.id, cap, settled + reserved + overrun AS used
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """A period's counter as a statement left it."""

    period_id: UUID
    cap: int
    used: int


def take(budget: Budget, period: Period, source_id: UUID, amount: int, *, again: Reservation | None = None) -> bool:
    """Reserve the amount; False where there is no room. `again` is the source's reservation that has ended."""
    values = {
        "id": again.id if again else uuid7(),
        "budget": budget.id,
        "key": period.key,
        "source": source_id,
        "type": Source.TOOL_CALL,
        "amount": amount,
        "now": clock.now(),
    }
    sql = TAKE_AGAIN if again else TAKE
    counter = _run(sql, values)
    if counter is None:  # no room, or nothing was counted in this period yet: somebody may be counting the first now
        open_period(budget, period)
        counter = _run(sql, values)
    if counter is None:
        return False
    note_thresholds(budget, counter, added=amount)
    return True


def resize(budget: Budget, reservation: Reservation, amount: int) -> bool:
    """Let a reservation in force stand for another amount; False where there is no room."""
    delta = amount - reservation.amount
    if delta == 0:
        return True
    counter = _run(RESIZE, {"delta": delta, "period": reservation.period_id, "id": reservation.id})
    if counter is not None:
        note_thresholds(budget, counter, added=delta)
    return counter is not None


def give_back(reservation: Reservation) -> None:
    """End a reservation with nothing used. A second time changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, {"id": reservation.id, "now": clock.now()})


def settle(reservation: Reservation, actual: int) -> None:
    """End a reservation with what was used. A second time changes nothing."""
    counter = _run(SETTLE, {"id": reservation.id, "actual": actual, "now": clock.now()})
    if counter is not None:
        note_thresholds(reservation.budget, counter, added=actual - reservation.amount)


def report(budget: Budget, period: Period, source_id: UUID, amount: int) -> None:
    """Count what has been used already. The same source a second time counts once."""
    open_period(budget, period)
    values = {"id": uuid7(), "budget": budget.id, "key": period.key, "source": source_id, "amount": amount}
    counter = _run(REPORT, values | {"now": clock.now()})
    if counter is not None:
        note_thresholds(budget, counter, added=amount)


def open_period(budget: Budget, period: Period) -> None:
    """The period's counter is there afterwards, whoever made it."""
    row = BudgetPeriod(
        budget=budget,
        key=period.key,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        run_id=period.run_id,
        cap=budget.cap,
        ceiling=budget.cap,
    )
    BudgetPeriod.objects.bulk_create([row], ignore_conflicts=True)


def standing(budget: Budget, run_id: UUID | None = None) -> BudgetPeriod | None:
    """The counter of the present period, made up where nothing was counted yet; None of a run's outside of any."""
    period = period_at(budget, clock.now(), run_id)
    if period is None:
        return None
    found = BudgetPeriod.objects.filter(budget=budget, key=period.key).first()
    return found or BudgetPeriod(
        budget=budget, key=period.key, starts_at=period.starts_at, ends_at=period.ends_at, cap=budget.cap
    )


def note_thresholds(budget: Budget, counter: Counter, *, added: int) -> None:
    """Write down which shares of the cap this was the first to reach in the period."""
    before = counter.used - added
    for percent in THRESHOLDS:
        if counter.used * 100 >= counter.cap * percent > before * 100:
            _alert(budget, counter, percent)


def _alert(budget: Budget, counter: Counter, percent: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{BudgetAlert._meta.db_table}" (id, period_id, percent, reached_at) '  # noqa: S608  our own name
            "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [uuid7(), counter.period_id, percent, clock.now()],
        )
        is_first = bool(cursor.rowcount)
    if is_first:
        outbox.add(BudgetThresholdReached(str(budget.id), str(counter.period_id), percent))


def _run(sql: str, values: dict[str, Any]) -> Counter | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return Counter(*row) if row else None
