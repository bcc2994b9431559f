"""What was agreed to for a time: released when that has come, by whichever node looks first, and once."""

import structlog

from apps.policies.models import RequestState
from apps.policies.services.answers import carry_out, due_requests

log = structlog.get_logger(__name__)


def release_scheduled() -> int:
    """Release everything whose time has come; returns how many were looked at. Each is checked again as at a release,
    in a transaction of its own, and one that fails holds up no other. Late is late, and never twice: who comes second
    finds it done.
    """
    due = due_requests().filter(state=RequestState.SCHEDULED).order_by("release_at", "id")
    looked_at = list(due.values_list("id", flat=True)[:100])
    for request_id in looked_at:
        try:
            carry_out(request_id, RequestState.SCHEDULED)
        except Exception:
            log.exception("policy.scheduled_release_failed", request_id=str(request_id))
    return len(looked_at)
