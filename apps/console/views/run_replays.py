"""The HTML face of replays of runs."""

from uuid import UUID

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.actor import Actor
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.policies.models import DraftState, PolicyDraft
from apps.policies.queries import drafts_visible_to, may_write
from apps.replays import services
from apps.replays.models import Under
from apps.replays.run_queries import may_replay, run_replay_for, run_replays_visible_to, steps_to_show
from apps.replays.run_result import NOT_REPLAYED, RunResult, shown_steps
from apps.runs.models import Run
from apps.runs.queries import run_for


class RunReplayForm(forms.Form):
    """Under which policies: one of `Under`, or the id of a draft."""

    under = forms.CharField(max_length=40)

    def clean_under(self) -> dict[str, object]:
        given = self.cleaned_data["under"]
        if given in (Under.THEN, Under.TODAY, Under.SANDBOX):
            return {"under": given}
        try:
            return {"under": Under.DRAFT.value, "draft_id": UUID(given)}
        except ValueError:
            raise forms.ValidationError("Choose the policies to replay it under.") from None


@require_http_methods(["GET", "HEAD", "POST"])
def run_replays(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The replays of a run, and the form that begins one."""
    person_of(request)
    actor = actor_of(request)
    run = run_for(actor, run_id)
    form = RunReplayForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        replay = services.replay_run(actor=actor, run_id=run_id, **form.cleaned_data["under"])
        return redirect("run-replay", run_id, replay.id)
    page = page_of(run_replays_visible_to(actor, run), cursor=request.GET.get("after"))
    context = {
        "run": run,
        "page": page,
        "results": [RunResult(replay) for replay in page.items],
        "may_replay": may_replay(actor, run),
        "choices": [choice for choice in Under.choices if choice[0] != Under.DRAFT],
        "drafts": _drafts_for(actor, run),
        "errors": form.errors.get("under", []) if form is not None else [],
        "not_replayed": NOT_REPLAYED,
    }
    return render(request, "replays/list.html", context, status=422 if form is not None else 200)


@require_safe
def run_replay(request: HttpRequest, run_id: UUID, replay_id: UUID) -> HttpResponse:
    """One replay with its steps; for a page that shows it the part that moves, 204 while nothing did."""
    person_of(request)
    actor = actor_of(request)
    result = RunResult(run_replay_for(actor, run_id, replay_id))
    if wants_partial(request) and request.GET.get("mark") == result.mark:
        return unchanged()
    page = page_of(steps_to_show(result.replay), cursor=request.GET.get("after"), order=("position",))
    context = {
        "result": result,
        "page": page,
        "steps": shown_steps(page.items, actor),
        "may_replay": may_replay(actor, result.replay.run),
        "not_replayed": NOT_REPLAYED,
    }
    return page_or_part(request, "replays/run.html", "replays/_run_result.html", context)


@require_POST
def cancel_run_replay(request: HttpRequest, run_id: UUID, replay_id: UUID) -> HttpResponse:
    """Call it off."""
    person_of(request)
    services.cancel_run_replay(actor=actor_of(request), run_id=run_id, replay_id=replay_id)
    return redirect("run-replay", run_id, replay_id)


def _drafts_for(actor: Actor, run: Run) -> list[PolicyDraft]:
    """Open drafts that would decide calls of this run and that the actor may try."""
    reached = Q(policy_set__process=None) | Q(policy_set__process=run.process_id)
    open_ones = drafts_visible_to(actor).filter(reached, state__in=(DraftState.OPEN, DraftState.IN_REVIEW))
    drafts = list(open_ones.select_related("policy_set__process", "base"))
    # of two kinds at most: for the whole mesh, and of this process
    may = {process: may_write(actor, process) for process in {draft.policy_set.process for draft in drafts}}
    return [draft for draft in drafts if may[draft.policy_set.process]]
