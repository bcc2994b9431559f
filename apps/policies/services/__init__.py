"""The acts on policies: drafts, asking for a release, and what follows from the answer."""

from apps.policies.services.answers import answer_release_request
from apps.policies.services.drafts import discard_draft, rebase_draft, save_draft, start_draft
from apps.policies.services.publishing import publish_release, validate_policies
from apps.policies.services.requests import request_promotion, request_release, request_rollback, withdraw_request
from apps.policies.services.tool_changes import accept_tool_change

__all__ = [
    "accept_tool_change",
    "answer_release_request",
    "discard_draft",
    "publish_release",
    "rebase_draft",
    "request_promotion",
    "request_release",
    "request_rollback",
    "save_draft",
    "start_draft",
    "validate_policies",
    "withdraw_request",
]
