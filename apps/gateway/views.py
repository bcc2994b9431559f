"""The HTML face of the gateway: approve with edits, and how the business systems do."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, confirmed_at, person_of
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval
from apps.approvals.queries import approval_for
from apps.approvals.views.parts import proof_url
from apps.core.actor import Actor
from apps.core.errors import Conflict, Halted, Invalid, MeshError, NotAllowed
from apps.core.htmx import page_or_part, wants_partial
from apps.gateway import services
from apps.gateway.connectors import connections_visible_to, reset_connector
from apps.gateway.forms import EditForm, ResetForm
from apps.gateway.models import ToolCall
from apps.gateway.queries import call_to_edit
from apps.gateway.stored import stored_request

# Refusals of this edit, not of this person.
OTHER_EDITS_MAY_DO = ("edit.denied", "approval.over_limit", "approval.step_up_needed")


@require_safe
def connectors(request: HttpRequest) -> HttpResponse:
    """Every system one works with, and what waits for it."""
    person_of(request)
    return render(request, "gateway/connectors.html", {"connections": connections_visible_to(actor_of(request))})


@require_POST
def connector_reset(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    person_of(request)
    form = ResetForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say how you know that the system is back."))
        return redirect("connectors")
    reset_connector(actor=actor_of(request), endpoint_id=endpoint_id, reason=form.cleaned_data["reason"])
    messages.success(request, _("The breaker is reset. What waited goes now."))
    return redirect("connectors")


@require_http_methods(["GET", "POST"])
def edit_approval(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """GET: the arguments as a form. POST: the edit; its answer is the card of the new version."""
    person_of(request)
    actor = actor_of(request)
    approval = approval_for(actor, approval_id)
    call = call_to_edit(approval)
    if request.method != "POST":
        _check_may_edit(actor, approval)
        return _page(request, approval, call, _form_for(approval, call))
    form = _form_for(approval, call, data=request.POST)
    if not form.is_valid():
        _check_may_edit(actor, approval)
        return _page(request, approval, call, form, status=422)
    try:
        outcome = services.edit_tool_call(
            actor=actor,
            approval_id=approval.id,
            digest=form.cleaned_data["digest"],
            arguments=form.arguments,
            comment=form.cleaned_data["comment"],
            undo_seconds=None,
            dwell_seconds=form.cleaned_data["dwell"],
            confirmed_at=confirmed_at(request),
        )
    except Invalid as refusal:
        form.add_refusal(refusal.sentence, refusal.details.get("errors", []))
        return _page(request, approval, call, form, status=refusal.status)
    except (Conflict, Halted, NotAllowed) as refusal:
        if isinstance(refusal, NotAllowed) and refusal.code not in OTHER_EDITS_MAY_DO:
            raise
        # the words a person typed are kept, whatever was wrong with them
        status = refusal.status if isinstance(refusal, Conflict) else Invalid.status
        return _page(request, approval, call, form, notice=refusal, status=status)
    return _new_card(request, outcome)


def _check_may_edit(actor: Actor, approval: Approval) -> None:
    refusal = services.refusal_of_edit(actor, approval)
    if refusal is not None:
        raise refusal


def _form_for(approval: Approval, call: ToolCall, **data: Any) -> EditForm:
    return EditForm(call.tool, stored_request(call).arguments, digest=approval.digest, **data)


def _page(
    request: HttpRequest,
    approval: Approval,
    call: ToolCall,
    form: EditForm,
    *,
    notice: MeshError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "approval": approval,
        "content": cards_of([approval], actor_of(request))[approval.id],
        "moves_money": call.tool.has_money,
        "form": form,
        "notice": notice,
        "url": reverse("approval-edit", args=[approval.id]),
        "card_url": reverse("approval", args=[approval.id]),
        "proof_url": proof_url(reverse("approval-edit", args=[approval.id])),
    }
    return page_or_part(request, "gateway/edit.html", "gateway/_edit.html", context, status=status)


def _new_card(request: HttpRequest, outcome: services.EditOutcome) -> HttpResponse:
    """The card of the new version: htmx fetches it into the place of the form, a plain form is sent on."""
    url = reverse("approval", args=[outcome.approval.id])
    if not wants_partial(request):
        messages.success(request, outcome.sentence)
        return redirect(url)
    response = HttpResponse(status=204)
    response["HX-Location"] = json.dumps({"path": url, "target": "#card", "swap": "outerHTML"})
    response["HX-Trigger"] = json.dumps({"refresh": True, "toast": {"text": outcome.sentence}})
    return response
