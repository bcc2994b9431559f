"""What on-call wants to know of the queue at any time (`apps.core.observing`)."""

from collections.abc import Iterator

from django.db.models import Count, Min

from apps.approvals.models import OPEN_STATES, Approval
from apps.core import clock, observing


def _waiting() -> Iterator[observing.Reading]:
    """Approvals that wait, by process."""
    waiting = Approval.objects.filter(state__in=OPEN_STATES).order_by()
    for process, count in waiting.values_list("process__slug").annotate(Count("id")):
        yield count, {"mesh.process": process or ""}


def _oldest() -> Iterator[observing.Reading]:
    """Seconds since the one that waits longest was asked for, by process."""
    waiting = Approval.objects.filter(state__in=OPEN_STATES).order_by()
    for process, since in waiting.values_list("process__slug").annotate(Min("requested_at")):
        yield (clock.now() - since).total_seconds(), {"mesh.process": process or ""}


LEVELS: dict[str, observing.Levels] = {"approvals.waiting": _waiting, "approvals.oldest_seconds": _oldest}
