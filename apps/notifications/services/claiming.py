"""Which deliveries are due, and taking hold of them so that one worker sends each.

At least once: a sender that dies between the provider's yes and our record leaves its deliveries to the next, which
sends them again. What is due on one channel at one moment goes as one message, so that a burst is not a flood.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Q, QuerySet

from apps.core import clock
from apps.notifications.models import OPEN_STATES, Channel, Delivery, NewsKind
from apps.notifications.queries import rhythms_of
from apps.notifications.timing import end_of_quiet, zone_of

# Longer than any sending takes; after it another worker takes over from one that died.
CLAIMED_FOR = dt.timedelta(minutes=5)
MOST_IN_ONE = 500
MOST_CHANNELS = 200
# Of PostgreSQL's advisory locks with two numbers, whose first this is.
SEATS = 7303


@contextmanager
def sender_seat() -> Iterator[bool]:
    """Whether this worker may send now. There are few seats, so that slow providers never keep all workers from what is
    more urgent, the release of calls. A seat belongs to the connection: a worker that dies gives it back.
    """
    with connection.cursor() as cursor:
        seat = next((number for number in range(settings.NOTIFY_SENDERS) if _take(cursor, number)), None)
        try:
            yield seat is not None
        finally:
            if seat is not None:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [SEATS, seat])


def _take(cursor: CursorWrapper, seat: int) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [SEATS, seat])
    return bool(cursor.fetchone()[0])


def due_deliveries() -> list[UUID]:
    """One delivery for each channel on which something is due; sending it sends the others that are due there."""
    firsts = _due(clock.now()).order_by("channel", "due_at", "id").distinct("channel").values_list("id", flat=True)
    return list(firsts[:MOST_CHANNELS])


def _due(now: dt.datetime) -> QuerySet[Delivery]:
    may_try = Q(channel__retry_at=None) | Q(channel__retry_at__lte=now)
    return Delivery.objects.filter(may_try, state__in=OPEN_STATES, due_at__lte=now)


def claim(delivery_id: UUID) -> list[Delivery]:
    """This delivery and what goes with it, for the caller alone to send; nothing when it is not due, or when another
    has it. Their time is moved on, so that a claim that comes to nothing is taken up by somebody else.
    """
    now = clock.now()
    with transaction.atomic():
        channel = Channel.objects.select_related("person", "team").filter(deliveries=delivery_id).first()
        if channel is None:
            return []
        _hold_until_quiet_ends(channel, now)
        rows = list(_sent_together(delivery_id, _due(now).filter(channel=channel)))
        if delivery_id not in {row.id for row in rows}:
            return []
        claimed = Delivery.objects.filter(id__in=[row.id for row in rows])
        claimed.update(due_at=now + CLAIMED_FOR, attempt_count=F("attempt_count") + 1)
    for row in rows:
        row.attempt_count += 1
        row.channel = channel
    return rows


def _sent_together(delivery_id: UUID, due: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """The rows of one message, locked; those that somebody else is just claiming are left to them. A test goes alone:
    whoever asked for it waits for that very one.
    """
    locked = due.select_for_update(of=("self",), skip_locked=True).select_related("news").order_by("id")
    asked = due.filter(id=delivery_id).first()
    if asked is None or asked.kind == NewsKind.TEST:
        return locked.filter(id=delivery_id)
    return locked.filter(is_digest=asked.is_digest).exclude(kind=NewsKind.TEST)[:MOST_IN_ONE]


def _hold_until_quiet_ends(channel: Channel, now: dt.datetime) -> None:
    """Put off what must not disturb its person now: a retry may have come to lie in quiet hours, or they were set
    since.
    """
    if channel.person is None:
        return
    rhythm = rhythms_of([channel.person.id])[channel.person.id]
    ends_at = end_of_quiet(rhythm, zone_of(channel.person), now)
    if ends_at is None:
        return
    disturbs = {NewsKind.TEST, NewsKind.ESCALATED} if rhythm.escalations_break_quiet else {NewsKind.TEST}
    held = Delivery.objects.filter(channel=channel, state__in=OPEN_STATES, due_at__lt=ends_at)
    held.exclude(kind__in=disturbs).update(due_at=ends_at)
