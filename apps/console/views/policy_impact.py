"""The HTML face of replays: what a draft would have made of the decisions there are, and of those that are made."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.impact_forms import ReplayForm, ShadowForm
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.htmx import page_or_part, unchanged, wants_partial
from apps.core.paging import page_of
from apps.gateway.stored import sentences_of
from apps.policies.models import PolicyDraft, PolicyRelease, ReleaseRequest, RequestState
from apps.policies.queries import may_write
from apps.replays import services
from apps.replays.impact import Impact, impact_of
from apps.replays.kinds import Kind, kind_named, sentence_of
from apps.replays.models import ImpactReplay, Mode
from apps.replays.queries import latest_of_draft, latest_of_release, replay_for, rows_visible_to

BY_DECISION = ("-decision_id",)


@require_POST
def replay_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Decide the decisions of a window again under a draft."""
    person_of(request)
    wanted = _checked(ReplayForm(request.POST)).wanted
    services.replay_draft(actor=actor_of(request), draft_id=draft_id, **wanted)
    return redirect(_panel_of("policy-draft", draft_id))


@require_POST
def shadow_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Let a draft follow what is decided from now on."""
    person_of(request)
    wanted = _checked(ShadowForm(request.POST)).wanted
    services.shadow_draft(actor=actor_of(request), draft_id=draft_id, **wanted)
    messages.success(request, "The draft follows what is decided. It decides nothing.")
    return redirect(_panel_of("policy-draft", draft_id))


@require_POST
def replay_version(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Decide the decisions of a window again under a release."""
    person_of(request)
    wanted = _checked(ReplayForm(request.POST)).wanted
    services.replay_release(actor=actor_of(request), policy_set=slug, version=version, **wanted)
    return redirect(_panel_of("policy-version", slug, version))


@require_safe
def replay(request: HttpRequest, replay_id: UUID) -> HttpResponse:
    """One replay, whole; for a page that shows it the part that moves, 204 while nothing did."""
    person_of(request)
    actor = actor_of(request)
    impact = impact_of(replay_for(actor, replay_id))
    if wants_partial(request) and request.GET.get("mark") == impact.mark:
        return unchanged()
    context = {"impact": impact, "may_write": may_write(actor, impact.replay.policy_set.process)}
    return page_or_part(request, "policies/replay.html", "policies/_impact_result.html", context)


@require_safe
def replay_decisions(request: HttpRequest, replay_id: UUID) -> HttpResponse:
    """The decisions behind one number, `?kind=approval-to-allow`."""
    person_of(request)
    actor = actor_of(request)
    found = replay_for(actor, replay_id)
    kind = kind_named(request.GET.get("kind") or Kind.APPROVAL_TO_ALLOW)
    rows = rows_visible_to(actor, found, kind)
    page = page_of(rows, cursor=request.GET.get("after"), order=BY_DECISION)
    said = sentences_of([row.tool_call for row in page.items], actor)
    line = next((each for each in impact_of(found).differences + impact_of(found).left_out if each.kind == kind), None)
    context = {
        "replay": found,
        "line": line,
        "title": line.sentence if line else f"{sentence_of(kind, 0)}.",
        "page": page,
        "rows": [(row, said[row.tool_call_id]) for row in page.items],
        "unseen_count": line.listed - rows.count() if line else 0,
    }
    return render(request, "policies/replay_decisions.html", context)


@require_POST
def cancel_replay(request: HttpRequest, replay_id: UUID) -> HttpResponse:
    """Call a replay off, or stop a shadow."""
    person_of(request)
    found = services.cancel_replay(actor=actor_of(request), replay_id=replay_id)
    if found.draft_version is not None:
        return redirect(_panel_of("policy-draft", found.draft_version.draft_id))
    return redirect("policy-replay", found.id)


def draft_panel(draft: PolicyDraft) -> dict[str, Any]:
    """What the panel on the page of a draft needs."""
    latest = latest_of_draft(draft)
    return {
        "impact": _impact(latest.get(Mode.REPLAY)),
        "shadow": _impact(latest.get(Mode.SHADOW)),
        "replay_form": ReplayForm(),
        "shadow_form": ShadowForm(),
        "replay_url": reverse("policy-draft-replay", args=[draft.id]),
        "shadow_url": reverse("policy-draft-shadow", args=[draft.id]),
    }


def version_panel(release: PolicyRelease) -> dict[str, Any]:
    """The same on the page of a version."""
    return {
        "impact": _impact(latest_of_release(release)),
        "replay_form": ReplayForm(),
        "replay_url": reverse("policy-version-replay", args=[release.policy_set.slug, release.version]),
    }


def review_panel(actor: Actor, asked: ReleaseRequest) -> dict[str, Any]:
    """On a review: what was replayed of what is asked for, for whoever decides."""
    writes = asked.state == RequestState.WAITING and may_write(actor, asked.policy_set.process)
    version, source = asked.draft_version, asked.source
    panel = draft_panel(version.draft) if version is not None else version_panel(source) if source is not None else {}
    return {**panel, "shadow_url": "", "may_write": writes}


def _impact(found: ImpactReplay | None) -> Impact | None:
    return impact_of(found) if found is not None else None


def _checked(form: Any) -> Any:
    """Raises Invalid: nothing but choices is in these forms."""
    if form.is_valid():
        return form
    errors = [{"pointer": f"/{name}", "sentence": " ".join(map(str, found))} for name, found in form.errors.items()]
    raise Invalid("replay.bad_window", f"Choose which decisions: {errors[0]['sentence']}", errors=errors)


def _panel_of(name: str, *arguments: Any) -> str:
    return f"{reverse(name, args=arguments)}#impact"
