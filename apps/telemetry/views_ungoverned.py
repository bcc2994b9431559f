"""The HTML face of ungoverned actions: the list, one of them with its executions, and what a person says it was."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Conflict, MeshError
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.registry.permissions import OPERATE
from apps.registry.queries import holds
from apps.telemetry.forms import AcknowledgeForm
from apps.telemetry.models import UngovernedAction
from apps.telemetry.ungoverned import (
    acknowledge_ungoverned_action,
    action_for,
    actions_visible_to,
    shown_executions,
)


@require_safe
def ungoverned_list(request: HttpRequest) -> HttpResponse:
    """Those that nobody has acknowledged, newest first; `state=acknowledged` shows the others."""
    person_of(request)
    is_open = request.GET.get("state") != "acknowledged"
    actions = actions_visible_to(actor_of(request)).filter(acknowledged_at__isnull=is_open)
    page = page_of(actions, cursor=request.GET.get("after"))
    version = "-".join(f"{one.id.hex[:12]}.{one.execution_count}" for one in page.items[:1]) + f"-{len(page.items)}"
    if wants_partial(request) and request.GET.get("version") == version:
        return unchanged()
    url = reverse("ungoverned-actions")
    tabs = [
        {"label": _("Open"), "url": url, "current": is_open, "count": None},
        {"label": _("Acknowledged"), "url": f"{url}?state=acknowledged", "current": not is_open, "count": None},
    ]
    context = {"page": page, "tabs": tabs, "is_open": is_open, "version": version}
    return page_or_part(request, "telemetry/ungoverned_list.html", "telemetry/_ungoverned_rows.html", context)


@require_safe
def ungoverned_action(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """One of them: every execution it counts, a page at a time."""
    person_of(request)
    action = action_for(actor_of(request), action_id)
    return _page(request, action, AcknowledgeForm(initial={"execution_count": action.execution_count}))


@require_POST
def acknowledge(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Say what it was."""
    person_of(request)
    actor = actor_of(request)
    form = AcknowledgeForm(request.POST)
    notice: MeshError | None = None
    if form.is_valid():
        try:
            acknowledge_ungoverned_action(action_id=action_id, actor=actor, **form.cleaned_data)
        except Conflict as refusal:
            notice = refusal
        else:
            messages.success(request, _("Acknowledged. The next execution of this tool opens another."))
            return redirect("ungoverned-actions")
    action = action_for(actor, action_id)
    if notice:
        # what is shown now is what the next try acknowledges; the words stay
        form = AcknowledgeForm({"reason": form.data.get("reason", ""), "execution_count": action.execution_count})
    return _page(request, action, form, notice=notice, status=notice.status if notice else 422)


def _page(
    request: HttpRequest,
    action: UngovernedAction,
    form: AcknowledgeForm,
    *,
    notice: MeshError | None = None,
    status: int = 200,
) -> HttpResponse:
    executions = page_of(action.executions.all(), cursor=request.GET.get("after"))
    context: dict[str, Any] = {
        "action": action,
        "page": executions,
        "rows": shown_executions(action, executions.items),
        "form": form,
        "notice": notice,
        "may_acknowledge": action.is_open and holds(actor_of(request), OPERATE, action.process),
    }
    return page_or_part(request, "telemetry/ungoverned.html", "telemetry/_ungoverned.html", context, status=status)
