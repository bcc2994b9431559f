"""The HTML face of calls whose outcome nobody knows: the queue, one call, and what a person found out."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Conflict, Invalid, MeshError
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.gateway import services
from apps.gateway.forms_unknown import ResolutionForm
from apps.gateway.models import Finding
from apps.gateway.queries import call_for, unknown_calls
from apps.gateway.unknown import UnknownCall, recently_resolved, stakes_of, told, unknown_for, with_makers

SAID = {
    Finding.HAPPENED: "Noted: it happened. The agent is told.",
    Finding.DID_NOT_HAPPEN: "Noted: it did not happen. The agent is told.",
    Finding.STILL_UNKNOWN: "Noted.",
}


@require_safe
def unknown_list(request: HttpRequest) -> HttpResponse:
    """Oldest first, with the money at stake; below it what people settled lately."""
    person_of(request)
    actor = actor_of(request)
    calls = unknown_calls(actor)
    page = page_of(with_makers(calls), cursor=request.GET.get("after"), order=("id",))
    stakes = stakes_of(calls)
    version = f"{stakes.count}-{page.items[-1].id if page.items else ''}"
    if wants_partial(request) and request.GET.get("version") == version:
        return unchanged()
    context = {
        "rows": told(actor, page.items),
        "page": page,
        "stakes": stakes,
        "resolved": recently_resolved(actor),
        "version": version,
    }
    return page_or_part(request, "gateway/unknown_list.html", "gateway/_unknown_rows.html", context)


@require_safe
def unknown_call(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """One call with everything that may help to find out. Polled while the system is being asked."""
    person_of(request)
    found = unknown_for(actor_of(request), call_id)
    if wants_partial(request) and request.GET.get("version") == _version(found):
        return unchanged()
    return _page(request, found, ResolutionForm())


@require_POST
def resolve(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """Settle it, or have the system asked once more."""
    person_of(request)
    actor = actor_of(request)
    call_for(actor, call_id)
    form = ResolutionForm(request.POST)
    notice = None
    if form.is_valid():
        try:
            made = services.resolve_tool_call(actor=actor, call_id=call_id, evidence=form.evidence())
        except Invalid as refusal:
            form.add_refusal(refusal.sentence, refusal.details.get("errors", []))
        except Conflict as refusal:
            notice = refusal
        else:
            messages.success(request, SAID[Finding(made.finding)])
            return redirect(reverse("unknown-outcome", args=[call_id]))
    found = unknown_for(actor, call_id)
    return _page(request, found, form, notice=notice, status=notice.status if notice else Invalid.status)


def _page(
    request: HttpRequest,
    found: UnknownCall,
    form: ResolutionForm,
    *,
    notice: MeshError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"found": found, "form": form, "notice": notice, "version": _version(found)}
    return page_or_part(request, "gateway/unknown_call.html", "gateway/_unknown_call.html", context, status=status)


def _version(found: UnknownCall) -> str:
    return f"{found.call.state}-{len(found.steps)}-{found.is_being_asked:d}"
