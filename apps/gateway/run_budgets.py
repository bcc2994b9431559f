"""The caps that apply to one run, and how much of each it has used, for its page."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q

from apps.budgets.models import Budget, BudgetPeriod, Scope, Window
from apps.budgets.queries import Standing, budgets_visible_to, in_reading_order
from apps.core import clock
from apps.core.actor import Actor
from apps.runs.models import Run
from apps.runs.sections import Section


@dataclass(frozen=True, slots=True)
class RunTime:
    """`used` of `allowed`, both exact; `share` is 0 to 100."""

    used: dt.timedelta
    allowed: dt.timedelta

    @property
    def share(self) -> int:
        return min(100, round(self.used / self.allowed * 100)) if self.allowed else 100


@dataclass(frozen=True, slots=True)
class RunBudgets:
    """`standings`: the budgets per run that cover it, with its own counters. `time`: None where it has no end."""

    standings: list[Standing]
    time: RunTime | None


def section_of(actor: Actor, run: Run) -> Section | None:
    """None for a run that nothing caps."""
    found = RunBudgets(_standings(actor, run), _time(run))
    return Section("runs/_budgets.html", found) if found.standings or found.time else None


def _standings(actor: Actor, run: Run) -> list[Standing]:
    """Two queries. A budget that nothing of the run was counted under has used nothing."""
    agent, process = run.opened_by, run.process
    covers = (
        Q(scope_type=Scope.MESH)
        | Q(scope_type=Scope.BUSINESS_UNIT, scope_id=process.business_unit or None)
        | Q(scope_type=Scope.TEAM, scope_id=str(agent.owner_team_id))
        | Q(scope_type=Scope.PROCESS, scope_id=str(process.id))
        | Q(scope_type=Scope.AGENT, scope_id=str(agent.id))
    )
    visible = budgets_visible_to(actor).filter(covers, environment=run.environment, window=Window.RUN, ended_at=None)
    budgets = list(in_reading_order(visible))
    counters = BudgetPeriod.objects.filter(budget__in=budgets, key=str(run.id)).prefetch_related("alerts")
    by_budget = {counter.budget_id: counter for counter in counters} if budgets else {}
    return [_standing(run, budget, by_budget.get(budget.id)) for budget in budgets]


def _standing(run: Run, budget: Budget, counter: BudgetPeriod | None) -> Standing:
    if counter is None:
        counter = BudgetPeriod(budget=budget, key=str(run.id), starts_at=run.started_at, cap=budget.cap)
        return Standing(budget, counter, ())
    return Standing(budget, counter, tuple(alert.percent for alert in counter.alerts.all()))


def _time(run: Run) -> RunTime | None:
    if run.deadline_at is None or run.is_implicit:
        return None
    until = min(run.ended_at or clock.now(), run.deadline_at)
    return RunTime(_seconds(until - run.started_at), _seconds(run.deadline_at - run.started_at))


def _seconds(length: dt.timedelta) -> dt.timedelta:
    """Whole ones: a run begins by the database's clock and ends by a node's."""
    return dt.timedelta(seconds=max(0, round(length.total_seconds())))
