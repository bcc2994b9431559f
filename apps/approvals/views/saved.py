"""How a person looks at the queue: the form behind its chips, and the lists they keep under a name."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.approvals.forms import SavedViewForm
from apps.approvals.inbox import query_of
from apps.approvals.models import ApprovalState, Risk, Urgency
from apps.approvals.services import queue
from apps.approvals.views.parts import shown_by
from apps.core.htmx import page_or_part
from apps.registry.queries import agents_visible_to, processes_visible_to

SORT_LABELS = {
    "queue": gettext_lazy("Most pressing first"),
    "due": gettext_lazy("Expires first"),
    "amount": gettext_lazy("Largest amount first"),
    "newest": gettext_lazy("Newest first"),
    "oldest": gettext_lazy("Oldest first"),
}


@require_safe
def narrow(request: HttpRequest) -> HttpResponse:
    """Every condition the list can have, as a form that leads back to it."""
    person_of(request)
    actor = actor_of(request)
    shown = shown_by(request)
    processes = list(processes_visible_to(actor).order_by("name"))
    context: dict[str, Any] = {
        "shown": shown,
        "given": dict(parse_qsl(str(shown))),
        "risks": Risk.choices,
        "urgencies": [(urgency.name.lower(), urgency.label) for urgency in Urgency],
        "states": ApprovalState.choices,
        "processes": processes,
        "agents": agents_visible_to(actor).order_by("name"),
        "currencies": sorted({currency for process in processes for currency in process.currencies}),
        "sorts": SORT_LABELS.items(),
    }
    return page_or_part(request, "approvals/filter.html", "approvals/_filter_sheet.html", context)


@require_http_methods(["GET", "POST"])
def keep(request: HttpRequest) -> HttpResponse:
    """GET: the form that gives the list a name. POST: keep it."""
    person = person_of(request)
    actor = actor_of(request)
    shown = shown_by(request)
    form = SavedViewForm(request.POST if request.method == "POST" else None)
    context = {
        "shown": shown,
        "query": query_of(shown),
        "chips": shown.chips(reverse("inbox")),
        "form": form,
        "teams": person.teams.order_by("name"),
    }
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return page_or_part(request, "approvals/keep.html", "approvals/_keep_sheet.html", context, status=status)
    view = queue.save_view(
        actor=actor,
        name=form.cleaned_data["name"],
        query=str(shown),
        team=form.cleaned_data["team"] or None,
        is_default=form.cleaned_data["is_default"],
    )
    messages.success(request, _("Saved as “%(name)s”.") % {"name": view.name})
    return redirect(shown.url(reverse("inbox")))


@require_POST
def forget(request: HttpRequest, view_id: UUID) -> HttpResponse:
    """Delete one of one's own."""
    person_of(request)
    queue.delete_view(actor=actor_of(request), view_id=view_id)
    messages.success(request, _("The view is deleted."))
    return redirect(shown_by(request).url(reverse("inbox")))
