"""The answers that several views of the inbox give: the whole page, the card anew, the next card after an act."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import localtime

from apps.approvals.card import Card, card_for, receivers_for
from apps.approvals.changes import undoable_of
from apps.approvals.filters import QueueFilter
from apps.approvals.forms import SnoozeForm, snooze_moment
from apps.approvals.inbox import Queue, following, query_of, queue_for, quiet_for
from apps.approvals.models import Approval, SavedView
from apps.approvals.queries import QueueSummary
from apps.approvals.selection import views_of
from apps.approvals.tabs import WAITING, in_words
from apps.core.actor import Actor
from apps.core.htmx import page_or_part, wants_partial
from apps.core.once import read_once

PAGE, CARD = "approvals/inbox.html", "approvals/_card.html"
PROVE = "/accounts/reauthenticate/"


@dataclass(frozen=True, slots=True)
class Undo:
    """A way back that a notice offers, for so many seconds; None for as long as the notice stands."""

    url: str
    seconds: int | None = None


def shown_by(request: HttpRequest) -> QueueFilter:
    """The list that this address belongs to. What it cannot read of it, it leaves out."""
    return QueueFilter.lenient(request.GET)[0]


def proof_url(back: str) -> str:
    """Where a person proves once more who they are, and then comes back."""
    return f"{PROVE}?{urlencode({'next': back})}"


def queue_context(actor: Actor, queue: Queue) -> dict[str, Any]:
    """What the queue's own template needs."""
    is_quiet = not queue.rows and queue.view == "mine" and not queue.shown.is_narrowed
    return {
        "queue": queue,
        "shown": queue.shown,
        "query": queue.query,
        **summary_context(queue.summary),
        "saved_views": saved_views(actor, queue.shown),
        "quiet": quiet_for(actor) if is_quiet else None,
    }


def summary_context(summary: QueueSummary) -> dict[str, Any]:
    """What the line over the rows says while nothing is picked."""
    return {"summary": summary, "counted": in_words(summary), "waiting_views": WAITING}


def stage_context(actor: Actor, approval: Approval, stage: str) -> dict[str, Any]:
    """What only the form behind this verb needs."""
    due_at = approval.milestones[-1] if approval.milestones else approval.expires_at
    if stage == "delegate":
        team, others = receivers_for(actor, approval)
        return {
            "receivers": {"team": team, "others": others},
            "until_day": localtime(approval.expires_at).date().isoformat(),
        }
    if stage == "snooze":
        choices = [
            {"name": name, "label": label} for name, label in SnoozeForm.CHOICES if snooze_moment(name) <= due_at
        ]
        return {"snoozes": choices, "latest_snooze": f"{localtime(due_at):%Y-%m-%dT%H:%M}"}
    if stage == "extend":
        return {"earliest": f"{localtime(approval.expires_at):%Y-%m-%dT%H:%M}"}
    return {}


def _staged(actor: Actor, card: Card, stage: str, form: Form | None) -> dict[str, Any]:
    """The card's foot opened at this verb; where that is not theirs any more, the words they had for it."""
    if card.verbs.allows(stage):
        return stage_context(actor, card.approval, stage)
    words = form.data.get("comment") or form.data.get("reason") if form else ""
    return {"stage": None, "draft": words}


def saved_views(actor: Actor, shown: QueueFilter) -> dict[str, Any]:
    """Every view this person may open, which of them this list is, and the ones beside it."""
    views = [
        {"view": view, "url": _url_of(view), "is_own": view.owner_id == actor.id, "current": view.query == str(shown)}
        for view in views_of(actor)
    ]
    at = next((place for place, view in enumerate(views) if view["current"]), None)
    step = (
        {"previous": views[(at or 0) - 1], "next": views[(-1 if at is None else at) + 1 - len(views)]}
        if views
        else None
    )
    return {"all": views, "current": None if at is None else views[at], "step": step}


def _url_of(view: SavedView) -> str:
    return f"{reverse('inbox')}?{view.query or 'view=mine'}"


def inbox_page(
    request: HttpRequest,
    actor: Actor,
    card: Card | None,
    *,
    queue: Queue | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """The card for htmx; beside the queue, as a page, for everyone else."""
    context: dict[str, Any] = {"card": card, **more}
    if card and more.get("stage"):
        context |= _staged(actor, card, str(more["stage"]), more.get("form"))
    if not wants_partial(request):
        queue = queue or queue_for(actor, shown_by(request))
        context = {**queue_context(actor, queue), "undoable": undoable_of(actor), "open": card is not None, **context}
    return page_or_part(request, PAGE, CARD, context, status=status)


@read_once()
def card_again(
    request: HttpRequest, actor: Actor, approval: Approval, *, status: int = 200, **more: Any
) -> HttpResponse:
    """The card as it is now, with what has to be said about it and the draft that was written."""
    card = card_for(actor, approval, query=query_of(shown_by(request)))
    response = inbox_page(request, actor, card, status=status, **more)
    response["HX-Trigger"] = "sheet:close"
    if wants_partial(request):
        response["HX-Push-Url"] = card.url
    return response


@read_once()
def moved_on(
    request: HttpRequest, actor: Actor, approval: Approval, *, said: str, undo: Undo | None = None, stay: bool = False
) -> HttpResponse:
    """After an act: htmx gets the next card (with `stay`, this one) with the queue, the words and the way back out of
    band; a plain form is sent on.
    """
    queue = queue_for(actor, shown_by(request))
    chosen = approval if stay else following(queue, approval)
    if not wants_partial(request):
        messages.success(request, said)
        return redirect(card_url(chosen, queue) if chosen else queue.url)
    card = card_for(actor, chosen, query=queue.query) if chosen else None
    context = {**queue_context(actor, queue), "card": card, "said": said, "undo": undo}
    response = render(request, "approvals/_voted.html", context)
    response["HX-Push-Url"] = card.url if card else queue.url
    response["HX-Trigger"] = "sheet:close"
    return response


def card_url(approval: Approval, queue: Queue) -> str:
    return reverse("approval", args=[approval.id]) + queue.query
