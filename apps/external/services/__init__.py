"""The acts of gateways outside, and what a stop and the news do to them."""

from apps.external.services.asking import Asked, request_external_approval, revise_external_approval
from apps.external.services.claiming import claim_external_approval
from apps.external.services.ending import cancel_external_approval, end_requests_under, stops_to_carry_out
from apps.external.services.webhooks import deliver_webhook, due_webhooks, prepare_webhook

__all__ = [
    "Asked",
    "cancel_external_approval",
    "claim_external_approval",
    "deliver_webhook",
    "due_webhooks",
    "end_requests_under",
    "prepare_webhook",
    "request_external_approval",
    "revise_external_approval",
    "stops_to_carry_out",
]
