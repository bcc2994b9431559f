"""Runs: the list, and one run's timeline."""

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core import clock
from apps.core.errors import Invalid, NotFound
from apps.core.export import CONTENT_TYPES, FORMATS, written
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.once import read_once
from apps.core.paging import page_of
from apps.registry.permissions import GOVERN
from apps.registry.queries import agents_visible_to, holds, processes_visible_to, require
from apps.runs import deadlines
from apps.runs.as_otlp import CONTENT_TYPE, otlp_of
from apps.runs.facts import above
from apps.runs.filters import RunFilter
from apps.runs.forms import ExtendForm
from apps.runs.listing import counted, export, rows_of
from apps.runs.models import Run, RunState, SpanOrigin, SpanStatus
from apps.runs.queries import run_for, span_for, version_of
from apps.runs.sections import sections_of
from apps.runs.sheet import sheet_of
from apps.runs.spent import split_of
from apps.runs.steps import Place, kinds, opened_step, reported_usage, row_of
from apps.runs.story import story_for
from apps.runs.telling import record
from apps.runs.timeline import CSV_COLUMNS, cells_of, feed_of, timeline_of

STORY, TIMELINE = "story", "timeline"
READINGS = (STORY, TIMELINE)
OTLP = "otlp.json"
# What the timeline's filters offer.
OF_TIMELINE = {
    "statuses": SpanStatus.choices,
    "origins": SpanOrigin.choices,
    "minimums": [(1000, "1 s"), (10_000, "10 s"), (60_000, "1 min"), (600_000, "10 min")],
}


@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """Newest first; the address narrows it."""
    person_of(request)
    actor = actor_of(request)
    query = RunFilter.parse(request.GET.dict())
    runs = query.apply(actor)
    page = page_of(runs, cursor=request.GET.get("after"))
    context = {
        "page": page,
        "rows": rows_of(page.items),
        "count": counted(runs, query, page, is_first=not request.GET.get("after")),
        "query": query,
        "asked": str(query),
        "states": RunState.choices,
        "processes": processes_visible_to(actor).order_by("name"),
        "agents": agents_visible_to(actor).order_by("name").only("slug", "name"),
    }
    return page_or_part(request, "runs/list.html", "runs/_rows.html", context)


@require_safe
def run_export(request: HttpRequest, format: str) -> HttpResponseBase:
    """Everything the filter in the address shows, as a file."""
    person_of(request)
    if (known := FORMATS.get(format)) is None:
        raise NotFound("page.not_found", "A list comes as csv or as jsonl.")
    query = RunFilter.parse(request.GET.dict())
    return _file(export(actor_of(request), query, known), f"runs.{known}", CONTENT_TYPES[known])


def _file(pieces: Iterator[bytes], name: str, content_type: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@read_once()
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
@read_once()
def timeline_feed(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The rows of the timeline as compact JSON, in pieces; 204 while the reader's `version` is still true."""
    person_of(request)
    actor = actor_of(request)
    found = run_for(actor, run_id)
    if request.GET.get("after"):
        feed = feed_of(actor, found, (), after=Place.parse(request.GET["after"]), version="")
    else:
        version = version_of(found)
        if request.GET.get("version") == version:
            return unchanged()
        feed = feed_of(actor, found, above().halts(actor, found), after=None, version=version)
    body = json.dumps(feed, ensure_ascii=False, separators=(",", ":")).encode()
    response = HttpResponse(content_type="application/json")
    response["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["Accept-Encoding"])
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        # at the least level it is a sixth already; nothing of the request is in it that could be guessed by its length
        body, response["Content-Encoding"] = gzip.compress(body, compresslevel=1), "gzip"
    response.content = body
    return response


@require_safe
def timeline_file(request: HttpRequest, run_id: UUID, format: str) -> HttpResponseBase:
    """Every step of the run as a file: csv, jsonl, otlp.json, or one html page that needs nothing else. That it was
    taken is in the log.
    """
    person_of(request)
    actor = actor_of(request)
    found = run_for(actor, run_id)
    known = FORMATS.get(format)
    if known is None and format not in ("html", OTLP):
        raise NotFound("page.not_found", "A timeline comes as csv, as jsonl, as otlp.json or as html.")
    with transaction.atomic():
        record(actor, "run.exported", found, data={"format": format})
    if format == OTLP:
        return _file(otlp_of(actor, found), f"run-{run_id}.{OTLP}", CONTENT_TYPE)
    if known is None:
        return _file(sheet_of(actor, found), f"run-{run_id}.html", "text/html; charset=utf-8")
    pieces = written(known, CSV_COLUMNS, cells_of(actor, found), asked=f"run={run_id}")
    return _file(pieces, f"run-{run_id}.{known}", CONTENT_TYPES[known])


@require_safe
def step(request: HttpRequest, run_id: UUID, step_id: UUID) -> HttpResponse:
    """What is known of one step. What its call carries is masked as for every reader of their rights; what an agent
    reported with it is shown to nobody by default.
    """
    person_of(request)
    actor = actor_of(request)
    found = run_for(actor, run_id)
    if opened := opened_step(actor, found, step_id):
        context = {"run": found, "step": opened.row, "opened": opened}
        return page_or_part(request, "runs/reported_step.html", "runs/_reported_step.html", context)
    shown = span_for(found, step_id)
    content = above().content(actor, shown.tool_call_id) if shown.tool_call_id else None
    context = {"run": found, "step": shown, "row": row_of(shown), "content": content}
    return page_or_part(request, "runs/step.html", "runs/_step.html", context)


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
        "cost": (cost := above().costs([found.id]).get(found.id)),
        "told": None if cost else reported_usage(found),
        "sections": sections_of(actor_of(request), found),
    }
    if reading == STORY:
        return context | {"story": story_for(actor_of(request), found)}
    after = Place.parse(request.GET["after"]) if request.GET.get("after") else None
    return context | {
        "timeline": timeline_of(actor_of(request), found, halts, after=after, now=now),
        "reader_zone": timezone.get_current_timezone_name(),
        "kinds": kinds(),
        **OF_TIMELINE,
    }


def _tabs(found: Run, reading: str) -> list[dict[str, Any]]:
    here = reverse("run", args=[found.id])
    return [
        {"label": _("Story"), "url": here, "current": reading == STORY, "count": None},
        {"label": _("Timeline"), "url": f"{here}?view={TIMELINE}", "current": reading == TIMELINE, "count": None},
    ]


def _extend_form(request: HttpRequest, found: Run) -> ExtendForm | None:
    """For owners, where there is something to extend."""
    return ExtendForm() if found.may_be_extended and holds(actor_of(request), GOVERN, found.process) else None
