"""News by webhook (Standard Webhooks): written down when it happens, sent until it is taken or a day has passed.

An attempt claims the row by moving its due time on, sends with no transaction open, and writes down what came of it. A
process that dies in between leaves a row that is due again.
"""

import datetime as dt
import json
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from standardwebhooks import Webhook

from apps.approvals.models import ApprovalState
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.backoff import wait_seconds
from apps.core.clock import rfc3339
from apps.core.errors import MeshError
from apps.external.clients import TOTAL_SECONDS, WebhookRefused, post_webhook
from apps.external.models import DeliveryState, ExternalRequest, NewsKind, WebhookDelivery
from apps.external.shown import news_of
from apps.external.telling import record_request
from apps.vault import secrets
from apps.vault import services as vault

log = structlog.get_logger(__name__)

WEBHOOKS = system_actor("external-webhooks")
FIRST_RETRY = dt.timedelta(seconds=5)
LONGEST_RETRY = dt.timedelta(hours=1)
GIVEN_UP_AFTER = dt.timedelta(hours=24)
# Beyond the longest an attempt can take: what a loaded machine may need to write its outcome down.
LEASE = dt.timedelta(seconds=TOTAL_SECONDS + 30)
BATCH_SIZE = 200


def prepare_webhook(*, approval_id: UUID, kind: NewsKind) -> WebhookDelivery | None:
    """Write the news down for the request whose newest version this approval is, once; None where nobody waits for it.

    What happens to a version by being replaced is no news: the new one is.
    """
    requests = ExternalRequest.objects.select_related("agent", "process", "approval__external_version")
    request = requests.filter(approval_id=approval_id).exclude(callback_url="").first()
    if request is None or not _is_still_so(request, kind):
        return None
    if request.deliveries.filter(approval_id=approval_id, kind=kind).exists():
        return None
    now = clock.now()
    body = {"type": kind.value, "timestamp": rfc3339(_moment(request, now)), "data": news_of(request)}
    [stored] = vault.store(vault.Document(kind="external.webhook", body=body))
    return WebhookDelivery.objects.create(
        request=request, approval_id=approval_id, kind=kind, body=stored, made_at=now, due_at=now
    )


def _is_still_so(request: ExternalRequest, kind: NewsKind) -> bool:
    """Whether the news is still true. Another piece tells of what overtook it."""
    if kind == NewsKind.CHANGES_REQUESTED:
        return request.state == ApprovalState.CHANGES_REQUESTED
    if kind == NewsKind.HALTED:
        # one that was open ended by being cancelled, and that is told as its resolution
        return request.approval.state == ApprovalState.APPROVED
    return True


def _moment(request: ExternalRequest, now: dt.datetime) -> dt.datetime:
    return request.halted_at or request.cancelled_at or request.approval.resolved_at or now


def due_webhooks() -> list[UUID]:
    """What may be sent now, oldest first."""
    due = WebhookDelivery.objects.filter(state=DeliveryState.WAITING, due_at__lte=clock.now()).order_by("due_at")
    return list(due.values_list("id", flat=True)[:BATCH_SIZE])


def deliver_webhook(delivery_id: UUID) -> None:
    """One attempt, when one is due and nobody else is at it. Never called inside a transaction."""
    delivery = _claim(delivery_id)
    if delivery is None:
        return
    try:
        _send(delivery)
    except WebhookRefused as refused:
        _settle(delivery, error=refused.sentence, is_final=refused.permanent)
    except MeshError as error:  # a secret that cannot be read: nothing was sent
        _settle(delivery, error=error.sentence)
    else:
        _settle(delivery)


def _claim(delivery_id: UUID) -> WebhookDelivery | None:
    now = clock.now()
    rows = WebhookDelivery.objects.filter(id=delivery_id, state=DeliveryState.WAITING, due_at__lte=now)
    if not rows.update(attempt_count=F("attempt_count") + 1, due_at=now + LEASE):
        return None
    related = ("request__agent", "request__process", "request__approval__external_version", "body")
    return WebhookDelivery.objects.select_related(*related).get(id=delivery_id)


def _send(delivery: WebhookDelivery) -> None:
    """Sign and post. Id and body are the same each time; the time, and with it the signature, is the attempt's."""
    document = vault.body_of(delivery.body)
    if document is None:
        raise WebhookRefused("The content of this news was erased.", permanent=True)
    body = json.dumps(document, separators=(",", ":"))
    now = clock.now()
    signature = Webhook(secrets.reveal(delivery.request.webhook_secret)).sign(delivery.message_id, now, body)
    headers = {
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    post_webhook(delivery.request.callback_url, headers=headers, body=body.encode())


def _settle(delivery: WebhookDelivery, *, error: str = "", is_final: bool = False) -> None:
    """Write down what came of the attempt, unless a later one has taken over."""
    now = clock.now()
    seconds = wait_seconds(
        delivery.attempt_count - 1, first=FIRST_RETRY.total_seconds(), longest=LONGEST_RETRY.total_seconds()
    )
    wait = dt.timedelta(seconds=seconds)
    changes = {"last_error": error[:300], "due_at": now + wait}
    if not error:
        changes |= {"state": DeliveryState.DELIVERED, "finished_at": now}
    elif is_final or now + wait > delivery.made_at + GIVEN_UP_AFTER:
        changes |= {"state": DeliveryState.FAILED, "finished_at": now}
    rows = WebhookDelivery.objects.filter(
        id=delivery.id, state=DeliveryState.WAITING, attempt_count=delivery.attempt_count
    )
    with transaction.atomic():
        if rows.update(**changes) and "state" in changes:
            data = {"kind": delivery.kind, "message_id": delivery.message_id, "attempt_count": delivery.attempt_count}
            code = f"external.webhook_{changes['state']}"
            record_request(WEBHOOKS, code, delivery.request, outcome=str(changes["state"]), data=data)
    if error:
        log.info("external.webhook_refused", delivery_id=str(delivery.id), attempt=delivery.attempt_count, error=error)
