"""News of budgets and of held runs: notices in the console for the teams that answer for what they cover."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.accounts.models import Membership
from apps.budgets.models import Budget, RunHold, Scope
from apps.budgets.queries import budgets_visible_to, holds_visible_to
from apps.core import clock
from apps.core.actor import Actor
from apps.notifications.models import News, NewsKind, Notice
from apps.registry.models import Agent, Process


def tell_of_budget(budget_id: UUID, period_id: UUID, percent: int) -> None:
    """A share of a budget is used. Heard of twice it is told once."""
    budget = Budget.objects.get(id=budget_id)
    data = {"budget": str(budget_id), "percent": str(percent)}
    _tell(NewsKind.BUDGET, f"budget:{period_id}:{percent}", data, _teams_of(budget))


def tell_of_held_run(hold_id: UUID) -> None:
    """A run goes in circles and waits for a person."""
    hold = RunHold.objects.get(id=hold_id)
    process = Process.objects.get(id=hold.process_id)
    _tell(NewsKind.HELD, f"held:{hold_id}", {"hold": str(hold_id)}, {process.owner_team_id, process.oncall_team_id})


def told_of_spending(actor: Actor, news: Sequence[News]) -> dict[UUID, tuple[str, str]]:
    """What each of these says and where it leads, as far as the person may see it now; two queries at the most."""
    budget_ids = {one.data["budget"] for one in news if one.kind == NewsKind.BUDGET}
    hold_ids = {one.data["hold"] for one in news if one.kind == NewsKind.HELD}
    budgets = {str(row.id): row for row in budgets_visible_to(actor).filter(id__in=budget_ids)} if budget_ids else {}
    holds = {str(row.id): row for row in holds_visible_to(actor).filter(id__in=hold_ids)} if hold_ids else {}
    told = {}
    for one in news:
        if one.kind == NewsKind.BUDGET and (budget := budgets.get(one.data["budget"])):
            sentence = f"{one.data['percent']} % of {budget} is used ({budget.environment})"
            told[one.id] = (sentence, reverse("budget", args=[budget.id]))
        if one.kind == NewsKind.HELD and (hold := holds.get(one.data["hold"])):
            sentence = f"{hold.agent_name} asked for {hold.tool_name} {hold.count} times in one run. The run is held."
            told[one.id] = (sentence, reverse("budgets"))
    return told


def _teams_of(budget: Budget) -> set[UUID]:
    """The teams that own what it covers, and those on call for it."""
    processes = Process.objects.all()
    if budget.scope_type == Scope.TEAM:
        return {UUID(budget.scope_id)}
    if budget.scope_type == Scope.AGENT:
        processes = processes.filter(id__in=Agent.objects.filter(id=budget.scope_id).values("process"))
    elif budget.scope_type == Scope.PROCESS:
        processes = processes.filter(id=budget.scope_id)
    elif budget.scope_type == Scope.BUSINESS_UNIT:
        processes = processes.filter(business_unit=budget.scope_id)
    return {team for pair in processes.values_list("owner_team", "oncall_team") for team in pair}


def _tell(kind: NewsKind, key: str, data: dict[str, str], teams: set[UUID]) -> None:
    now = clock.now()
    row = News(key=key, kind=kind, data=data, happened_at=now, due_at=now, spread_at=now)
    News.objects.bulk_create([row], ignore_conflicts=True)
    news = News.objects.get(key=key)
    members = Membership.objects.filter(team__in=teams, user__is_active=True)
    people = set(members.values_list("user", flat=True))
    Notice.objects.bulk_create(
        [Notice(person_id=person, news=news, kind=kind, made_at=now) for person in people], ignore_conflicts=True
    )
