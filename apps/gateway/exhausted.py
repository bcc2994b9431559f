"""Budgets that a rule watches. Halts and budgets do not know each other; this floor knows both."""

from django.db.models import F

from apps.budgets.models import BudgetAlert, Window
from apps.halts.above import Watch

USED_UP = 100


def budget_used_up(watch: Watch) -> int:
    """100 when a budget set on just what is watched became used up after `since` and still is; else 0.

    A budget is said to be used up once in each period, so it fires a rule once in each. One that somebody raised before
    the rule looked fires none, nor does one of a single run, which stops that run alone.
    """
    reached = BudgetAlert.objects.filter(
        percent=USED_UP,
        reached_at__gt=watch.since,
        period__budget__scope_type=watch.scope.scope_type,
        period__budget__scope_id=str(watch.scope.scope_id),
        period__budget__environment=watch.environment,
        period__budget__ended_at=None,
        period__cap__lte=F("period__settled") + F("period__reserved") + F("period__overrun"),
    )
    return USED_UP if reached.exclude(period__budget__window=Window.RUN).exists() else 0
