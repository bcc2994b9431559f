"""The HTML face of exceptions to policies: the list of a set with the form, one with its uses, revoking it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.policy_forms import ExceptionForm
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.paging import page_of
from apps.gateway.queries import uses_of
from apps.policies import services
from apps.policies.exception_consent import sentence_of_exception
from apps.policies.exception_queries import exception_for, exceptions_of, may_end
from apps.policies.history import setting_of, spoken
from apps.policies.models import ExceptionState, PolicyException, PolicySet
from apps.policies.queries import content_of, live_releases, may_write, require_writer, set_for
from apps.policies.services.exceptions import OPEN, rules_to_except
from apps.policies.services.requests import ORDER
from apps.registry.queries import agents_visible_to, tools_visible_to


@require_http_methods(["GET", "POST"])
def exceptions(request: HttpRequest, slug: str) -> HttpResponse:
    """GET: the exceptions to a set, and the form for one more. POST: ask for it."""
    person_of(request)
    actor = actor_of(request)
    found = set_for(actor, slug)
    if request.method == "GET":
        context = _page(actor, found, request.GET.get("environment", ""), request.GET.get("after"))
        return render(request, "policies/exceptions.html", context)
    return _ask(request, actor, found)


@require_safe
def exception(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """One exception and every call it let pass."""
    person_of(request)
    context = _one(actor_of(request), exception_id, request.GET.get("after"))
    return render(request, "policies/exception.html", context)


@require_POST
def revoke(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """End one at once, or take the wish for it back."""
    person_of(request)
    actor = actor_of(request)
    try:
        reason = request.POST.get("reason", "")
        row = services.revoke_exception(actor=actor, exception_id=exception_id, reason=reason)
    except Invalid as error:
        context = _one(actor, exception_id, None) | {"notice": error}
        return render(request, "policies/exception.html", context, status=error.status)
    is_revoked = row.state == ExceptionState.REVOKED
    messages.success(request, "Revoked: the next call is decided without it." if is_revoked else "Taken back.")
    return redirect("policy-exception", exception_id)


def _ask(request: HttpRequest, actor: Actor, found: PolicySet) -> HttpResponse:
    require_writer(actor, found.process)
    environment = request.POST.get("environment", "")
    form = ExceptionForm(request.POST, **_choices(actor, found, environment))
    try:
        if form.is_valid():
            asked = services.request_exception(
                actor=actor, policy_set=found.slug, environment=environment, **form.cleaned_data
            )
            messages.success(request, "Sent for review. A second person decides.")
            return redirect("policy-exception", asked.id)
        notice, status = None, 422
    except (Invalid, Conflict, NotFound) as error:
        notice, status = error, error.status
    context = _page(actor, found, environment, None) | {"form": form, "notice": notice}
    return render(request, "policies/exceptions.html", context, status=status)


def _choices(actor: Actor, found: PolicySet, environment: str) -> dict[str, Any]:
    release = live_releases(found).get(environment)
    said = {name: sentence for name, sentence, _ in spoken(content_of(release), setting_of(found))} if release else {}
    agents = agents_visible_to(actor).filter(environment=environment).order_by("name")
    if found.process is not None:
        agents = agents.filter(process=found.process)
    return {
        "rules": [(name, said.get(name, name)) for name in rules_to_except(release)] if release else [],
        "agents": list(agents.values_list("slug", "name")),
        "tools": list(tools_visible_to(actor).order_by("title").values_list("name", "title")),
        "needs_agent": found.process is None,
    }


def _page(actor: Actor, found: PolicySet, environment: str, cursor: str | None) -> dict[str, Any]:
    live = live_releases(found)
    places = [each.value for each in ORDER if each in live]
    chosen = environment if environment in places else (places[-1] if places else "")
    page = page_of(exceptions_of(actor, found), cursor=cursor)
    writes = may_write(actor, found.process)
    return {
        "policy_set": found,
        "page": page,
        "rows": [(row, sentence_of_exception(row)) for row in page.items],
        "may_write": writes and bool(places),
        "environments": places,
        "environment": chosen,
        "form": ExceptionForm(**_choices(actor, found, chosen)) if writes and places else None,
    }


def _one(actor: Actor, exception_id: UUID, cursor: str | None) -> dict[str, Any]:
    row = exception_for(actor, exception_id)
    said = {name: words for name, words, _ in spoken(content_of(row.release), setting_of(row.release.policy_set))}
    return {
        "exception": row,
        "title": sentence_of_exception(row),
        "rules": [(name, said.get(name, "")) for name in row.rules],
        "page": page_of(uses_of(actor, row), cursor=cursor),
        "may_revoke": _may_revoke(actor, row),
    }


def _may_revoke(actor: Actor, row: PolicyException) -> bool:
    if row.state == ExceptionState.WAITING:
        return may_write(actor, row.release.policy_set.process)
    return row.state in OPEN and may_end(actor, row.process)
