"""The HTML face of how a call was decided."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.gateway.explained import explained
from apps.gateway.queries import call_for


@require_safe
def call_decisions(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """Each decision on a call: when it was asked for, when it was changed, when it was released."""
    person_of(request)
    actor = actor_of(request)
    call = call_for(actor, call_id)
    decisions = list(call.decisions.order_by("id"))
    context = {"call": call, "decisions": explained(actor, call, decisions)}
    response = render(request, "gateway/decisions.html", context)
    response["Cache-Control"] = "private, no-store"
    return response
