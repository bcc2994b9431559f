"""News of budgets and of held runs."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from apps.budgets.models import Budget, BudgetPeriod, RunHold, Scope
from apps.budgets.queries import budgets_visible_to, holds_visible_to
from apps.core import clock
from apps.core.actor import Actor
from apps.notifications.answering import Audience, members_who_see, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told
from apps.registry.models import Agent, Process
from apps.runs.models import Run


def audience_of_budget(news: News) -> Audience:
    """Who answers for what it covers; of a team's budget the team."""
    budget = Budget.objects.get(id=news.data["budget"])
    kind = NewsKind(news.kind)
    if budget.scope_type == Scope.TEAM:
        team = UUID(budget.scope_id)
        return members_who_see(team, _processes_of(Agent.objects.filter(owner_team=team)), kind)
    if budget.scope_type == Scope.AGENT:
        return who_answer_for(_processes_of(Agent.objects.filter(id=budget.scope_id)), kind)
    covered = Process.objects.all()
    if budget.scope_type == Scope.PROCESS:
        covered = covered.filter(id=budget.scope_id)
    elif budget.scope_type == Scope.BUSINESS_UNIT:
        covered = covered.filter(business_unit=budget.scope_id)
    return who_answer_for(set(covered.values_list("id", flat=True)), kind)


def _processes_of(agents: QuerySet[Agent]) -> set[UUID]:
    return set(agents.values_list("process", flat=True))


def audience_of_hold(news: News) -> Audience:
    """Who answers for the process, and the team whose agent runs in circles; nobody once it goes on."""
    hold = RunHold.objects.get(id=news.data["hold"])
    if hold.released_at is not None:
        return Audience()
    run = Run.objects.select_related("opened_by").get(id=hold.run_id)
    return who_answer_for({hold.process_id}, NewsKind.HELD, with_team=run.opened_by.owner_team_id)


def told_of_budgets(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    """Of budgets that the person sees; of all of them for a room, which stands for who was told. Two queries."""
    seen = Budget.objects.all() if actor is None else budgets_visible_to(actor)
    budgets = {str(row.id): row for row in seen.filter(id__in={one.data["budget"] for one in news})}
    # what was told before periods were noted names none
    named = {period for one in news if (period := one.data.get("period"))}
    periods = {str(row.id): row for row in BudgetPeriod.objects.filter(id__in=named)} if budgets and named else {}
    found = {}
    for one in news:
        budget = budgets.get(one.data["budget"])
        if budget is not None:
            percent = int(one.data["percent"])
            period = periods.get(one.data.get("period", ""))
            is_raised = period is not None and period.used * 100 < period.cap * percent
            sentence = f"{percent} % of {budget} is used ({budget.environment})"
            if is_raised:
                sentence = f"{percent} % was used. By now there is more room: {budget} ({budget.environment})"
            is_over = is_raised or budget.ended_at is not None or _has_ended(period)
            found[one.id] = Told(sentence, reverse("budget", args=[budget.id]), is_over)
    return found


def _has_ended(period: BudgetPeriod | None) -> bool:
    return period is not None and period.ends_at is not None and period.ends_at <= clock.now()


def told_of_holds(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    seen = RunHold.objects.all() if actor is None else holds_visible_to(actor)
    holds = {str(row.id): row for row in seen.filter(id__in={one.data["hold"] for one in news})}
    found = {}
    for one in news:
        hold = holds.get(one.data["hold"])
        if hold is not None:
            sentence = f"{hold.agent_name} asked for {hold.tool_name} {hold.count} times in one run. The run is held."
            found[one.id] = Told(sentence, reverse("budgets"), hold.released_at is not None)
    return found
