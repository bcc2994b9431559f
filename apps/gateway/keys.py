"""How long an idempotency key counts. It is never used again: what is too old is refused, not executed."""

import datetime as dt

from apps.core import clock
from apps.core.clock import rfc3339
from apps.core.errors import Conflict
from apps.gateway.models import ToolCall


def check_key(call: ToolCall) -> None:
    """Raises Conflict when the key of this call counts no more: the tool keeps keys for a number of days, from the end
    of the call on. The keys of open calls, and of tools that name no number, count for good.
    """
    days = call.tool.idempotency_keep_days
    if days is None or call.finished_at is None:
        return
    expired_at = call.finished_at + dt.timedelta(days=days)
    if expired_at <= clock.now():
        raise Conflict(
            "idempotency_key_expired",
            f"This key belongs to a call that ended more than {days} days ago. Look at that call; a new intent needs a"
            " new key.",
            tool_call_id=str(call.id),
            state=call.state,
            expired_at=rfc3339(expired_at),
        )
