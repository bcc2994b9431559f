"""The acts on policies: drafts, asking for a release, and what follows from the answer."""

from apps.policies.services.answers import answer_release_request
from apps.policies.services.drafts import discard_draft, rebase_draft, save_draft, start_draft
from apps.policies.services.publishing import publish_release, validate_policies
from apps.policies.services.recovery import last_readable, may_recover, recover_release, watch_releases
from apps.policies.services.requests import request_promotion, request_release, request_rollback, withdraw_request

__all__ = [
    "answer_release_request",
    "discard_draft",
    "last_readable",
    "may_recover",
    "publish_release",
    "rebase_draft",
    "recover_release",
    "request_promotion",
    "request_release",
    "request_rollback",
    "save_draft",
    "start_draft",
    "validate_policies",
    "watch_releases",
    "withdraw_request",
]
