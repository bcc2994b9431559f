"""The HTML face of budgets: how each stands, what holds it, and the forms that set and end one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.budgets import services
from apps.budgets.models import Budget, BudgetPeriod, Reservation, ReservationState, Source
from apps.budgets.queries import (
    Standing,
    budget_for,
    budgets_visible_to,
    holds_visible_to,
    in_reading_order,
    periods_of,
    rates_visible_to,
    reservations_in,
    standings_of,
)
from apps.console.budget_forms import BudgetForm, BudgetReasonForm
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotFound
from apps.core.ids import parse_uuid
from apps.core.paging import page_of
from apps.gateway.models import ToolCall
from apps.gateway.queries import calls_visible_to
from apps.registry.permissions import HALT
from apps.registry.queries import agents_visible_to, processes_visible_to, processes_where

PERIODS_SHOWN = 12
HOLDS_SHOWN = 20
# An SVG bar is drawn in hundredths of its length.
WHOLE = 100


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a meter: where it begins and how long it is, in percent of the cap."""

    kind: str
    start: float
    share: float


@require_http_methods(["GET", "POST"])
def budgets(request: HttpRequest) -> HttpResponse:
    """GET: how every budget stands, and the runs that are held. POST: set one."""
    person_of(request)
    if request.method == "POST":
        return _set(request)
    actor = actor_of(request)
    in_force = list(in_reading_order(budgets_visible_to(actor).filter(ended_at=None)))
    ended = page_of(budgets_visible_to(actor).exclude(ended_at=None), cursor=request.GET.get("after"))
    held = holds_visible_to(actor).filter(released_at=None).order_by("-id")[:HOLDS_SHOWN]
    startable = set(processes_where(actor, HALT).values_list("id", flat=True))
    context = {
        "rows": [(standing, meter_of(standing.counter)) for standing in standings_of(in_force)],
        "ended": ended,
        "rates": rates_visible_to(actor).filter(ended_at=None).order_by("scope_name", "id"),
        "holds": [(hold, hold.process_id in startable) for hold in held],
    }
    return render(request, "budgets/list.html", context)


@require_safe
def new_budget(request: HttpRequest) -> HttpResponse:
    """The form that sets a budget."""
    person_of(request)
    return render(request, "budgets/new.html", {"form": _form(actor_of(request), initial=request.GET.dict())})


@require_safe
def budget(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    """One budget: how it stands, its periods, and every call that a period's numbers are made of."""
    person_of(request)
    actor = actor_of(request)
    return render(request, "budgets/budget.html", _shown(request, actor, budget_for(actor, budget_id)))


@require_POST
def end_budget(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    """End a budget."""
    person_of(request)
    actor = actor_of(request)
    form = BudgetReasonForm(request.POST)
    if not form.is_valid():
        context = _shown(request, actor, budget_for(actor, budget_id), form=form)
        return render(request, "budgets/budget.html", context, status=422)
    ended = services.end_budget(actor=actor, budget_id=budget_id, reason=form.cleaned_data["reason"])
    messages.success(request, f"Ended: {ended}.")
    return redirect("budget", ended.id)


@require_POST
def release_run(request: HttpRequest, hold_id: UUID) -> HttpResponse:
    """Let a held run go on."""
    person_of(request)
    hold = services.release_run(actor=actor_of(request), hold_id=hold_id, reason=request.POST.get("reason", "")[:500])
    messages.success(request, f"The run of {hold.agent_name} may go on.")
    return redirect("budgets")


def meter_of(counter: BudgetPeriod | None) -> list[Part]:
    """Settled, reserved and overrun as shares of the cap. What is beyond it fills the bar and no more."""
    if counter is None:
        return []
    whole = max(counter.cap, counter.used, 1)
    parts, start = [], 0.0
    for kind, amount in (("compute", counter.settled), ("system", counter.reserved), ("halted", counter.overrun)):
        share = WHOLE * amount / whole
        parts.append(Part(kind, start, share))
        start += share
    return [part for part in parts if part.share]


def _set(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = _form(actor, request.POST)
    if form.is_valid():
        try:
            made = services.set_budget(actor=actor, wanted=form.wanted)
        except Invalid as error:
            form.add_refusal(error)
        else:
            messages.success(request, f"In force: {made}.")
            return redirect("budget", made.id)
    return render(request, "budgets/new.html", {"form": form}, status=422)


def _form(actor: Actor, data: Any = None, *, initial: dict[str, Any] | None = None) -> BudgetForm:
    """With everything the person may name."""
    processes = list(processes_visible_to(actor).order_by("name"))
    agents = agents_visible_to(actor).select_related("owner_team").order_by("name")
    teams = {agent.owner_team_id: agent.owner_team.name for agent in agents}
    units = sorted({process.business_unit for process in processes if process.business_unit})
    scopes = [
        ("Agents", [(f"agent:{agent.id}", f"{agent.name} ({agent.environment})") for agent in agents]),
        ("Processes", [(f"process:{process.id}", process.name) for process in processes]),
        ("Teams", [(f"team:{team}", name) for team, name in sorted(teams.items(), key=lambda item: item[1])]),
        ("Business units", [(f"business_unit:{unit}", unit) for unit in units]),
        ("Mesh", [("mesh:", "The whole mesh")]),
    ]
    currencies = sorted({currency for process in processes for currency in process.currencies})
    return BudgetForm(data, scopes=[group for group in scopes if group[1]], currencies=currencies, initial=initial)


@dataclass(frozen=True, slots=True)
class Line:
    """One reservation with the call behind it, where this person may see that."""

    reservation: Reservation
    call: ToolCall | None
    amount: str


def _shown(request: HttpRequest, actor: Actor, found: Budget, **extra: Any) -> dict[str, Any]:
    [standing] = standings_of([found])
    periods = list(periods_of(found)[:PERIODS_SHOWN])
    period = _chosen(request, found, standing, periods)
    context = {
        "budget": found,
        "standing": standing,
        "meter": meter_of(standing.counter),
        "periods": periods,
        "period": period,
        "may_govern": services.may_govern(actor, services.target_of(actor, found)),
        "form": BudgetReasonForm(),
    }
    if period is not None:
        rows = reservations_in(period)
        state = request.GET.get("state", "")
        if state in ReservationState.values:
            rows = rows.filter(state=state)
        page = page_of(rows, cursor=request.GET.get("after"))
        context |= {"page": page, "lines": _lines(actor, found, page.items), "state": state}
    return context | extra


def _chosen(
    request: HttpRequest, found: Budget, standing: Standing, periods: list[BudgetPeriod]
) -> BudgetPeriod | None:
    """The period whose lines are shown: the one asked for, else the present one, else the latest."""
    if asked := request.GET.get("period"):
        period_id = parse_uuid(asked)
        period = found.periods.filter(id=period_id).first() if period_id else None
        if period is None:
            raise NotFound("budget.period_not_found", "This budget has no such period.")
        return period
    if standing.counter is not None and not standing.counter._state.adding:
        return standing.counter
    return periods[0] if periods and standing.counter is None else None


def _lines(actor: Actor, found: Budget, rows: list[Reservation]) -> list[Line]:
    ids = [row.source_id for row in rows if row.source_type == Source.TOOL_CALL]
    calls = {call.id: call for call in calls_visible_to(actor).filter(id__in=ids)}
    return [
        Line(
            row, calls.get(row.source_id), found.shown(row.amount if row.settled_amount is None else row.settled_amount)
        )
        for row in rows
    ]
