"""Picking many and deciding them at once: the line that says what was picked, and what became of each row."""

import re
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, confirmed_at, person_of
from apps.approvals.bulk import DONE, WITHDRAWN, BulkResult, outcomes_of
from apps.approvals.card import list_url
from apps.approvals.changes import ids_of
from apps.approvals.filters import QueueFilter
from apps.approvals.forms import BulkVoteForm
from apps.approvals.inbox import Queue, query_of, queue_for, summary_for
from apps.approvals.models import BulkVote, FeedbackReason, Selection, Verdict
from apps.approvals.selection import picked_among, picked_of, selection_for
from apps.approvals.services import bulk
from apps.approvals.services.queue import change_selection
from apps.approvals.services.queue import select as freeze
from apps.approvals.tabs import in_words
from apps.approvals.views.parts import inbox_page, proof_url, shown_by, summary_context
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.htmx import page_or_part, wants_partial
from apps.core.ids import parse_uuid
from apps.core.once import read_once


@require_POST
def select(request: HttpRequest) -> HttpResponse:
    """Freeze what is ticked, or everything that matches, or nothing; and say what that comes to."""
    person_of(request)
    actor = actor_of(request)
    shown = shown_by(request)
    selection = _selected(request, actor, shown)
    if not wants_partial(request):
        token = {"selection": str(selection.id)} if selection else {}
        return redirect(shown.url(reverse("inbox"), **token))
    everything = "all" in (request.POST.get("scope"), request.POST.get("reject")) or "all" in request.POST
    is_counting = request.POST.get("scope") == "count"
    bar = bar_context(actor, shown, selection, everything=everything, total=_total(request), is_exact=is_counting)
    return render(request, "approvals/_selection.html", bar)


def _total(request: HttpRequest) -> str:
    """How many there are, in the words the page had for it: they label a button and decide nothing."""
    told = request.POST.get("total", "")
    return told if re.fullmatch(r"[\d,]{1,12}\+?", told) else ""


def _selected(request: HttpRequest, actor: Actor, shown: QueueFilter) -> Selection | None:
    """`scope` is what was pressed, `all` the selection of everything that rows are taken from or put back into."""
    verdict = Verdict.REJECT if "reject" in request.POST else Verdict.APPROVE
    scope = request.POST.get("reject") or request.POST.get("scope", "rows")
    if scope in ("none", "count"):
        return None
    picks = dict(_picks(request))
    everything = parse_uuid(request.POST.get("all", ""))
    unticked = [row_id for row_id in ids_of(request.POST.getlist("look")) if row_id not in picks]
    if scope == "all":
        found = freeze(actor=actor, query=shown, verdict=verdict)
        # the same again for another verdict: what was taken out of it stays out
        taken_out = unticked if everything else []
        return change_selection(actor=actor, selection_id=found.id, remove=taken_out) if taken_out else found
    if everything is not None:
        return change_selection(actor=actor, selection_id=everything, add=list(picks), remove=unticked)
    if not picks:
        return None
    return freeze(actor=actor, query=shown, ids=list(picks), versions=list(picks.values()), verdict=verdict)


def _picks(request: HttpRequest) -> list[tuple[UUID, int]]:
    """The ticked rows, each with the version its reader saw."""
    pairs = [pick.partition(":") for pick in request.POST.getlist("pick")]
    found = [(parse_uuid(row_id), version) for row_id, _colon, version in pairs]
    return [(row_id, int(version)) for row_id, version in found if row_id and version.isdigit() and len(version) < 10]


def bar_context(
    actor: Actor,
    shown: QueueFilter,
    selection: Selection | None,
    *,
    everything: bool = False,
    total: str = "",
    is_exact: bool = False,
) -> dict[str, Any]:
    """What the line above the list says: of the view, to the last one with `is_exact`; or of what was picked from it.
    `total` is how many the reader was told there are.
    """
    context: dict[str, Any] = {"selection": selection, "query": query_of(shown), "shown": shown}
    if selection is None:
        return {**context, **summary_context(summary_for(actor, shown, is_exact=is_exact))}
    picked = picked_of(selection)
    matching = picked.count + sum(left_out.count for left_out in picked.left_out)
    if everything and not total.replace(",", "").isdigit():
        total = f"{matching:,}"
    return {
        **context,
        "picked": picked,
        "is_rejecting": selection.summary["verdict"] == Verdict.REJECT,
        "everything": everything,
        "total": total,
        "is_part": total not in ("", f"{picked.count:,}"),
        "reasons": FeedbackReason.choices,
        "proof_url": proof_url(shown.url(reverse("inbox"))),
    }


