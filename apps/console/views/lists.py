"""Agents and the audit log."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.queries import agent_rows, entries_visible_to
from apps.core.errors import Invalid
from apps.core.htmx import page_or_part
from apps.core.ids import parse_uuid
from apps.core.paging import page_of


@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """Every agent, what holds it and what it has under way."""
    person_of(request)
    return render(request, "agents/list.html", {"rows": agent_rows(actor_of(request))})


@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    """Newest first; `run`, `subject`, `actor` and `code` narrow it."""
    person_of(request)
    entries = entries_visible_to(actor_of(request))
    if run := request.GET.get("run"):
        run_id = parse_uuid(run)
        if run_id is None:
            raise Invalid("audit.bad_run", "That is not the id of a run.")
        entries = entries.filter(run_id=run_id)
    for name, column in (("subject", "subject_id"), ("actor", "actor_key"), ("code", "code")):
        if value := request.GET.get(name):
            entries = entries.filter(**{column: value})
    page = page_of(entries, cursor=request.GET.get("after"), order=("-seq",))
    filters = {name: request.GET.get(name, "") for name in ("run", "subject", "actor", "code")}
    return page_or_part(request, "audit/list.html", "audit/_rows.html", {"page": page, "filters": filters})
