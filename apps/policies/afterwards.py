"""An emergency release as a request for consent that comes afterwards: until when, who is asked, what votes bind to."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.approvals.queries import rules_for
from apps.approvals.requests import ConsentRequest
from apps.approvals.worktime import add_working_time, calendar_for
from apps.core import clock
from apps.core.actor import Actor
from apps.core.canonical import digest
from apps.core.errors import NotAllowed
from apps.policies.consent import SecondPerson, binding_digest, consent_request
from apps.policies.models import (
    ActiveRelease,
    EmergencyRelease,
    EmergencyState,
    PolicyRelease,
    ReleaseRequest,
    RequestKind,
)
from apps.policies.queries import REQUEST_PARTS, sets_visible_to
from apps.policies.sentences import Setting
from apps.registry.models import Process
from apps.registry.permissions import HALT, RELEASE_ALONE
from apps.registry.queries import holds, holds_mesh_wide

SUBJECT_TYPE = "policy_emergency"
# Counted in the working time of the process that answers: released on Friday night, it is due on Tuesday.
BUSINESS_DAYS = 2
WHY = {"says": "What one person released in an emergency is reviewed afterwards", "ref": "policy-emergency@1"}


def due_after(now: dt.datetime, process: Process) -> dt.datetime:
    """The end of the second full day of work from now, by the working hours of the process."""
    calendar = calendar_for(process, rules_for(process))
    opens, closes = (dt.timedelta(hours=at.hour, minutes=at.minute) for at in (calendar.starts, calendar.ends))
    return add_working_time(now, BUSINESS_DAYS * (closes - opens).total_seconds(), calendar)


def consent_afterwards(
    request: ReleaseRequest, second: SecondPerson, setting: Setting, *, due_at: dt.datetime
) -> ConsentRequest:
    """What the review before a release would ask, about what decides already."""
    asked = consent_request(request, second, setting)
    version = request.release.version if request.release else 0
    card: dict[str, Any] = asked.card | {
        "sentence": f"Agree afterwards: {request.requester} released version {version} of “{request.policy_set.slug}” "
        f"in {request.environment} alone",
        "tool_title": "Emergency release",
        "facts": [["Decides since", f"{request.requested_at:%Y-%m-%d %H:%M} UTC"], *asked.card["facts"]],
        "why": [WHY | {"set": "built in"}],
    }
    return replace(
        asked,
        subject_type=SUBJECT_TYPE,
        digest=digest_afterwards(request),
        card=card,
        expires_seconds=max(1, int((due_at - clock.now()).total_seconds())),
        policy_ref=WHY["ref"],
    )


def digest_afterwards(request: ReleaseRequest) -> str:
    """What a vote names (I4): what a vote before the release would have named, and what was made of it."""
    content_hash = request.release.content_hash if request.release else ""
    return digest({"asked": binding_digest(request), "released": content_hash})


def may_release_alone(actor: Actor, process: Process | None) -> bool:
    return holds(actor, RELEASE_ALONE, process) if process else holds_mesh_wide(actor, RELEASE_ALONE)


def require_alone(actor: Actor, process: Process | None) -> None:
    if not may_release_alone(actor, process):
        where = process.name if process else "the whole mesh"
        raise NotAllowed("permission.missing", f"You may not release policies alone in {where}.")


def may_take_back(actor: Actor, emergency: EmergencyRelease) -> bool:
    """Who may release alone, at any time; who is on call, once nobody agreed in time or somebody said no."""
    process = emergency.request.policy_set.process
    if may_release_alone(actor, process):
        return True
    if emergency.state not in (EmergencyState.OVERDUE, EmergencyState.REJECTED):
        return False
    return holds(actor, HALT, process) if process else holds_mesh_wide(actor, HALT)


def emergencies_visible_to(actor: Actor) -> QuerySet[EmergencyRelease]:
    seen = EmergencyRelease.objects.filter(request__policy_set__in=sets_visible_to(actor))
    return seen.select_related(*(f"request__{part}" for part in REQUEST_PARTS if part != "emergency"))


def unsettled() -> QuerySet[EmergencyRelease]:
    """Those that a second person has still to speak about, and those that were rejected and decide all the same."""
    still_live = ActiveRelease.objects.filter(
        policy_set=OuterRef("request__policy_set"),
        environment=OuterRef("request__environment"),
        release=OuterRef("request__release"),
    )
    waits = Q(state__in=(EmergencyState.OPEN, EmergencyState.OVERDUE))
    rejected = Q(state=EmergencyState.REJECTED) & Q(Exists(still_live))
    return EmergencyRelease.objects.exclude(state=EmergencyState.AGREED).filter(waits | rejected)


def sentence_of(emergency: EmergencyRelease) -> str:
    """Who did what, where and why."""
    request = emergency.request
    version = request.release.version if request.release else 0
    did = "rolled back to what is now" if request.kind == RequestKind.ROLLBACK else "released"
    where = f"of “{request.policy_set.slug}” in {request.environment}"
    return f"{request.requester} {did} version {version} {where}, alone: {request.message}"


def marks_of(releases: Iterable[PolicyRelease]) -> dict[tuple[UUID, str], EmergencyRelease]:
    """By the release and the environment it was moved to, for the history of a set."""
    found = EmergencyRelease.objects.filter(request__release__in=list(releases)).select_related("request")
    return {(each.request.release_id, each.request.environment): each for each in found if each.request.release_id}
