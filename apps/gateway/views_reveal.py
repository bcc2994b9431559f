"""The HTML face of seeing what is masked: why, and then the content, on this one answer."""

from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Conflict
from apps.gateway import services
from apps.gateway.seen import may_be_revealed
from apps.gateway.services.revealing import MOST_REASON, revealable_call


class RevealForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why you need to see it"),
        max_length=MOST_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Say why you need to see it.")},
    )


@require_http_methods(["GET", "POST"])
def reveal(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """GET: the form. POST: what the call carried, which no other page then shows."""
    person_of(request)
    actor = actor_of(request)
    call = revealable_call(actor, call_id)
    form = RevealForm(request.POST) if request.method == "POST" else RevealForm()
    notice, found, status = None, None, 200
    if form.is_valid():
        try:
            found = services.reveal_payload(actor=actor, call_id=call_id, reason=form.cleaned_data["reason"])
        except Conflict as refusal:
            notice, status = refusal, refusal.status
    elif form.is_bound:
        status = 422
    context = {
        "call": call,
        "classes": ", ".join(sorted(may_be_revealed(actor, call))),
        "form": form,
        "found": found,
        "notice": notice,
    }
    response = render(request, "gateway/reveal.html", context, status=status)
    response["Cache-Control"] = "private, no-store"
    return response
