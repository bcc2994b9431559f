"""The HTML face of what is kept, held and erased."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Invalid, MeshError, NotAllowed
from apps.core.paging import page_of
from apps.registry.permissions import DOES, RETAIN
from apps.registry.queries import holds_mesh_wide, process_named, processes_where
from apps.retention import services
from apps.retention.forms import HoldForm, ReasonForm, RuleForm
from apps.retention.queries import holds_visible_to, rules_visible_to
from apps.runs.queries import run_for


@require_http_methods(["GET", "POST"])
def retention(request: HttpRequest) -> HttpResponse:
    """The rules and the holds; POST sets a rule."""
    person_of(request)
    if request.method == "POST":
        return _set_rule(request)
    return _page(request, _rule_form(request), status=200)


def _set_rule(request: HttpRequest) -> HttpResponse:
    actor, form = actor_of(request), _rule_form(request, request.POST)
    if not form.is_for_somebody:
        raise NotAllowed("permission.missing", f"You may not {DOES[RETAIN]} anywhere.")
    if form.is_valid():
        given = form.cleaned_data
        process = process_named(actor, given["process"]) if given["process"] else None
        try:
            services.set_retention_rule(
                content=given["content"],
                data_class=given["data_class"],
                days=given["days"],
                process=process,
                actor=actor,
            )
        except Invalid as refusal:
            form.add_error(None, refusal.sentence)
        else:
            messages.success(request, _("The rule holds from now on."))
            return redirect("retention")
    return _page(request, form, status=422)


def _rule_form(request: HttpRequest, data: Any = None) -> RuleForm:
    actor = actor_of(request)
    processes = list(processes_where(actor, RETAIN).order_by("name"))
    return RuleForm(data, processes=processes, is_mesh_wide=holds_mesh_wide(actor, RETAIN))


def _page(request: HttpRequest, form: RuleForm, *, status: int) -> HttpResponse:
    actor = actor_of(request)
    context = {
        "rules": rules_visible_to(actor).order_by("content", "data_class", "process__name"),
        "page": page_of(holds_visible_to(actor), cursor=request.GET.get("after")),
        "form": form if form.is_for_somebody else None,
        "mine": {process.id for process in processes_where(actor, RETAIN)},
        "is_mesh_wide": holds_mesh_wide(actor, RETAIN),
    }
    return render(request, "retention/list.html", context, status=status)


@require_POST
def end_rule(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    person_of(request)
    services.end_retention_rule(rule_id=rule_id, actor=actor_of(request))
    messages.success(request, _("The rule was ended."))
    return redirect("retention")


@require_POST
def place_hold(request: HttpRequest) -> HttpResponse:
    """Of a run, or of a process."""
    person_of(request)
    actor, form = actor_of(request), HoldForm(request.POST)
    run = run_for(actor, form.cleaned_data["run_id"]) if form.is_valid() and form.cleaned_data["run_id"] else None
    if not form.is_valid():
        raise Invalid("retention.reason_missing", _("Say why it must be kept."))
    given = form.cleaned_data
    process = run.process if run else process_named(actor, given["process"])
    services.place_legal_hold(
        actor=actor, process=process, run=run, reason=given["reason"], expires_at=_end_of(given["until"])
    )
    messages.success(request, _("Nothing of it is erased from now on."))
    return redirect("run", run.id) if run else redirect("retention")


def _end_of(day: dt.date | None) -> dt.datetime | None:
    """The end of the day where its reader is."""
    if day is None:
        return None
    midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time())
    return timezone.make_aware(midnight, timezone.get_current_timezone())


@require_POST
def lift_hold(request: HttpRequest, hold_id: UUID) -> HttpResponse:
    person_of(request)
    form = ReasonForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    hold = services.lift_legal_hold(actor=actor_of(request), hold_id=hold_id, reason=reason)
    messages.success(request, _("The hold was lifted."))
    return redirect("run", hold.run_id) if hold.run_id else redirect("retention")


@require_POST
def erase_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    person_of(request)
    form = ReasonForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    try:
        erased = services.erase_run(actor=actor_of(request), run_id=run_id, reason=reason)
    except MeshError as refusal:
        if refusal.status in (403, 404):
            raise
        messages.error(request, refusal.sentence)
    else:
        count = sum(one.count for one in erased)
        messages.success(
            request, ngettext("%(n)s thing was erased.", "%(n)s things were erased.", count) % {"n": count}
        )
    return redirect("run", run_id)
