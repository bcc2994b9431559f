"""Reading budgets."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Exists, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Cast

from apps.accounts.models import Team
from apps.budgets.models import BREADTH, Budget, BudgetPeriod, Rate, RateScope, Reservation, RunHold, Scope
from apps.budgets.periods import period_at
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.ids import parse_uuid
from apps.registry.models import Process
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved scope: what it is, what it is called, and the one process it lies in, None of anything wider."""

    scope_type: Scope
    scope_id: str
    name: str
    process: Process | None = None

    @property
    def time_zone(self) -> str:
        """Where its days begin: a process knows, what is wider counts in UTC."""
        return self.process.time_zone if self.process else "UTC"


def target_for(actor: Actor, *, scope_type: str, reference: str, environment: str) -> Target:
    """Resolve a scope as people and programs write it. Raises NotFound for what the actor may not see."""
    found = _target(actor, Scope(scope_type), reference, environment) if "\0" not in reference else None
    if found is None:
        raise NotFound(
            "budget.scope_not_found", f"There is no {scope_type} {reference!r} in {environment} that you may see."
        )
    return found


def _target(actor: Actor, scope: Scope, reference: str, environment: str) -> Target | None:
    as_id = parse_uuid(reference)
    named = Q(id=as_id) if as_id else Q(slug=reference)
    if scope is Scope.MESH:
        return Target(scope, "", "the whole mesh")
    if scope is Scope.BUSINESS_UNIT:
        units = processes_visible_to(actor).filter(business_unit=reference).exclude(business_unit="")
        return Target(scope, reference, f"business unit {reference}") if units.exists() else None
    if scope is Scope.TEAM:
        team = _teams_visible_to(actor).filter(named).first()
        return Target(scope, str(team.id), team.name) if team else None
    if scope is Scope.PROCESS:
        process = processes_visible_to(actor).filter(named).first()
        return Target(scope, str(process.id), process.name, process) if process else None
    agent = agents_visible_to(actor).select_related("process").filter(named, environment=environment).first()
    return Target(scope, str(agent.id), agent.name, agent.process) if agent else None


def _teams_visible_to(actor: Actor) -> QuerySet[Team]:
    """The teams that own an agent the actor sees."""
    return Team.objects.filter(id__in=agents_visible_to(actor).values("owner_team"))


def budgets_visible_to(actor: Actor) -> QuerySet[Budget]:
    """A budget of the mesh is seen by whoever sees some process; any other by who sees what it covers."""
    processes = processes_visible_to(actor)
    return Budget.objects.filter(
        Q(Exists(processes), scope_type=Scope.MESH)
        | Q(scope_type=Scope.AGENT, scope_id__in=_texts(agents_visible_to(actor)))
        | Q(scope_type=Scope.PROCESS, scope_id__in=_texts(processes))
        | Q(scope_type=Scope.TEAM, scope_id__in=_texts(_teams_visible_to(actor)))
        | Q(scope_type=Scope.BUSINESS_UNIT, scope_id__in=processes.values("business_unit"))
    )


def _texts(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """Their ids as a budget names them."""
    texts: QuerySet[Any, Any] = rows.annotate(as_text=Cast("id", CharField())).values("as_text")
    return texts


def budget_for(actor: Actor, budget_id: UUID, *, lock: bool = False) -> Budget:
    """One budget this actor may see. Raises NotFound."""
    rows = budgets_visible_to(actor).filter(id=budget_id)
    budget = (rows.select_for_update(no_key=True) if lock else rows).first()
    if budget is None:
        raise NotFound("budget.not_found", "There is no such budget.")
    return budget


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget with its present counter and the alerts of this period; no counter for one that is kept per run."""

    budget: Budget
    counter: BudgetPeriod | None
    alerts: tuple[int, ...]

    @property
    def is_full(self) -> bool:
        return self.counter is not None and not self.counter.left


def standings_of(budgets: list[Budget]) -> list[Standing]:
    """How each stands now, in two queries for any number."""
    now = clock.now()
    wanted = {budget.id: period_at(budget, now, None) for budget in budgets}
    keys = {period.key for period in wanted.values() if period}
    rows = BudgetPeriod.objects.filter(budget__in=budgets, key__in=keys).prefetch_related("alerts")
    counters = {(row.budget_id, row.key): row for row in rows}
    found = []
    for budget in budgets:
        period = wanted[budget.id]
        counter = counters.get((budget.id, period.key)) if period else None
        alerts = tuple(alert.percent for alert in counter.alerts.all()) if counter else ()
        if period and counter is None:
            counter = BudgetPeriod(
                budget=budget, key=period.key, starts_at=period.starts_at, ends_at=period.ends_at, cap=budget.cap
            )
        found.append(Standing(budget, counter, alerts))
    return found


def in_reading_order(budgets: QuerySet[Budget]) -> QuerySet[Budget]:
    """In force first, from the wide to the narrow, then by name."""
    breadth = Case(
        *(When(scope_type=scope, then=Value(-rank)) for scope, rank in BREADTH.items()), output_field=IntegerField()
    )
    return budgets.order_by(breadth, "scope_name", "measure", "currency", "id")


def periods_of(budget: Budget) -> QuerySet[BudgetPeriod]:
    return budget.periods.prefetch_related("alerts").order_by("-starts_at", "-id")


def reservations_in(period: BudgetPeriod) -> QuerySet[Reservation]:
    return period.reservations.order_by("-id")


def rates_visible_to(actor: Actor) -> QuerySet[Rate]:
    """The rates of what this actor sees."""
    return Rate.objects.filter(
        Q(scope_type=RateScope.AGENT, scope_id__in=agents_visible_to(actor).values("id"))
        | Q(scope_type=RateScope.PROCESS, scope_id__in=processes_visible_to(actor).values("id"))
        | Q(scope_type=RateScope.TOOL, scope_id__in=tools_visible_to(actor).values("id"))
    )


def rate_for(actor: Actor, rate_id: UUID) -> Rate:
    """One rate this actor may see. Raises NotFound."""
    rate = rates_visible_to(actor).filter(id=rate_id).first()
    if rate is None:
        raise NotFound("rate.not_found", "There is no such rate.")
    return rate


def holds_visible_to(actor: Actor) -> QuerySet[RunHold]:
    """Held runs of the processes this actor sees."""
    return RunHold.objects.filter(process_id__in=processes_visible_to(actor).values("id"))
