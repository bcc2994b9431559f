"""The HTML face of emergency releases: to release or roll back alone, to take it back, to ask again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts.requests import actor_of, person_of
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.policies import services
from apps.policies.afterwards import may_take_back
from apps.policies.models import EmergencyRelease, ReleaseRequest
from apps.policies.queries import live_releases, may_write

RELEASED = "It decides from now on. A second person is asked whether that was right."


@require_POST
def release_alone(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Let a draft decide at once."""
    person_of(request)
    version = request.POST.get("version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 8:
        raise Invalid("policy.version_missing", "Load the page again: it does not say which version it shows.")
    made = services.release_in_emergency(
        actor=actor_of(request), draft_id=draft_id, version=int(version), **_where_and_why(request)
    )
    return _released(request, made)


@require_POST
def roll_back_alone(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Let an earlier version decide again at once."""
    person_of(request)
    made = services.roll_back_in_emergency(
        actor=actor_of(request), policy_set=slug, version=version, **_where_and_why(request)
    )
    return _released(request, made)


@require_POST
def take_back(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Go back to what decided before an emergency release."""
    person_of(request)
    reason = request.POST.get("reason", "")
    services.take_back_emergency(actor=actor_of(request), request_id=request_id, reason=reason)
    messages.success(request, "What decided before decides again.")
    return redirect("policy-review", request_id)


@require_POST
def ask_again(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Ask once more for the review that nobody made in time."""
    person_of(request)
    services.ask_again_afterwards(actor=actor_of(request), request_id=request_id)
    messages.success(request, "Somebody is asked once more.")
    return redirect("policy-review", request_id)


def emergency_context(actor: Actor, found: ReleaseRequest) -> dict[str, Any]:
    """What the page of a review says of an emergency; nothing of one that is none."""
    emergency: EmergencyRelease | None = getattr(found, "emergency", None)
    if emergency is None:
        return {"emergency": None}
    live = live_releases(found.policy_set).get(found.environment)
    is_over = found.approval is None or found.approval.resolved_at is not None
    return {
        "emergency": emergency,
        "can_take_back": found.replaces is not None and live == found.release,
        "may_take_back": may_take_back(actor, emergency),
        "may_ask_again": emergency.waits and is_over and may_write(actor, found.policy_set.process),
    }


def _where_and_why(request: HttpRequest) -> dict[str, str]:
    return {"environment": request.POST.get("environment", ""), "reason": request.POST.get("reason", "")}


def _released(request: HttpRequest, made: EmergencyRelease) -> HttpResponse:
    messages.warning(request, RELEASED)
    return redirect("policy-review", made.request_id)
