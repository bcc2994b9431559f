"""A request from outside as its caller sees it, polled or by webhook."""

from typing import Any

from django.conf import settings

from apps.approvals.models import OPEN_STATES, ApprovalState, Verdict, Vote
from apps.core.clock import rfc3339
from apps.external.models import ExternalRequest, WebhookDelivery
from apps.external.queries import standing_votes, valid_until
from apps.vault import services as vault


def request_resource(request: ExternalRequest) -> dict[str, Any]:
    """The resource of one request, its deliveries included."""
    return {**news_of(request), "webhook": _webhook(request)}


def news_of(request: ExternalRequest) -> dict[str, Any]:
    """What a webhook carries: all of the resource but the webhook itself."""
    approval, version = request.approval, request.approval.external_version
    return {
        "id": str(request.id),
        "state": request.state,
        "idempotency_key": request.idempotency_key,
        "version": version.number,
        "digest": version.digest,
        "payload_sha256": version.payload_sha256,
        "approval": {
            "id": str(approval.id),
            "url": f"{settings.BASE_URL}/inbox/{approval.id}/",
            "state": approval.state,
            "expires_at": rfc3339(approval.expires_at),
        },
        "changes_requested": _wish(request),
        "resolution": _resolution(request),
        "requested_at": rfc3339(request.requested_at),
        "claimed_at": rfc3339(request.claimed_at),
    }


def _resolution(request: ExternalRequest) -> dict[str, Any] | None:
    """How it ended; None while it is open. `valid_until` is when consent stops counting, None where there is none."""
    if request.state in OPEN_STATES:
        return None
    approval = request.approval
    votes = standing_votes(approval)
    is_approved = request.state == ApprovalState.APPROVED
    return {
        "outcome": request.state,
        "resolved_at": rfc3339(request.halted_at or request.cancelled_at or approval.resolved_at),
        "votes": [_vote(vote) for vote in votes],
        "feedback": _words_of(votes, Verdict.REJECT) if request.state == ApprovalState.REJECTED else None,
        "valid_until": rfc3339(valid_until(approval)) if is_approved else None,
        "halt": {"id": str(request.halt_id)} if request.halt_id else None,
    }


def _wish(request: ExternalRequest) -> dict[str, Any] | None:
    """What people want changed, while it is the caller's turn."""
    if request.state != ApprovalState.CHANGES_REQUESTED:
        return None
    return _words_of(standing_votes(request.approval), Verdict.REQUEST_CHANGES)


def _words_of(votes: list[Vote], verdict: str) -> dict[str, str] | None:
    """Why a person did not approve: what a program may act on."""
    vote = next((vote for vote in reversed(votes) if vote.verdict == verdict), None)
    return None if vote is None else {"reason_code": vote.reason_code, "comment": vault.body_of(vote.comment) or ""}


def _vote(vote: Vote) -> dict[str, Any]:
    return {
        "stage": vote.stage.position,
        "team": vote.stage.team.slug,
        "verdict": vote.verdict,
        "voter": str(vote.voter),
        "on_behalf_of": str(vote.on_behalf_of) if vote.on_behalf_of else None,
        "cast_at": rfc3339(vote.cast_at),
    }


def _webhook(request: ExternalRequest) -> dict[str, Any] | None:
    """The newest piece of news and how its delivery goes; None without a callback."""
    if not request.callback_url:
        return None
    delivery: WebhookDelivery | None = request.deliveries.order_by("-id").first()
    if delivery is None:
        return {"id": None, "type": None, "state": None, "attempt_count": 0, "last_error": ""}
    return {
        "id": delivery.message_id,
        "type": delivery.kind,
        "state": delivery.state,
        "attempt_count": delivery.attempt_count,
        "last_error": delivery.last_error,
    }
