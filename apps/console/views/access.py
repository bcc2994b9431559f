"""Who can do what: of one agent, and of all that one set of policies decides about; as pages and as files."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.export import CONTENT_TYPES, written
from apps.policies.queries import set_for
from apps.policies.who_may import COLUMNS, MOST_SHOWN, Right, by_tool, rights_of_agent, rights_under


@require_safe
def agent_access(request: HttpRequest, slug: str) -> HttpResponse:
    """What one agent may do, tool by tool."""
    person_of(request)
    agent, rights = rights_of_agent(actor_of(request), slug)
    return render(request, "agents/access.html", {"agent": agent, "rights": rights})


@require_safe
def agent_access_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The same as a file."""
    person_of(request)
    _, rights = rights_of_agent(actor_of(request), slug)
    return _file(rights, f"access-{slug}", f"agent {slug}")


@require_safe
def set_access(request: HttpRequest, slug: str) -> HttpResponse:
    """Who can do what under one set, tool by tool."""
    person_of(request)
    found = set_for(actor_of(request), slug)
    rights = rights_under(actor_of(request), found)
    context = {"policy_set": found, "tools": by_tool(rights[:MOST_SHOWN]), "most": MOST_SHOWN, "count": len(rights)}
    return render(request, "policies/access.html", context)


@require_safe
def set_access_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The same as a file, all of it."""
    person_of(request)
    actor = actor_of(request)
    return _file(rights_under(actor, set_for(actor, slug)), f"access-{slug}", f"policies {slug}")


def _file(rights: Iterable[Right], name: str, asked: str) -> HttpResponseBase:
    rows = (right.as_row() for right in rights)
    response = StreamingHttpResponse(written("csv", COLUMNS, rows, asked=asked), content_type=CONTENT_TYPES["csv"])
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response
