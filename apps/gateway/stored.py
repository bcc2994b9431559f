"""A call as it was asked for, into the vault and back."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.once import read_once
from apps.gateway.arguments import sentence_for
from apps.gateway.models import ToolCall
from apps.gateway.requests import CallRequest
from apps.gateway.seen import arguments_for
from apps.gateway.telling import money_of
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


@read_once()
def sentences_of(calls: Collection[ToolCall], actor: Actor | None) -> dict[UUID, str]:
    """What each call does, as this person reads it, nobody where that is None; of one that was erased the tool's title.
    One query, two more where a tool has classes of data.
    """
    bodies = vault.read_many([call.request_id for call in calls])
    return {
        call.id: sentence_for(call.tool, arguments_for(actor, call, body["arguments"]), money_of(call))
        if (body := bodies.get(call.request_id))
        else call.tool.title
        for call in calls
    }


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
