"""Asking for consent from outside, and answering a wish for changes with a new version."""

import base64
import secrets as randomness
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.approvals import services as approvals
from apps.approvals.ballots import is_over
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.ids import uuid7
from apps.external.consent import Meaning, barred_people, consent_request, meaning_of, request_digest
from apps.external.events import ExternalApprovalRequested, ExternalApprovalRevised
from apps.external.models import ExternalRequest, ExternalVersion
from apps.external.queries import external_request_for
from apps.external.requests import ExternalAsk, from_stored, stored_form
from apps.external.services.standstill import refuse_under_halt
from apps.external.telling import record_request
from apps.registry.models import Agent, AgentCredential
from apps.vault import secrets
from apps.vault import services as vault

ONE_REQUEST_PER_KEY = "one_external_request_per_key"
# What Standard Webhooks recommends for its symmetric scheme.
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """The request as it stands. `webhook_secret` is there once, in the answer that made the request."""

    request: ExternalRequest
    webhook_secret: str = ""
    replayed: bool = False


def request_external_approval(*, agent: Agent, credential: AgentCredential, actor: Actor, ask: ExternalAsk) -> Asked:
    """Put the ask before people. The same key with the same body is the same request again.

    Raises Halted under a halt: nothing new waits for people while work is stopped, and the key stays free.
    """
    body_digest = request_digest(ask)
    if (known := _known(agent, ask, body_digest)) is not None:
        return known
    meaning = meaning_of(ask)
    try:
        with transaction.atomic():
            locks.take_shared(locks.HALTS)
            refuse_under_halt(agent, on_behalf_of=meaning.on_behalf_of)
            return _write(agent, credential, actor, ask, meaning)
    except IntegrityError as error:
        if ONE_REQUEST_PER_KEY not in str(error):
            raise
        # the same key at the same instant: another request won, and it is the answer to this one too
        known = _known(agent, ask, body_digest)
        if known is None:
            raise
        return known


def revise_external_approval(*, credential: AgentCredential, actor: Actor, request_id: UUID, ask: ExternalAsk) -> Asked:
    """Answer a wish for changes: a new version, voted on anew. Sending it twice is sending it once."""
    body_digest = request_digest(ask)
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        request = external_request_for(actor, request_id, lock=True)
        _check_same_request(request, ask)
        if request.versions.filter(request_digest=body_digest).exists():
            return Asked(request, replayed=True)
        meaning = meaning_of(ask)
        # locked, so that the wish is not answered while people end it
        approval = Approval.objects.select_for_update().get(id=request.approval_id)
        if approval.is_open and is_over(approval, clock.now()):
            raise Conflict(
                "approval.expired", "The time to answer this has run out. Nothing was done; you may ask again."
            )
        if request.state != ApprovalState.CHANGES_REQUESTED or approval.state != ApprovalState.CHANGES_REQUESTED:
            raise Conflict("external.not_your_turn", "Nobody asked for another version of this.", state=request.state)
        refuse_under_halt(request.agent, on_behalf_of=meaning.on_behalf_of)
        return _write_version(credential, actor, request, approval, ask, meaning)


def _known(agent: Agent, ask: ExternalAsk, body_digest: str) -> Asked | None:
    """The request that holds this key. Raises Conflict when it was made with another body."""
    request = (
        ExternalRequest.objects.filter(agent=agent, idempotency_key=ask.idempotency_key)
        .select_related("agent", "process", "approval__external_version")
        .first()
    )
    if request is None:
        return None
    if not request.versions.filter(request_digest=body_digest).exists():
        raise Conflict(
            "idempotency_conflict",
            "This idempotency key was used before with another body. A new intent needs a new key.",
            external_approval_id=str(request.id),
        )
    return Asked(request, replayed=True)


def _write(agent: Agent, credential: AgentCredential, actor: Actor, ask: ExternalAsk, meaning: Meaning) -> Asked:
    request_id = uuid7()
    consent = consent_request(
        request_id=request_id,
        agent=agent,
        ask=ask,
        money=meaning.money,
        version=1,
        barred_people=barred_people(credential, meaning),
    )
    approval = approvals.request_consent(consent, actor=actor)
    secret = _new_secret() if ask.callback_url else ""
    request = ExternalRequest.objects.create(
        id=request_id,
        agent=agent,
        credential=credential,
        process=agent.process,
        environment=agent.environment,
        idempotency_key=ask.idempotency_key,
        approval=approval,
        callback_url=ask.callback_url,
        webhook_secret=secrets.seal(secret) if secret else "",
        requested_at=clock.now(),
    )
    _add_version(request, approval, ask, number=1)
    record_request(actor, "external.requested", request, outcome=approval.state)
    outbox.add(ExternalApprovalRequested(request_id=str(request.id), approval_id=str(approval.id)))
    return Asked(request, webhook_secret=secret)


def _write_version(
    credential: AgentCredential,
    actor: Actor,
    request: ExternalRequest,
    approval: Approval,
    ask: ExternalAsk,
    meaning: Meaning,
) -> Asked:
    last = approval.external_version
    consent = consent_request(
        request_id=request.id,
        agent=request.agent,
        ask=ask,
        money=meaning.money,
        version=last.number + 1,
        # whoever stood behind an earlier version stands behind this one
        barred_people=barred_people(credential, meaning) | set(approval.barred_people),
        before=_ask_of(last),
    )
    approval = approvals.supersede_approval(approval=approval, request=consent, actor=actor)
    request.approval = approval
    request.save(update_fields=["approval"])
    _add_version(request, approval, ask, number=last.number + 1)
    record_request(actor, "external.revised", request, outcome=approval.state)
    outbox.add(ExternalApprovalRevised(request_id=str(request.id), approval_id=str(approval.id)))
    return Asked(request)


def _add_version(request: ExternalRequest, approval: Approval, ask: ExternalAsk, *, number: int) -> None:
    [stored] = vault.store(vault.Document(kind="external.request", body=stored_form(ask)))
    approval.external_version = ExternalVersion.objects.create(
        request=request,
        number=number,
        approval=approval,
        stored=stored,
        request_digest=request_digest(ask),
        digest=approval.digest,
        payload_sha256=ask.payload_sha256,
        made_at=clock.now(),
    )


def _ask_of(version: ExternalVersion) -> ExternalAsk | None:
    """The words of a version, None when they were erased."""
    body = vault.read(version.stored_id)
    return None if body is None else from_stored(body)


def _check_same_request(request: ExternalRequest, ask: ExternalAsk) -> None:
    """A version is one of this request: its key and where its news goes do not change."""
    if ask.idempotency_key != request.idempotency_key:
        raise Conflict(
            "idempotency_conflict",
            "A new version carries the idempotency key of its request.",
            external_approval_id=str(request.id),
        )
    if ask.callback_url not in ("", request.callback_url):
        sentence = "Where the news goes was settled with the first version."
        errors = [{"pointer": "/callback_url", "sentence": sentence}]
        raise Invalid("external.callback_fixed", sentence, errors=errors)


def _new_secret() -> str:
    """In the form Standard Webhooks gives to symmetric secrets."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()
