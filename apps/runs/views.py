"""Runs: the list, and one run's timeline."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core import clock
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.runs.models import RunState
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
    context = {"timeline": timeline_of(found, spans, now=clock.now()), "run": found, "version": version}
    return page_or_part(request, "runs/run.html", "runs/_timeline.html", context)
