"""Reading requests from outside."""

import datetime as dt
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.approvals.models import OPEN_STATES, Approval, ApprovalState, Vote
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.external.models import ExternalRequest
from apps.gateway.covered import outside_covered
from apps.gateway.services.release import LEAST_VALIDITY
from apps.halts.models import Halt
from apps.registry.queries import processes_visible_to


def external_requests_visible_to(actor: Actor) -> QuerySet[ExternalRequest]:
    """An agent sees its own requests; a person those of the processes they see."""
    requests = ExternalRequest.objects.select_related("agent__process", "process", "approval__external_version")
    if actor.is_agent:
        return requests.filter(agent_id=actor.known_id)
    return requests.filter(process__in=processes_visible_to(actor))


def external_request_for(actor: Actor, request_id: UUID, *, lock: bool = False) -> ExternalRequest:
    """One request this actor may see; with `lock`, its row locked until the transaction ends. Raises NotFound."""
    requests = external_requests_visible_to(actor).filter(id=request_id)
    if lock:
        # by itself: a join is not read anew when the lock was waited for, and a new version changes the approval
        requests.select_related(None).select_for_update().first()
    request = requests.first()
    if request is None:
        raise NotFound("external.not_found", "There is no such request.")
    return request


def waits_for_people(request_id: UUID) -> bool:
    """Whether nothing has happened yet that its agent could act on."""
    return ExternalRequest.objects.filter(
        id=request_id, cancelled_at=None, halted_at=None, approval__state=ApprovalState.PENDING
    ).exists()


def valid_until(approval: Approval) -> dt.datetime:
    """Until when consent counts: the approval's own time, or fifteen minutes after the last vote if that is later."""
    return max(approval.expires_at, (approval.resolved_at or approval.expires_at) + LEAST_VALIDITY)


def standing_votes(approval: Approval) -> list[Vote]:
    """The votes that count, in the order they were cast, with who cast them and for whom."""
    votes = approval.votes.filter(withdrawal=None).select_related("voter", "on_behalf_of", "stage__team", "comment")
    return list(votes.order_by("id"))


def requests_under(halt: Halt) -> QuerySet[ExternalRequest]:
    """What a stop ends: requests in its scope that are older than it and could still be claimed, now or later. A tool,
    connector or run is ours, so a stop of one covers nothing here.
    """
    now = clock.now()
    is_claimable = Q(approval__state=ApprovalState.APPROVED) & (
        Q(approval__expires_at__gte=now) | Q(approval__resolved_at__gte=now - LEAST_VALIDITY)
    )
    return ExternalRequest.objects.filter(
        outside_covered(halt),
        is_claimable | Q(approval__state__in=OPEN_STATES),
        environment=halt.environment,
        requested_at__lt=halt.placed_at,
        claimed_at=None,
        cancelled_at=None,
        halted_at=None,
    )
