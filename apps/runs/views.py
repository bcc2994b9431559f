"""Runs: the list, and one run's timeline."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core import clock
from apps.core.errors import Invalid
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.registry.permissions import GOVERN
from apps.registry.queries import holds, require
from apps.runs import deadlines
from apps.runs.facts import above
from apps.runs.forms import ExtendForm
from apps.runs.models import Run, RunState
from apps.runs.queries import run_for, runs_visible_to, spans_of, version_of
from apps.runs.spent import split_of
from apps.runs.story import story_for
from apps.runs.timeline import timeline_of

STORY, TIMELINE = "story", "timeline"
READINGS = (STORY, TIMELINE)


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
    """The story, or the timeline. While the run is open the part is polled, and answers 204 as long as nothing new
    happened.
    """
    person_of(request)
    found = run_for(actor_of(request), run_id)
    version = version_of(found)
    if wants_partial(request) and request.GET.get("version") == version:
        return unchanged()
    context = _shown(request, found, version) | {"form": _extend_form(request, found)}
    return page_or_part(request, "runs/run.html", "runs/_reading.html", context)


@require_safe
def story_text(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The story as plain text."""
    person_of(request)
    actor = actor_of(request)
    story = story_for(actor, run_for(actor, run_id))
    return HttpResponse(story.text, content_type="text/plain; charset=utf-8")


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
    return render(request, "runs/run.html", _shown(request, found, "") | {"form": form}, status=422)


def _shown(request: HttpRequest, found: Run, version: str) -> dict[str, Any]:
    """One of the two readings, under the head that both share."""
    view, now = request.GET.get("view", STORY), clock.now()
    reading = view if view in READINGS else STORY
    halts = above().halts(actor_of(request), found)
    context: dict[str, Any] = {
        "run": found,
        "version": version,
        "reading": reading,
        "tabs": _tabs(found, reading),
        "parts": split_of(found, halts, now=now),
        "duration": (found.ended_at or now) - found.started_at,
        "cost": above().costs([found.id]).get(found.id),
    }
    if reading == STORY:
        return context | {"story": story_for(actor_of(request), found)}
    return context | {"timeline": timeline_of(found, spans_of(found), now=now)}


def _tabs(found: Run, reading: str) -> list[dict[str, Any]]:
    here = reverse("run", args=[found.id])
    return [
        {"label": _("Story"), "url": here, "current": reading == STORY, "count": None},
        {"label": _("Timeline"), "url": f"{here}?view={TIMELINE}", "current": reading == TIMELINE, "count": None},
    ]


def _extend_form(request: HttpRequest, found: Run) -> ExtendForm | None:
    """For owners, where there is something to extend."""
    return ExtendForm() if found.may_be_extended and holds(actor_of(request), GOVERN, found.process) else None
