"""The page of drills: what was tried, how long it took, what comes next."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.requests import actor_of, person_of
from apps.console.forms import HaltDrillForm
from apps.core import clock
from apps.core.actor import Actor
from apps.core.paging import page_of
from apps.halts import services
from apps.halts.queries import drills_visible_to
from apps.registry.permissions import HALT
from apps.registry.queries import agents_visible_to, processes_where


@require_http_methods(["GET", "POST"])
def drills(request: HttpRequest) -> HttpResponse:
    """GET: the history. POST: plan a drill."""
    person_of(request)
    actor = actor_of(request)
    if request.method == "GET":
        return render(request, "halts/drills.html", _page(actor, HaltDrillForm(), request.GET.get("after")))
    form = HaltDrillForm(request.POST)
    if not form.is_valid():
        return render(request, "halts/drills.html", _page(actor, form, None), status=422)
    planned_for = form.cleaned_data["planned_for"] or clock.now()
    drill = services.schedule_drill(
        actor=actor,
        agent=form.cleaned_data["agent"],
        planned_for=planned_for,
        every_days=form.cleaned_data["every_days"] or 0,
    )
    messages.success(request, f"{drill} is planned.")
    return redirect("halt-drills")


@require_POST
def cancel(request: HttpRequest, drill_id: UUID) -> HttpResponse:
    """Take a planned drill back."""
    person_of(request)
    drill = services.cancel_drill(actor=actor_of(request), drill_id=drill_id)
    messages.success(request, f"{drill} is cancelled.")
    return redirect("halt-drills")


def _page(actor: Actor, form: HaltDrillForm, after: str | None) -> dict[str, Any]:
    haltable = processes_where(actor, HALT)
    return {
        "page": page_of(drills_visible_to(actor), cursor=after),
        "form": form,
        "agents": list(agents_visible_to(actor).filter(process__in=haltable).order_by("name")),
    }
