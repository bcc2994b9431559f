"""Sending one message, and recording what became of it. The sending itself happens with no transaction open."""

import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.urls import reverse

from apps.accounts.models import Membership
from apps.core import clock
from apps.core.errors import Invalid, MeshError
from apps.notifications import addresses, clients
from apps.notifications.models import (
    OPEN_STATES,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    News,
    NewsKind,
    Notice,
)
from apps.notifications.services.claiming import claim, due_deliveries, sender_seat
from apps.notifications.services.composing import absolute, keep_news, message_through
from apps.notifications.timing import MOST_ATTEMPTS, wait_after
from apps.notifications.wording import Message
from apps.vault import secrets

log = structlog.get_logger(__name__)

LONGEST_ERROR = 300
# One sweep begins no further message after this.
SWEEP_SECONDS = 20.0


def send_due() -> int:
    """Send what is due, one channel after the other; what is left is found by the next sweep. Returns how many messages
    went out: none when enough workers are sending.
    """
    sent, end = 0, time.monotonic() + SWEEP_SECONDS
    with sender_seat() as has_seat:
        for delivery_id in due_deliveries() if has_seat else ():
            if time.monotonic() < end:
                sent += send(delivery_id)
    return sent


def send(delivery_id: UUID) -> bool:
    """Send this delivery, with whatever else is due on its channel. True when a message went out; nothing happens when
    it is not due, or another worker has it.
    """
    deliveries = claim(delivery_id)
    if not deliveries:
        return False
    channel = deliveries[0].channel
    try:
        deliveries = keep_news(deliveries)
        if deliveries:
            _send(channel, message_through(channel, deliveries))
    except Exception as error:  # a fault of ours belongs on the person's page as much as one of theirs
        _record_failure(channel, deliveries, _as_failure(channel, error))
        return False
    if deliveries:
        _record_success(channel, deliveries)
    return bool(deliveries)


def _as_failure(channel: Channel, error: Exception) -> clients.NotSent:
    """What the person reads of it. An address that is no longer taken stays so however often it is tried."""
    if isinstance(error, clients.NotSent):
        return error
    if isinstance(error, MeshError):
        return clients.NotSent(error.code, error.sentence, permanent=isinstance(error, Invalid))
    log.error("notification.send_failed", channel=str(channel.id), exc_info=error)
    return clients.NotSent("bug", "That is our fault; the log says more.")


def _send(channel: Channel, message: Message) -> None:
    if channel.kind == ChannelKind.EMAIL and channel.person is not None:
        settings_url = absolute(reverse("notification-settings"))
        foot = f"You get this because of your settings: {settings_url}" if settings_url else ""
        clients.send_mail(to=channel.person.email, message=message, foot=foot)
        return
    clients.post(addresses.read(channel.kind, secrets.reveal(channel.address)), message)


def _record_success(channel: Channel, deliveries: Sequence[Delivery]) -> None:
    now = clock.now()
    with transaction.atomic():
        Delivery.objects.filter(id__in=[one.id for one in deliveries], state__in=OPEN_STATES).update(
            state=DeliveryState.SENT, sent_at=now, last_error=""
        )
        Channel.objects.filter(id=channel.id).update(
            verified_at=Coalesce("verified_at", Value(now)),
            last_sent_at=now,
            failed_count=0,
            retry_at=None,
            last_error="",
        )


def _record_failure(channel: Channel, deliveries: Sequence[Delivery], failure: clients.NotSent) -> None:
    """Wait longer after each failure in a row; what has been tried often enough, or cannot arrive, is given up."""
    log.warning("notification.not_sent", channel=str(channel.id), code=failure.code, count=len(deliveries))
    now = clock.now()
    error = failure.sentence[:LONGEST_ERROR]
    ended = [one for one in deliveries if failure.permanent or one.attempt_count >= MOST_ATTEMPTS]
    goes_on = [one.id for one in deliveries if one not in ended]
    with transaction.atomic():
        held = Channel.objects.select_for_update().filter(id=channel.id).first()
        if held is None:
            return  # removed meanwhile, and its deliveries with it
        held.failed_count += 1
        held.retry_at = now + wait_after(held.failed_count) if goes_on else None
        held.last_error = error
        held.save(update_fields=["failed_count", "retry_at", "last_error"])
        still_open = Delivery.objects.filter(state__in=OPEN_STATES)
        if held.retry_at is not None:
            tried_again = still_open.filter(id__in=goes_on)
            tried_again.update(state=DeliveryState.FAILED, due_at=held.retry_at, last_error=error)
        given_up = still_open.filter(id__in=[one.id for one in ended])
        if given_up.update(state=DeliveryState.GIVEN_UP, last_error=error):
            _tell_owners(held, ended[0].id)


def _tell_owners(channel: Channel, delivery_id: UUID) -> None:
    """A notice in the console, one for each outage: whoever has not read the last one knows already."""
    now = clock.now()
    if channel.person_id is not None:
        owners = {channel.person_id}
    else:
        members = Membership.objects.filter(team=channel.team_id, user__is_active=True)
        owners = set(members.values_list("user_id", flat=True))
    of_channel = f"failed:{channel.id}:"
    told = Notice.objects.filter(person__in=owners, news__key__startswith=of_channel, seen_at=None)
    owners -= set(told.values_list("person_id", flat=True))
    if not owners:
        return
    news = News.objects.create(
        key=f"{of_channel}{delivery_id}",
        kind=NewsKind.FAILED,
        data={"channel": str(channel), "error": channel.last_error},
        happened_at=now,
        due_at=now,
        spread_at=now,
    )
    Notice.objects.bulk_create(
        Notice(person_id=person, news=news, kind=NewsKind.FAILED, made_at=now) for person in owners
    )
