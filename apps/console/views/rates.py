"""The HTML face of rates: how one does, and the forms that set, change and end it. The list stands with budgets."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.budgets import services
from apps.budgets.models import Rate
from apps.budgets.queries import rate_for
from apps.console.rate_forms import RateForm, RateReasonForm, initial_of
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to


@require_safe
def new_rate(request: HttpRequest) -> HttpResponse:
    """The form that sets a rate."""
    person_of(request)
    return render(request, "budgets/rate_new.html", {"form": _form(actor_of(request))})


@require_POST
def set_rate(request: HttpRequest) -> HttpResponse:
    """Set a rate, or another in the place of the one that was looked at."""
    person_of(request)
    actor = actor_of(request)
    form = _form(actor, request.POST)
    status = 422
    if form.is_valid():
        try:
            made = services.set_rate(actor=actor, wanted=form.wanted, instead_of=form.seen)
        except (Invalid, Conflict) as error:
            form.add_refusal(error)
            status = error.status
        else:
            messages.success(request, f"In force: {made}.")
            return redirect("rate", made.id)
    return render(request, "budgets/rate_new.html", {"form": form}, status=status)


@require_safe
def rate(request: HttpRequest, rate_id: UUID) -> HttpResponse:
    """One rate: what it lets through, what it turned away, and how to change or end it."""
    person_of(request)
    actor = actor_of(request)
    return render(request, "budgets/rate.html", _shown(actor, rate_for(actor, rate_id)))


@require_POST
def end_rate(request: HttpRequest, rate_id: UUID) -> HttpResponse:
    """End a rate."""
    person_of(request)
    actor = actor_of(request)
    form = RateReasonForm(request.POST)
    if not form.is_valid():
        return render(request, "budgets/rate.html", _shown(actor, rate_for(actor, rate_id), end_form=form), status=422)
    ended = services.end_rate(actor=actor, rate_id=rate_id, reason=form.cleaned_data["reason"])
    messages.success(request, f"Ended: {ended}.")
    return redirect("rate", ended.id)


def _shown(actor: Actor, found: Rate, **extra: Any) -> dict[str, Any]:
    may_change = found.ended_at is None and services.may_govern_rate(actor, found)
    return {
        "rate": found,
        "form": _form(actor, initial=initial_of(found)) if may_change else None,
        "end_form": RateReasonForm(),
    } | extra


def _form(actor: Actor, data: Any = None, *, initial: dict[str, Any] | None = None) -> RateForm:
    """With everything the person may name."""
    agents = agents_visible_to(actor).order_by("name")
    tools = tools_visible_to(actor).order_by("name")
    processes = processes_visible_to(actor).order_by("name")
    scopes = [
        ("Agents", [(f"agent:{agent.id}", f"{agent.name} ({agent.environment})") for agent in agents]),
        ("Tools", [(f"tool:{tool.id}", tool.name) for tool in tools]),
        ("Processes", [(f"process:{process.id}", process.name) for process in processes]),
    ]
    return RateForm(data, scopes=[group for group in scopes if group[1]], initial=initial)
