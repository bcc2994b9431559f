"""What a person does with a card besides voting: hand it on, put it off, bring it before others."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.requests import actor_of, person_of
from apps.approvals import services
from apps.approvals.forms import DelegateForm, EscalateForm, ExtendForm, SnoozeForm
from apps.approvals.inbox import query_of
from apps.approvals.queries import approval_for
from apps.approvals.services import oversight, queue
from apps.approvals.views.parts import Undo, card_again, moved_on, shown_by
from apps.core import clock
from apps.core.errors import Conflict, Invalid


@require_POST
def delegate(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Let somebody else decide this one."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = DelegateForm(request.POST)
    if not form.is_valid():
        return card_again(request, actor, found, status=422, form=form, stage="delegate")
    try:
        made = services.delegate(
            actor=actor,
            receiver=form.cleaned_data["receiver"],
            starts_at=clock.now(),
            ends_at=form.cleaned_data["until"],
            approval_id=approval_id,
            reason=form.cleaned_data["reason"],
        )
    except Invalid as refusal:
        return card_again(request, actor, found, status=422, form=form, stage="delegate", notice=refusal)
    said = _("%(who)s may decide this for you now.") % {"who": made.receiver}
    return moved_on(request, actor, approval_for(actor, approval_id), said=said)


@require_POST
def snooze(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Put it off: out of one's own way until then. Its time runs on."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        return card_again(request, actor, found, status=422, form=form, stage="snooze")
    try:
        put_off = queue.snooze(actor=actor, approval_id=approval_id, until=form.moment())
    except Invalid as refusal:
        return card_again(request, actor, found, status=422, form=form, stage="snooze", notice=refusal)
    until = localtime(put_off.until)
    said = _("Snoozed until %(day)s, %(time)s.") % {"day": date_format(until, "j M"), "time": f"{until:%H:%M}"}
    way_back = Undo(reverse("approval-unsnooze", args=[approval_id]) + query_of(shown_by(request)))
    return moved_on(request, actor, found, said=said, undo=way_back)


@require_POST
def unsnooze(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Have it back now."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    queue.unsnooze(actor=actor, approval_id=approval_id)
    return moved_on(request, actor, found, said=_("Back in your inbox."), stay=True)


@require_POST
def escalate(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Bring it before the next team."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = EscalateForm(request.POST)
    if not form.is_valid():
        return card_again(request, actor, found, status=422, form=form, stage="escalate")
    step = oversight.escalate(actor=actor, approval_id=approval_id, reason=form.cleaned_data["reason"])
    said = _("%(team)s have it before them too now.") % {"team": step.team}
    return moved_on(request, actor, approval_for(actor, approval_id), said=said, stay=True)


@require_POST
def extend(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Let people have longer to decide it."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = ExtendForm(request.POST)
    if not form.is_valid():
        return card_again(request, actor, found, status=422, form=form, stage="extend")
    until, reason = form.cleaned_data["until"], form.cleaned_data["reason"]
    try:
        services.extend(actor=actor, approval_id=approval_id, until=until, reason=reason)
    except (Invalid, Conflict) as refusal:
        return card_again(request, actor, found, status=refusal.status, form=form, stage="extend", notice=refusal)
    return moved_on(request, actor, approval_for(actor, approval_id), said=_("There is more time for this."), stay=True)
