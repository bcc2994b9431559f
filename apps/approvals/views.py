"""The inbox: the queue on the left, the card on the right, one vote at a time."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.approvals import services
from apps.approvals.forms import VoteForm
from apps.approvals.inbox import TABS, Card, card_for, queue_for
from apps.approvals.models import Verdict
from apps.approvals.queries import approval_for
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.core.htmx import page_or_part, unchanged, wants_partial

DONE = {Verdict.APPROVE: "Approved", Verdict.REJECT: "Rejected"}


def _view_of(request: HttpRequest) -> str:
    view = request.GET.get("view", "mine")
    return view if view in TABS else "mine"


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """The queue, with its first item open."""
    person_of(request)
    actor = actor_of(request)
    queue = queue_for(actor, view=_view_of(request), cursor=request.GET.get("after"))
    if wants_partial(request) and request.GET.get("version") == queue.version:
        return unchanged()
    first = queue.rows[0].approval if queue.rows and not wants_partial(request) else None
    context = {"queue": queue, "card": card_for(actor, first) if first else None}
    return page_or_part(request, "approvals/inbox.html", "approvals/_queue.html", context)


@require_safe
def approval(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """One approval: the card alone for htmx, beside the queue otherwise."""
    person_of(request)
    actor = actor_of(request)
    card = card_for(actor, approval_for(actor, approval_id))
    if wants_partial(request):
        return page_or_part(request, "approvals/inbox.html", "approvals/_card.html", {"card": card})
    queue = queue_for(actor, view=_view_of(request), cursor=None)
    return page_or_part(request, "approvals/inbox.html", "approvals/_card.html", {"queue": queue, "card": card})


@require_POST
def vote(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Cast the vote and move on to the next item."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = VoteForm(request.POST)
    if not form.is_valid():
        return _card_again(request, actor, card_for(actor, found), {"form": form}, status=422)
    try:
        cast = services.cast_vote(actor=actor, approval_id=approval_id, **form.cleaned_data)
    except Conflict as refusal:
        # stale, decided by someone else, expired: show what it is now, and keep the words the voter wrote
        card = card_for(actor, approval_for(actor, approval_id))
        return _card_again(request, actor, card, {"form": form, "notice": refusal}, status=refusal.status)
    return _next_item(
        request, actor, said=f"{DONE[Verdict(cast.verdict)]}: {card_for(actor, found).content['sentence']}"
    )


def _card_again(
    request: HttpRequest, actor: Actor, card: Card, extra: dict[str, object], *, status: int
) -> HttpResponse:
    context = {"card": card, "queue": queue_for(actor, view="mine", cursor=None), **extra}
    return page_or_part(request, "approvals/inbox.html", "approvals/_card.html", context, status=status)


def _next_item(request: HttpRequest, actor: Actor, *, said: str) -> HttpResponse:
    """htmx gets the next card with the queue, the badge and a toast out of band; a plain form is sent on."""
    queue = queue_for(actor, view="mine", cursor=None)
    following = queue.rows[0].approval if queue.rows else None
    if not wants_partial(request):
        messages.success(request, said)
        return redirect(reverse("approval", args=[following.id]) if following else reverse("inbox"))
    card = card_for(actor, following) if following else None
    response = render(request, "approvals/_voted.html", {"queue": queue, "card": card, "said": said})
    response["HX-Push-Url"] = card.url if card else reverse("inbox")
    return response
