"""What an agent is told when a budget refuses: which budget, of what, and when it opens again. How much is left is for
people, because a budget may be shared with agents of others.
"""

import datetime as dt
import math
from typing import Any
from zoneinfo import ZoneInfo

from apps.budgets.models import Budget, BudgetPeriod, Measure, RunHold
from apps.core import clock
from apps.core.errors import Exhausted

# Where no time opens it (a run, a total): a person may have raised the cap by then.
ASK_AGAIN_SECONDS = 3600


class BudgetRefusal(Exhausted):
    """A call that a budget or a held run turns away. `facts` are for the log and for people; `hold` is the hold of the
    run, not written yet where this call brought it about.
    """

    def __init__(
        self, code: str, sentence: str, *, facts: dict[str, Any], hold: RunHold | None = None, **rest: Any
    ) -> None:
        super().__init__(code, sentence, **rest)
        self.facts = facts
        self.hold = hold


def exhausted(budget: Budget, period: BudgetPeriod, needed: int) -> BudgetRefusal:
    """The budget has no room for what the call needs."""
    if period.ends_at is None:
        opens = "It opens again when someone raises it."
    else:
        opens = f"It opens again at {_shown(period.ends_at, budget.time_zone)}."
    what = "used up" if not period.left else "too small for this call"
    return BudgetRefusal(
        "budget_exhausted",
        f"The budget of {Measure(budget.measure).label.lower()} {budget.get_window_display()} for {budget.scope_name} "
        f"is {what}. {opens}",
        retry_after_seconds=_seconds_until(period.ends_at),
        budget=resource_of(budget, period.ends_at),
        facts=facts_of(budget, period) | {"needed": needed},
    )


def unknown_cost(budget: Budget) -> BudgetRefusal:
    """What the call would use is not known, and the budget says no estimate. Unknown is not zero."""
    return BudgetRefusal(
        "budget.unknown_cost",
        f"What this call moves is not known, and the budget for {budget.scope_name} has no estimate for such calls.",
        retry_after_seconds=ASK_AGAIN_SECONDS,
        budget=resource_of(budget, None),
        facts={"budget_id": str(budget.id)},
    )


def loop_detected(hold: RunHold) -> BudgetRefusal:
    """The run goes in circles and waits for a person."""
    return BudgetRefusal(
        "loop_detected",
        f"This run asked for {hold.tool_name} with the same arguments {hold.count} times. It is held until a person "
        "lets it go on.",
        retry_after_seconds=ASK_AGAIN_SECONDS,
        run_hold={"id": str(hold.id), "run_id": str(hold.run_id), "tool": hold.tool_name, "count": hold.count},
        facts={"hold_id": str(hold.id), "count": hold.count},
        hold=hold,
    )


def resource_of(budget: Budget, ends_at: dt.datetime | None) -> dict[str, Any]:
    """A budget as an agent may know it."""
    return {
        "id": str(budget.id),
        "scope": {"type": budget.scope_type, "name": budget.scope_name},
        "measure": budget.measure,
        "currency": budget.currency or None,
        "window": budget.window,
        "ends_at": clock.rfc3339(ends_at),
    }


def facts_of(budget: Budget, period: BudgetPeriod) -> dict[str, Any]:
    """How the budget stood, for the audit log."""
    return {
        "budget_id": str(budget.id),
        "cap": period.cap,
        "settled": period.settled,
        "reserved": period.reserved,
        "overrun": period.overrun,
        "left": period.left,
        "currency": budget.currency or None,
    }


def _seconds_until(moment: dt.datetime | None) -> int:
    if moment is None:
        return ASK_AGAIN_SECONDS
    return max(math.ceil((moment - clock.now()).total_seconds()), 1)


def _shown(moment: dt.datetime, time_zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M %Z}"