def named_selection(actor: Actor, name: str, queue: Queue) -> dict[str, Any]:
    """The line and the ticks for a selection that the address names; nothing for one that is not there any more."""
    selection_id = parse_uuid(name)
    if selection_id is None:
        return {}
    try:
        selection = selection_for(actor, selection_id)
    except NotFound:
        return {}
    ticked = picked_among(selection, [row.approval.id for row in queue.rows])
    everything = selection.summary["count"] > len(ticked)
    total = in_words(queue.summary)
    bar = bar_context(actor, queue.shown, selection, everything=everything, total=total)
    return {**bar, "picked_ids": ticked}


@require_POST
def vote(request: HttpRequest, selection_id: UUID) -> HttpResponse:
    """One verdict on everything that was frozen, and on nothing else."""
    person_of(request)
    actor = actor_of(request)
    selection = selection_for(actor, selection_id)
    form = BulkVoteForm(request.POST)
    shown = shown_by(request)
    if not form.is_valid():
        queue = queue_for(actor, shown)
        bar = {**named_selection(actor, str(selection.id), queue), "is_rejecting": True, "bulk_form": form}
        return inbox_page(request, actor, None, queue=queue, status=422, **bar)
    started = bulk.bulk_vote(
        actor=actor,
        selection_id=selection_id,
        verdict=form.cleaned_data["verdict"],
        reason_code=form.cleaned_data["reason_code"],
        comment=form.cleaned_data["comment"],
        confirmed_at=confirmed_at(request),
        undo_seconds=None,
    )
    return redirect(_result_url(request, started))


@require_safe
@read_once()
def result(request: HttpRequest, bulk_id: UUID) -> HttpResponse:
    """How far it is, and what became of each row."""
    person_of(request)
    actor = actor_of(request)
    found = outcomes_of(actor, bulk_id, cursor=request.GET.get("rows"))
    query = query_of(shown_by(request))
    context = {
        **_result_context(actor, found),
        "query": query,
        "list_url": list_url(query),
        "proof_url": proof_url(request.path + query),
    }
    if wants_partial(request):
        return page_or_part(request, "approvals/inbox.html", "approvals/_bulk.html", context)
    return inbox_page(request, actor, None, undoable=[], **context)


@require_POST
def cancel(request: HttpRequest, bulk_id: UUID) -> HttpResponse:
    """Vote on no more of it."""
    person_of(request)
    return redirect(_result_url(request, bulk.cancel_bulk_vote(actor=actor_of(request), bulk_id=bulk_id)))


@require_POST
def undo(request: HttpRequest, bulk_id: UUID) -> HttpResponse:
    """Take back every vote of it that has not been released."""
    person_of(request)
    return redirect(_result_url(request, bulk.withdraw_bulk_vote(actor=actor_of(request), bulk_id=bulk_id)))


def _result_url(request: HttpRequest, bulk_vote: BulkVote) -> str:
    return reverse("bulk-vote", args=[bulk_vote.id]) + query_of(shown_by(request))


def _result_context(actor: Actor, found: BulkResult) -> dict[str, Any]:
    withdrawn = found.counts.get(WITHDRAWN, 0)
    return {
        "result": found,
        "withdrawn_count": withdrawn,
        "not_done_count": found.handled_count - found.done_count - withdrawn,
        "untouched_count": found.count - found.handled_count,
        "seconds_left": _seconds_left(found),
        "undo_seconds": _undo_seconds(found),
    }


def _seconds_left(found: BulkResult) -> int | None:
    if not found.is_running or not found.handled_count:
        return None
    gone = (clock.now() - found.bulk.started_at).total_seconds()
    return round(gone / found.handled_count * (found.count - found.handled_count))


def _undo_seconds(found: BulkResult) -> int:
    """How long the last of them is held back still; 0 when there is nothing to take back."""
    held_back = found.bulk.outcomes.filter(code=DONE, approval__settles_at__gt=clock.now())
    last = held_back.aggregate(at=Max("approval__settles_at"))["at"]
    return round((last - clock.now()).total_seconds()) if last else 0
