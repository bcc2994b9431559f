"""Runs: the list, and one run's timeline."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core import clock
from apps.core.errors import Invalid
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.registry.permissions import GOVERN
from apps.registry.queries import holds, require
from apps.runs import deadlines
from apps.runs.forms import ExtendForm
from apps.runs.models import Run, RunState, Span
from apps.runs.queries import run_for, runs_visible_to, spans_of
from apps.runs.timeline import timeline_of


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """Newest first; `state` and `q` (a business key or words of the title) narrow it."""
    person_of(request)
    runs = runs_visible_to(actor_of(request))
    state, words = request.GET.get("state", ""), request.GET.get("q", "").strip()
    if state in RunState.values:
        runs = runs.filter(state=state)
    if words:
        runs = runs.filter(business_key__iexact=words) | runs.filter(title__icontains=words)
    context = {
        "page": page_of(runs, cursor=request.GET.get("after")),
        "states": RunState.choices,
        "state": state,
        "q": words,
    }
    return page_or_part(request, "runs/list.html", "runs/_rows.html", context)


@require_safe
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The timeline. While the run is open the part is polled, and answers 204 as long as nothing new happened."""
    person_of(request)
    found = run_for(actor_of(request), run_id)
    spans = spans_of(found)
    version = f"{found.state}-{len(spans)}-{sum(span.ended_at is not None for span in spans)}"
    if wants_partial(request) and request.GET.get("version") == version:
        return unchanged()
    context = _shown(found, spans, version) | {"form": _extend_form(request, found)}
    return page_or_part(request, "runs/run.html", "runs/_timeline.html", context)


@require_POST
def extend_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Give a run more time."""
    person_of(request)
    form = ExtendForm(request.POST)
    if form.is_valid():
        until = clock.now() + dt.timedelta(seconds=form.cleaned_data["seconds"])
        reason = form.cleaned_data["reason"]
        try:
            deadlines.extend_run(actor=actor_of(request), run_id=run_id, until=until, reason=reason)
        except Invalid as error:
            form.add_error(None, error.sentence)
        else:
            messages.success(request, "The run may take longer.")
            return redirect("run", run_id)
    found = run_for(actor_of(request), run_id)
    require(actor_of(request), GOVERN, found.process)
    return render(request, "runs/run.html", _shown(found, spans_of(found), "") | {"form": form}, status=422)


def _shown(found: Run, spans: list[Span], version: str) -> dict[str, Any]:
    return {"timeline": timeline_of(found, spans, now=clock.now()), "run": found, "version": version}


def _extend_form(request: HttpRequest, found: Run) -> ExtendForm | None:
    """For owners, where there is something to extend."""
    return ExtendForm() if found.may_be_extended and holds(actor_of(request), GOVERN, found.process) else None
