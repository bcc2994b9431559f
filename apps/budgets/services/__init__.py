"""The acts of budgets."""

from apps.budgets.services.loops import check_loop, hold_run, release_run
from apps.budgets.services.rates import (
    WantedRate,
    check_rate,
    check_wanted_rate,
    end_rate,
    may_govern_rate,
    rate_target_for,
    set_rate,
)
from apps.budgets.services.setting import Wanted, check_wanted, end_budget, may_govern, set_budget, target_of
from apps.budgets.services.spending import (
    check_room,
    release,
    release_failed,
    reserve,
    reserve_again,
    settle,
)
from apps.budgets.services.usage import record_usage

__all__ = [
    "Wanted",
    "WantedRate",
    "check_loop",
    "check_rate",
    "check_room",
    "check_wanted",
    "check_wanted_rate",
    "end_budget",
    "end_rate",
    "hold_run",
    "may_govern",
    "may_govern_rate",
    "rate_target_for",
    "record_usage",
    "release",
    "release_failed",
    "release_run",
    "reserve",
    "reserve_again",
    "set_budget",
    "set_rate",
    "settle",
    "target_of",
]
