"""The HTML face of seeing what a reported step carries: why, and then the content, on this one answer."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Conflict
from apps.gateway.views_reveal import RevealForm
from apps.telemetry.revealing import reveal_reported_payload, revealable_step


@require_http_methods(["GET", "POST"])
def reveal(request: HttpRequest, run_id: UUID, step_id: UUID) -> HttpResponse:
    """GET: the form. POST: what the step carried, which no other page then shows."""
    person_of(request)
    actor = actor_of(request)
    run, span = revealable_step(actor, run_id, step_id)
    form = RevealForm(request.POST) if request.method == "POST" else RevealForm()
    notice, found, status = None, None, 200
    if form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            found = reveal_reported_payload(actor=actor, run_id=run_id, step_id=step_id, reason=reason)
        except Conflict as refusal:
            notice, status = refusal, refusal.status
    elif form.is_bound:
        status = 422
    context = {"run": run, "span": span, "form": form, "found": found, "notice": notice, "step_id": step_id}
    response = render(request, "telemetry/reveal.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response
