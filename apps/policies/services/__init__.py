"""The acts on policies: drafts, asking for a release, and what follows from the answer."""

from apps.policies.services.answers import answer_release_request
from apps.policies.services.drafts import discard_draft, rebase_draft, save_draft, start_draft
from apps.policies.services.emergency import (
    answer_emergency_review,
    ask_again_afterwards,
    mark_overdue_emergencies,
    release_in_emergency,
    roll_back_in_emergency,
    take_back_emergency,
)
from apps.policies.services.exceptions import (
    answer_exception,
    expire_exceptions,
    request_exception,
    revoke_exception,
)
from apps.policies.services.publishing import publish_release, validate_policies
from apps.policies.services.recovery import last_readable, may_recover, recover_release, watch_releases
from apps.policies.services.requests import request_promotion, request_release, request_rollback, withdraw_request
from apps.policies.services.scheduling import release_scheduled
from apps.policies.services.tool_changes import accept_tool_change

__all__ = [
    "accept_tool_change",
    "answer_emergency_review",
    "answer_exception",
    "answer_release_request",
    "ask_again_afterwards",
    "discard_draft",
    "expire_exceptions",
    "last_readable",
    "mark_overdue_emergencies",
    "may_recover",
    "publish_release",
    "rebase_draft",
    "recover_release",
    "release_in_emergency",
    "release_scheduled",
    "request_exception",
    "request_promotion",
    "request_release",
    "request_rollback",
    "revoke_exception",
    "roll_back_in_emergency",
    "save_draft",
    "start_draft",
    "take_back_emergency",
    "validate_policies",
    "watch_releases",
    "withdraw_request",
]
