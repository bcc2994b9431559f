"""Claiming: the caller says that it carries out now what was approved, and only one such word is ever accepted."""

from uuid import UUID

from django.db import transaction

from apps.approvals.models import ApprovalState
from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, MeshError
from apps.external.consent import binding_digest, person_named
from apps.external.events import ExternalApprovalClaimed
from apps.external.models import ExternalRequest
from apps.external.queries import external_request_for, valid_until
from apps.external.requests import ExternalAsk, from_stored
from apps.external.services.standstill import refuse_under_halt
from apps.external.telling import record_request
from apps.vault import services as vault


def claim_external_approval(*, actor: Actor, request_id: UUID, payload_sha256: str) -> ExternalRequest:
    """Accept the one claim of an approved request, when everything that can have changed since has not: its payload,
    its digest, its age, the halts. Raises Conflict or Halted, and then nothing was written and nothing may be done.
    """
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        request = external_request_for(actor, request_id)
        _check_state(request)
        ask = _checked_ask(request, payload_sha256)
        _check_age(request)
        refuse_under_halt(request.agent, on_behalf_of=person_named(ask.on_behalf_of), request=request)
        now = clock.now()
        if not ExternalRequest.objects.filter(id=request.id, claimed_at=None, cancelled_at=None, halted_at=None).update(
            claimed_at=now
        ):
            request.refresh_from_db(fields=["claimed_at", "cancelled_at", "halted_at"])
            raise _over(request)
        request.claimed_at = now
        record_request(actor, "external.claimed", request, outcome="claimed")
        outbox.add(ExternalApprovalClaimed(request_id=str(request.id), approval_id=str(request.approval_id)))
    return request


def _check_state(request: ExternalRequest) -> None:
    if request.claimed_at is not None or request.state != ApprovalState.APPROVED:
        raise _over(request)


def _over(request: ExternalRequest) -> MeshError:
    """Why nothing can be claimed."""
    if request.claimed_at is not None:
        return Conflict("external.claimed", "This was claimed already. It must not be carried out again.")
    return Conflict("external.not_approved", "Nobody may carry this out: it is not approved.", state=request.state)


def _checked_ask(request: ExternalRequest, payload_sha256: str) -> ExternalAsk:
    """I4: what is carried out is what every vote named. The digest is computed anew from what is stored, which is
    returned.
    """
    approval, version = request.approval, request.approval.external_version
    if payload_sha256 != version.payload_sha256:
        raise Conflict("stale", "This is not what was approved: the digest of its payload is another one.")
    body = vault.read(version.stored_id)
    if body is None:
        raise Conflict("external.erased", "The content of this request was erased.")
    ask = from_stored(body)
    digest = binding_digest(request.agent, ask, version.number)
    named = {digest, version.digest, approval.digest, *approval.votes.values_list("digest", flat=True)}
    if len(named) > 1:
        raise Conflict("stale", "The stored request is not the one that was approved.")
    return ask


def _check_age(request: ExternalRequest) -> None:
    if clock.now() > valid_until(request.approval):
        raise Conflict("external.too_old", "This approval is too old to count. Ask again.")
