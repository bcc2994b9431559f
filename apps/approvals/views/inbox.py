"""The inbox: the queue on the left, the card on the right, and one vote at a time."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, confirmed_at, person_of
from apps.approvals import services
from apps.approvals.card import Card, card_for, successor_of
from apps.approvals.cards import cards_of
from apps.approvals.changes import changes_for, news_of
from apps.approvals.filters import QueueFilter
from apps.approvals.forms import VoteForm
from apps.approvals.inbox import Queue, default_view_of, query_of, queue_for
from apps.approvals.models import Approval, ApprovalState, Verdict, Vote
from apps.approvals.queries import approval_for
from apps.approvals.views.parts import (
    Undo,
    card_again,
    inbox_page,
    moved_on,
    proof_url,
    queue_context,
    shown_by,
)
from apps.approvals.views.selection import named_selection
from apps.core.actor import Actor
from apps.core.errors import Conflict, MeshError, NotAllowed
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.ids import parse_uuid
from apps.core.once import read_once

# What the foot of a card can be opened at by its address.
STAGES = ("reject", "request_changes", "delegate", "snooze", "escalate", "extend")
STEP_UP = "approval.step_up_needed"


@require_safe
@read_once()
def inbox(request: HttpRequest) -> HttpResponse:
    """The queue, with its first item open. A poll, which names the rows that are on the screen, gets what changed."""
    person_of(request)
    actor = actor_of(request)
    if not request.GET and (start := default_view_of(actor)):
        return redirect(start.url(reverse("inbox")))
    shown, problems = QueueFilter.lenient(request.GET)
    queue = queue_for(actor, shown, cursor=request.GET.get("after"))
    if not wants_partial(request):
        first = queue.rows[0].approval if queue.rows else None
        card = card_for(actor, first, query=queue.query) if first else None
        picked = named_selection(actor, request.GET.get("selection", ""), queue)
        return inbox_page(request, actor, card, queue=queue, open=False, problems=problems, **picked)
    if request.GET.get("version") == queue.version:
        return unchanged()
    if "version" in request.GET:
        return _changed(request, actor, queue)
    context = {**queue_context(actor, queue), "problems": problems, "opened": _opened(request)}
    return page_or_part(request, "approvals/inbox.html", "approvals/_loaded.html", context)


def _changed(request: HttpRequest, actor: Actor, queue: Queue) -> HttpResponse:
    opened_id = _opened(request)
    context = {
        **queue_context(actor, queue),
        "changes": changes_for(actor, queue, request.GET.getlist("look")),
        "opened": opened_id,
        "opened_url": reverse("approval", args=[opened_id]) + queue.query if opened_id else "",
        "news": news_of(actor, request.GET.get("open", "")),
        "has_selection": "selection" in request.GET,
    }
    return render(request, "approvals/_changes.html", context)


def _opened(request: HttpRequest) -> UUID | None:
    """The approval that is open on the page that asks."""
    return parse_uuid(request.GET.get("open", "").partition(":")[0])


@require_safe
@read_once()
def approval(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """One approval: the card alone for htmx, beside the queue otherwise. `stage` opens its foot at one verb."""
    person_of(request)
    actor = actor_of(request)
    card = card_for(actor, approval_for(actor, approval_id), query=query_of(shown_by(request)))
    stage = request.GET.get("stage")
    return inbox_page(request, actor, card, stage=stage if stage in STAGES else None)


@require_safe
@read_once()
def confirm(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """What is about to be approved, once more in large: for what cannot be undone, or is of high risk."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    card = card_for(actor, found, query=query_of(shown_by(request)))
    if not card.verbs.approve and (refusal := services.refusal_of_vote(actor, found)):
        raise refusal
    return _sheet(request, card)


def _sheet(request: HttpRequest, card: Card, refusal: MeshError | None = None) -> HttpResponse:
    """The restatement; with a refusal, what has to be done first."""
    context = {"card": card, "refusal": refusal, "proof_url": proof_url(card.url)}
    status = refusal.status if refusal else 200
    response = page_or_part(request, "approvals/confirm.html", "approvals/_sheet.html", context, status=status)
    if refusal and wants_partial(request):
        response["HX-Retarget"] = "#sheet"
        response["HX-Reswap"] = "innerHTML"
    return response


@require_POST
def vote(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Cast the vote and move on to the next item."""
    person_of(request)
    actor = actor_of(request)
    found = approval_for(actor, approval_id)
    form = VoteForm(request.POST)
    stage = request.POST.get("verdict")
    draft: dict[str, Any] = {"form": form, "stage": stage if stage in STAGES else None}
    if not form.is_valid():
        return card_again(request, actor, found, status=422, **draft)
    try:
        cast = services.cast_vote(
            actor=actor,
            approval_id=approval_id,
            verdict=form.cleaned_data["verdict"],
            digest=form.cleaned_data["digest"],
            reason_code=form.cleaned_data["reason_code"],
            comment=form.cleaned_data["comment"],
            dwell_seconds=form.cleaned_data["dwell"],
            undo_seconds=None,
            confirmed_at=confirmed_at(request),
        )
    except Conflict as refusal:
        # stale, decided by someone else, expired: show what it is now, and keep the words the voter wrote
        now = approval_for(actor, approval_id)
        newer = successor_of(now)
        draft |= {"notice": refusal, "is_new_version": newer is not None}
        return card_again(request, actor, newer or now, status=refusal.status, **draft)
    except NotAllowed as refusal:
        if refusal.code != STEP_UP:
            raise
        return _sheet(request, card_for(actor, found, query=query_of(shown_by(request))), refusal)
    return _voted(request, actor, cast)


def _voted(request: HttpRequest, actor: Actor, cast: Vote) -> HttpResponse:
    now = approval_for(actor, cast.approval_id)
    sentence = cards_of([now], actor)[now.id]["sentence"]
    undo = None
    if now.settles_at is not None:
        seconds = round((now.settles_at - cast.cast_at).total_seconds())
        undo = Undo(reverse("approval-undo", args=[now.id]) + query_of(shown_by(request)), seconds)
    return moved_on(request, actor, now, said=_told(cast, now) % {"what": sentence}, undo=undo)


def _told(cast: Vote, now: Approval) -> str:
    """What was done, in a few words before its sentence."""
    if cast.verdict == Verdict.REJECT:
        return _("Rejected: %(what)s")
    if cast.verdict == Verdict.REQUEST_CHANGES:
        return _("Sent back to the agent: %(what)s")
    if now.state == ApprovalState.PENDING and now.settles_at is None:
        return _("Approved by you, more votes needed: %(what)s")
    return _("Approved: %(what)s")


@require_POST
def undo(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Take back one's vote before it is released, and have the card again."""
    person_of(request)
    actor = actor_of(request)
    approval_for(actor, approval_id)
    again = services.withdraw_vote(actor=actor, approval_id=approval_id)
    sentence = cards_of([again], actor)[again.id]["sentence"]
    return moved_on(request, actor, again, said=_("Taken back: %(what)s") % {"what": sentence}, stay=True)
