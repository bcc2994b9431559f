"""Asking for consent as a gateway outside would, and answering as people would."""

import hashlib
from collections.abc import Callable
from typing import Any

from rest_framework.test import APIClient

from apps.approvals.models import Approval
from apps.core import outbox
from apps.external import services
from apps.external.models import ExternalRequest
from apps.registry import tokens
from tests.conftest import Robot

URL = "/api/v1/approvals"
PAYLOAD = b'{"vendor": "V-7", "iban": "DE02120300000000202051", "amount": "12480.00"}'
PAYLOAD_SHA256 = hashlib.sha256(PAYLOAD).hexdigest()

Api = Callable[[str], APIClient]


def body(**changes: Any) -> dict[str, Any]:
    """A request that waits for one of the finance approvers."""
    whole: dict[str, Any] = {
        "idempotency_key": "INV-4471/pay",
        "sentence": "Pay €12,480.00 to Acme GmbH for invoice 4471",
        "system": "Treasury gateway",
        "action": "pay_invoice",
        "facts": [["Vendor", "Acme GmbH (V-7)"], ["Invoice", "4471"]],
        "money": {"amount": "12480.00", "currency": "EUR"},
        "risk": "medium",
        "reversible": False,
        "evidence": [{"title": "Invoice 4471", "uri": "urn:treasury:invoice:4471", "sha256": "b" * 64}],
        "rationale": "Goods receipt and order match.",
        "confidence": 0.97,
        "stages": [{"team": "finance-approvers", "quorum": 1}],
        "expires_in_seconds": 3600,
        "policy": [{"id": "payment-over-limit", "version": "7", "says": "Payments over €10,000 need one approver."}],
        "payload_sha256": PAYLOAD_SHA256,
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not ...}


def ask(robot: Robot, **changes: Any) -> Any:
    """POST /api/v1/approvals."""
    return robot.api().post(URL, body(**changes), format="json")


def asked(robot: Robot, **changes: Any) -> dict[str, Any]:
    """The same, made."""
    answer = ask(robot, **changes)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def url_of(resource: dict[str, Any], *, act: str = "") -> str:
    return f"/api/v1/external-approvals/{resource['id']}" + (f"/{act}" if act else "")


def poll(robot: Robot, resource: dict[str, Any]) -> dict[str, Any]:
    answer = robot.api().get(url_of(resource))
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def claim(robot: Robot, resource: dict[str, Any], payload_sha256: str = PAYLOAD_SHA256) -> Any:
    return robot.api().post(url_of(resource, act="claim"), {"payload_sha256": payload_sha256}, format="json")


def cancel(robot: Robot, resource: dict[str, Any]) -> Any:
    return robot.api().post(url_of(resource, act="cancel"))


def revise(robot: Robot, resource: dict[str, Any], **changes: Any) -> Any:
    return robot.api().post(url_of(resource, act="versions"), body(**changes), format="json")


def vote(api: Api, username: str, resource: dict[str, Any], verdict: str = "approve", **more: Any) -> Any:
    approval = Approval.objects.get(id=resource["approval"]["id"])
    ballot = {"verdict": verdict, "digest": approval.digest, **more}
    answer = api(username).post(f"/api/v1/approvals/{approval.id}/votes", ballot, format="json")
    assert answer.status_code == 201, answer.content
    return answer


def approved(robot: Robot, api: Api, **changes: Any) -> dict[str, Any]:
    """A request that Dana has approved."""
    resource = asked(robot, **changes)
    vote(api, "dana", resource)
    return poll(robot, resource)


def returned(robot: Robot, api: Api, **changes: Any) -> dict[str, Any]:
    """A request that Dana wants changed."""
    resource = asked(robot, **changes)
    vote(api, "dana", resource, "request_changes", reason_code="wrong_amount", comment="The order says 12,380.00")
    return poll(robot, resource)


def again_signed_in(robot: Robot) -> Robot:
    """The same agent, with a token of this moment."""
    return Robot(robot.agent, robot.credential, tokens.issue(robot.credential)[0])


def request_of(resource: dict[str, Any]) -> ExternalRequest:
    return ExternalRequest.objects.select_related("approval__external_version").get(id=resource["id"])


def deliver() -> None:
    """What the worker does after a commit: deliver the outbox, and send what is due."""
    outbox.drain()
    for delivery_id in services.due_webhooks():
        services.deliver_webhook(delivery_id)
