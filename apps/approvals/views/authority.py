"""The settings: who votes for me while I am away, and who may approve how much by which rules."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.approvals import services
from apps.approvals.authority import process_rules
from apps.approvals.authority_forms import DelegationForm, tell
from apps.approvals.authority_pages import (
    absence_for,
    delegation_form,
    limit_form,
    may_lend,
    process_for,
    rules_form,
    settings_for,
)
from apps.approvals.models import ConsentRules
from apps.core.errors import Invalid, NotAllowed
from apps.core.money import Money
from apps.registry.permissions import GOVERN
from apps.registry.queries import require

View = Callable[..., HttpResponse]
PROCESS = "process-approvals"


def in_own_time(view: View) -> View:
    """For signed-in people; what they read and write are times of their own zone."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with timezone.override(ZoneInfo(person_of(request).time_zone)):
            return view(request, *args, **kwargs)

    return answer


@require_safe
@in_own_time
def settings_index(request: HttpRequest) -> HttpResponse:
    """What this person can set."""
    return render(request, "authority/settings.html", settings_for(actor_of(request)))


@require_http_methods(["GET", "POST"])
@in_own_time
def absence(request: HttpRequest) -> HttpResponse:
    """GET: who votes for me, and for whom I vote. POST: let someone vote for me."""
    actor = actor_of(request)
    is_lending = may_lend(actor)
    if request.method == "GET":
        return _absence(request, delegation_form(actor) if is_lending else None)
    if not is_lending:
        raise NotAllowed("delegation.nothing_to_lend", "You have no right to vote that you could lend.")
    form = delegation_form(actor, request.POST)
    if form.is_valid():
        try:
            delegation = services.delegate(actor=actor, **form.request)
            return _done(request, f"{delegation.receiver} can vote for you.", "absence")
        except Invalid as refusal:
            tell(form, refusal)
    return _absence(request, form, status=422)


def _absence(request: HttpRequest, form: DelegationForm | None, *, status: int = 200) -> HttpResponse:
    context = absence_for(actor_of(request), cursor=request.GET.get("after"))
    return render(request, "authority/absence.html", {**context, "form": form}, status=status)


@require_POST
@in_own_time
def delegation_end(request: HttpRequest, delegation_id: UUID) -> HttpResponse:
    """Take the right back, or give it back."""
    delegation = services.end_delegation(actor=actor_of(request), delegation_id=delegation_id)
    return _done(request, f"{delegation.receiver} no longer votes for {delegation.giver}.", "absence")


@require_http_methods(["GET", "POST"])
@in_own_time
def process_approvals(request: HttpRequest, process: str) -> HttpResponse:
    """GET: the limits and rules of a process. POST: change the rules."""
    actor = actor_of(request)
    rules = process_rules(actor, process)
    if request.method == "GET":
        return _process(request, rules)
    require(actor, GOVERN, rules.process)
    form = rules_form(rules, request.POST)
    if form.is_valid():
        try:
            return _changed(request, rules, form.changes)
        except Invalid as refusal:
            tell(form, refusal)
    return _process(request, rules, status=422, rules_form=form)


def _changed(request: HttpRequest, rules: ConsentRules, changes: dict[str, Any]) -> HttpResponse:
    if not changes:
        return _done(request, "Nothing was changed.", PROCESS, rules.process.slug)
    services.change_rules(actor=actor_of(request), process=rules.process.slug, **changes)
    return _done(request, "Saved. What waits already keeps its times.", PROCESS, rules.process.slug)


@require_POST
@in_own_time
def limit_set(request: HttpRequest, process: str) -> HttpResponse:
    """Add a line to the process's table, or replace the one about the same."""
    actor = actor_of(request)
    rules = process_rules(actor, process)
    require(actor, GOVERN, rules.process)
    form = limit_form(rules.process, request.POST)
    if form.is_valid():
        try:
            limit = services.set_limit(actor=actor, process=process, **form.request)
            most = Money(limit.limit_minor, limit.currency)
            return _done(request, f"{limit.team or limit.person} may approve up to {most}.", PROCESS, process)
        except Invalid as refusal:
            tell(form, refusal)
    return _process(request, rules, status=422, limit_form=form)


@require_POST
@in_own_time
def limit_end(request: HttpRequest, limit_id: UUID) -> HttpResponse:
    """Take a line out of its process's table."""
    limit = services.end_limit(actor=actor_of(request), limit_id=limit_id)
    said = f"Ended the limit of {limit.team or limit.person} in {limit.currency}."
    return _done(request, said, PROCESS, limit.process.slug)


def _process(request: HttpRequest, rules: ConsentRules, *, status: int = 200, **forms: Any) -> HttpResponse:
    context = process_for(actor_of(request), rules)
    return render(request, "authority/process.html", {**context, **forms}, status=status)


def _done(request: HttpRequest, said: str, page: str, *args: str) -> HttpResponse:
    messages.success(request, said)
    response = redirect(page, *args)
    response.status_code = HTTPStatus.SEE_OTHER
    return response
