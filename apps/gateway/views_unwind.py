"""The HTML face of undoing a run: what would happen, the button, and how far it has come."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.requests import actor_of, person_of
from apps.core.actor import Actor
from apps.core.errors import Conflict, MeshError
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.gateway import services
from apps.gateway.unwinds import UnwindPreview, unwind_preview
from apps.runs.queries import run_for


@require_http_methods(["GET", "POST"])
def run_unwind(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """GET: the preview, polled while an unwind is under way. POST: begin, go on after a stop, or join."""
    person_of(request)
    actor = actor_of(request)
    if request.method == "POST":
        return _begin(request, actor, run_id)
    found = unwind_preview(actor, run_for(actor, run_id))
    if wants_partial(request) and request.GET.get("version") == _version(found):
        return unchanged()
    return _page(request, found)


@require_POST
def call_compensate(request: HttpRequest, run_id: UUID, call_id: UUID) -> HttpResponse:
    """Undo one call of the run."""
    person_of(request)
    actor = actor_of(request)
    run = run_for(actor, run_id)
    try:
        intake = services.compensate_tool_call(actor=actor, call_id=call_id)
    except Conflict as refusal:
        return _page(request, unwind_preview(actor, run), notice=refusal, status=refusal.status)
    state = intake.call.get_state_display().lower()
    messages.success(request, f"Asked for what undoes it: {state}.")
    return redirect(reverse("run-unwind", args=[run_id]))


def _begin(request: HttpRequest, actor: Actor, run_id: UUID) -> HttpResponse:
    try:
        begun = services.unwind_run(actor=actor, run_id=run_id)
    except Conflict as refusal:
        found = unwind_preview(actor, run_for(actor, run_id))
        return _page(request, found, notice=refusal, status=refusal.status)
    messages.success(request, "Joined the undoing that is under way." if begun.is_joined else "Undoing has begun.")
    return redirect(reverse("run-unwind", args=[run_id]))


def _page(
    request: HttpRequest, found: UnwindPreview, *, notice: MeshError | None = None, status: int = 200
) -> HttpResponse:
    context = {"found": found, "run": found.run, "notice": notice, "version": _version(found)}
    return page_or_part(request, "gateway/unwind.html", "gateway/_unwind.html", context, status=status)


def _version(found: UnwindPreview) -> str:
    if found.latest is None:
        return "none"
    steps = "-".join(f"{step.state}.{step.compensation.state if step.compensation else ''}" for step in found.steps)
    return f"{found.latest.id}-{found.latest.state}-{steps}"
