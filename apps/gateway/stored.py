"""A call as it was asked for, into the vault and back."""

from typing import Any

from apps.core.errors import NotFound
from apps.gateway.models import ToolCall
from apps.gateway.requests import CallRequest
from apps.vault import services as vault


def request_body(request: CallRequest) -> dict[str, Any]:
    """What the vault keeps of a request: arguments and the agent's own words."""
    body: dict[str, Any] = {"arguments": request.arguments}
    for name in ("rationale", "confidence", "region", "customer_tier"):
        if getattr(request, name) not in ("", None):
            body[name] = getattr(request, name)
    if request.evidence:
        body["evidence"] = list(request.evidence)
    return body


def stored_request(call: ToolCall) -> CallRequest:
    """Raises NotFound when the payload was erased: then there is nothing left to carry out."""
    body = vault.read(call.request_id)
    if body is None:
        raise NotFound("call.erased", "The content of this call was erased.")
    return CallRequest(
        tool=call.tool.name,
        arguments=body["arguments"],
        idempotency_key=call.idempotency_key,
        run_id=call.run_id,
        rationale=body.get("rationale", ""),
        confidence=body.get("confidence"),
        evidence=tuple(body.get("evidence", ())),
        region=body.get("region"),
        customer_tier=body.get("customer_tier"),
    )
