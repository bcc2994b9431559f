"""How I decide, how those decide for whose process I answer, and the second look at what others approved."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.approvals import hygiene as figures
from apps.approvals import services
from apps.approvals.cards import cards_of
from apps.approvals.filters import QueueFilter
from apps.approvals.models import SecondLook
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotFound
from apps.core.paging import page_of

SPANS = (7, figures.DEFAULT_DAYS, 90)


@require_safe
def hygiene(request: HttpRequest) -> HttpResponse:
    """My decisions in numbers; with `process`, those of everyone who votes in a process I answer for."""
    person_of(request)
    actor = actor_of(request)
    days = next((span for span in SPANS if str(span) == request.GET.get("days")), figures.DEFAULT_DAYS)
    since = figures.midnight(days)
    overseen = list(figures.processes_overseen_by(actor))
    slug = request.GET.get("process")
    process = next((process for process in overseen if process.slug == slug), None)
    if slug and process is None:
        raise NotFound("process.not_found")
    context = {
        "own": figures.own_figures(actor, since),
        "since": since,
        "spans": [
            {"label": _("%(days)s days") % {"days": span}, "days": span, "current": span == days} for span in SPANS
        ],
        "decided_url": QueueFilter(view="decided", requested_after=since.date()).url(reverse("inbox")),
        "overseen": overseen,
        "process": process,
        "people": figures.figures_by_person(process, since) if process else [],
        "teams": figures.figures_by_team(process, since) if process else [],
        "alarm_decisions": figures.ALARM_DECISIONS,
        "alarm_percent": figures.ALARM_PERCENT,
    }
    return render(request, "approvals/hygiene.html", context)


@require_safe
def second_looks(request: HttpRequest, look_id: UUID | None = None) -> HttpResponse:
    """The requests that wait for a second look of mine, one of them open."""
    person_of(request)
    actor = actor_of(request)
    return _looks_page(request, actor, services.second_look_for(actor, look_id) if look_id else None)


@require_POST
def second_opinion(request: HttpRequest, look_id: UUID) -> HttpResponse:
    """Keep what this person would have decided, and move on to the next. What was decided is not told here either."""
    person_of(request)
    actor = actor_of(request)
    look = services.second_look_for(actor, look_id)
    opinion, reason = request.POST.get("opinion", ""), request.POST.get("reason", "")
    try:
        services.give_second_opinion(actor=actor, look_id=look_id, opinion=opinion, reason=reason)
    except Invalid as refusal:
        return _looks_page(request, actor, look, status=refusal.status, refusal=refusal, reason=reason)
    messages.success(request, _("Noted, thank you."))
    return redirect("second-looks")


def _looks_page(
    request: HttpRequest, actor: Actor, look: SecondLook | None, *, status: int = 200, **draft: Any
) -> HttpResponse:
    """The list, with this look open, or the first where none was asked for."""
    page = page_of(services.open_second_looks(actor), cursor=request.GET.get("after"), order=("id",))
    shown = look or next(iter(page.items), None)
    cards = cards_of([each.approval for each in (*page.items, *filter(None, [look]))], actor, is_judge=True)
    context = {
        "page": page,
        "rows": [{"look": each, "sentence": cards[each.approval_id]["sentence"]} for each in page.items],
        "look": shown,
        "content": cards[shown.approval_id] if shown else None,
        "open": look is not None,
        **draft,
    }
    return render(request, "approvals/second_looks.html", context, status=status)
