"""The HTML face of what agents keep with a run."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.artifacts import services
from apps.artifacts.api import version_number
from apps.artifacts.api_artifacts import attachment
from apps.artifacts.queries import artifact_for, may_reveal, version_for, versions_of
from apps.artifacts.services.reading import revealable_run
from apps.artifacts.shown import as_text, shown_state
from apps.core.errors import MeshError
from apps.core.once import read_once
from apps.core.paging import page_of
from apps.gateway.views_reveal import RevealForm
from apps.runs.queries import run_for

WHOLE = 1024 * 1024


@require_safe
@read_once()
def state(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One version of the state, the newest unless the address names another, and all there are."""
    person_of(request)
    actor = actor_of(request)
    run = run_for(actor, run_id)
    version = version_for(run, version_number(request.GET.get("version", "")))
    context = {
        "run": run,
        "state": shown_state(actor, run, version, most=WHOLE),
        "page": page_of(versions_of(run), cursor=request.GET.get("after"), order=("-number",)),
    }
    response = render(request, "runs/state.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_http_methods(["GET", "POST"])
def reveal_state(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """GET: the form. POST: the document, which no other page then shows."""
    person_of(request)
    actor = actor_of(request)
    run = revealable_run(actor, run_id)
    version = version_for(run, version_number(request.GET.get("version", "")))

    def reveal(reason: str) -> HttpResponse:
        _version, document = services.reveal_state(actor=actor, run_id=run_id, number=version.number, reason=reason)
        return render(request, "runs/reveal.html", context | {"text": as_text(document), "reason": reason})

    context = {
        "run": run,
        "what": _("State, version %(number)s") % {"number": version.number},
        "data_class": version.data_class,
        "can": may_reveal(actor, run, version.data_class),
    }
    return _asked(request, context, reveal)


@require_safe
def download(request: HttpRequest, run_id: UUID, artifact_id: UUID) -> HttpResponseBase:
    """The file, for whoever sees its class."""
    person_of(request)
    actor = actor_of(request)
    return attachment(*services.open_artifact(actor=actor, run=run_for(actor, run_id), artifact_id=artifact_id))


@require_http_methods(["GET", "POST"])
def reveal_artifact(request: HttpRequest, run_id: UUID, artifact_id: UUID) -> HttpResponseBase:
    """GET: the form. POST: the file."""
    person_of(request)
    actor = actor_of(request)
    run = revealable_run(actor, run_id)
    artifact = artifact_for(run, artifact_id)

    def reveal(reason: str) -> HttpResponseBase:
        found = services.reveal_artifact(actor=actor, run_id=run_id, artifact_id=artifact_id, reason=reason)
        return attachment(*found)

    context = {
        "run": run,
        "what": artifact.name,
        "data_class": artifact.data_class,
        "can": may_reveal(actor, run, artifact.data_class),
    }
    return _asked(request, context, reveal)


def _asked(
    request: HttpRequest, context: dict[str, Any], reveal: Callable[[str], HttpResponseBase]
) -> HttpResponseBase:
    form = RevealForm(request.POST) if request.method == "POST" else RevealForm()
    notice, status = None, 422 if form.is_bound else 200
    if form.is_valid():
        try:
            response = reveal(form.cleaned_data["reason"])
        except MeshError as refusal:
            notice, status = refusal, refusal.status
        else:
            response["Cache-Control"] = "private, no-store"
            return response
    shown = render(request, "runs/reveal.html", {**context, "form": form, "notice": notice}, status=status)
    shown["Cache-Control"] = "private, no-store"
    return shown
