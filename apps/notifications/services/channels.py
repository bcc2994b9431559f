"""Ways to people and rooms: adding, testing, switching off and removing them."""

from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from apps.accounts.models import Team, User
from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.notifications import addresses
from apps.notifications.clients import is_mail_set_up
from apps.notifications.models import (
    OPEN_STATES,
    Allows,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    News,
    NewsKind,
)
from apps.notifications.queries import channel_for, teams_of
from apps.notifications.services.preferences import check_allows
from apps.vault import secrets

# Of one person, or of one team.
MOST_CHANNELS = 10


def add_channel(
    *,
    actor: Actor,
    kind: str,
    address: str = "",
    name: str = "",
    team: str | None = None,
    allows: str = Allows.LINK,
) -> Channel:
    """A new channel of the person, or of a team of theirs, with a test message on its way. It carries nothing else
    until that has arrived. `address` is what the provider gave out; e-mail has none, it goes to the person's own.
    """
    if not actor.is_person:
        raise NotAllowed("people.only", "Only a person may do this.")
    room = _team(actor, team) if team else None
    owner: dict[str, Any] = {"team": room} if room else {"person_id": actor.known_id}
    where = _where(kind, address) if kind != ChannelKind.EMAIL else _mailbox(actor, room)
    check_allows(kind, allows)
    wanted = {"kind": kind, "name": name, "allows": allows, "made_by": actor.key, "made_at": clock.now(), **where}
    try:
        with transaction.atomic():
            if Channel.objects.filter(**owner).exclude(kind=ChannelKind.IN_APP).count() >= MOST_CHANNELS:
                raise Conflict("notification.too_many_channels", f"{MOST_CHANNELS} channels are the most. Remove one.")
            channel = Channel.objects.create(**owner, **wanted)
            _send_test(channel)
            _record(actor, "notification_channel.added", channel, allows=allows)
    except IntegrityError as error:
        if "channel_once" not in str(error):
            raise
        raise Conflict("notification.channel_exists", "You have this channel already.") from None
    return channel


def try_channel(*, actor: Actor, channel_id: UUID) -> Channel:
    """Send a test message at once, quiet hours or not."""
    with transaction.atomic():
        channel = channel_for(actor, channel_id, lock=True)
        if channel.disabled_at is not None:
            raise Conflict("notification.channel_off", "This channel is switched off.")
        Channel.objects.filter(id=channel.id).update(retry_at=None)
        _send_test(channel)
        _record(actor, "notification_channel.tested", channel)
    return channel


def retry_channel(*, actor: Actor, channel_id: UUID) -> int:
    """Try everything again that could not be delivered, given up or not; returns how many messages that is."""
    now = clock.now()
    with transaction.atomic():
        channel = channel_for(actor, channel_id, lock=True)
        Channel.objects.filter(id=channel.id).update(retry_at=None, failed_count=0)
        again = channel.deliveries.filter(state__in=[DeliveryState.FAILED, DeliveryState.GIVEN_UP])
        count = again.update(state=DeliveryState.WAITING, attempt_count=0, due_at=now)
        _record(actor, "notification_channel.retried", channel, count=count)
    return count


def switch_channel(*, actor: Actor, channel_id: UUID, is_on: bool) -> Channel:
    """Switch it off, or on again. What waits while it is off is dropped."""
    with transaction.atomic():
        channel = channel_for(actor, channel_id, lock=True)
        channel.disabled_at = None if is_on else clock.now()
        channel.save(update_fields=["disabled_at"])
        if not is_on:
            channel.deliveries.filter(state__in=OPEN_STATES).update(state=DeliveryState.DROPPED)
        _record(actor, "notification_channel.switched_on" if is_on else "notification_channel.switched_off", channel)
    return channel


def remove_channel(*, actor: Actor, channel_id: UUID) -> None:
    """Forget it, its address and what became of its messages."""
    with transaction.atomic():
        channel = channel_for(actor, channel_id, lock=True)
        _record(actor, "notification_channel.removed", channel)
        channel.delete()


def _team(actor: Actor, slug: str) -> Team:
    team = teams_of(actor).filter(slug=slug).first()
    if team is None:
        raise NotFound("team.not_found", "You are in no such team.")
    return team


def _mailbox(actor: Actor, room: Team | None) -> dict[str, str]:
    """E-mail goes to the address of the account alone, so that nobody sends what is asked to where they like."""
    if room is not None:
        raise Invalid("notification.bad_kind", "E-mail goes to people. For a team, connect a room.")
    if not is_mail_set_up():
        raise Conflict("notification.mail_off", "E-mail is not set up in this installation.")
    if not User.objects.filter(id=actor.known_id).exclude(email="").exists():
        raise Conflict("notification.no_mailbox", "Your account has no e-mail address. An administrator can add it.")
    return {}


def _where(kind: str, address: str) -> dict[str, str]:
    """The sealed address, and the host that people know it by."""
    if kind not in ChannelKind.values or kind == ChannelKind.IN_APP:
        raise Invalid("notification.bad_kind", "A channel is e-mail, Slack, Microsoft Teams or a webhook.")
    return {"host": addresses.read(kind, address).host, "address": secrets.seal(address)}


def _send_test(channel: Channel) -> None:
    """One test at a time: whoever presses twice gets one message."""
    now = clock.now()
    channel.deliveries.filter(kind=NewsKind.TEST, state__in=OPEN_STATES).update(state=DeliveryState.DROPPED)
    news = News.objects.create(key=f"test:{uuid4()}", kind=NewsKind.TEST, happened_at=now, due_at=now, spread_at=now)
    Delivery.objects.create(news=news, channel=channel, person=channel.person, kind=NewsKind.TEST, due_at=now)


def _record(actor: Actor, code: str, channel: Channel, **data: Any) -> None:
    """What is told of a channel: its kind, its host and whose it is, never its address."""
    audit.record(
        actor,
        code,
        subject_type="notification_channel",
        subject_id=channel.id,
        subject_name=str(channel),
        data={"kind": channel.kind, "team": channel.team.slug if channel.team else None, **data},
    )
