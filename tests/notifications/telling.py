"""What workers do about notifications, done at once, and channels that work."""

from typing import Any

from apps.core import outbox
from apps.notifications import services
from apps.notifications.models import Channel, Delivery, NewsKind, Notice
from tests.conftest import actor, person
from tests.notifications.receiver import Receiver


def spread() -> None:
    """Deliver the news and tell who hears of it; nothing is sent."""
    outbox.drain()
    services.spread_due()


def sweep() -> int:
    """What the job does every two seconds, its tasks carried out; returns how many messages went out."""
    spread()
    return services.send_due()


def connected(username: str, receiver: Receiver, **more: Any) -> Channel:
    """A webhook of the person's, its test message arrived and forgotten."""
    channel = services.add_channel(actor=actor(username), kind="webhook", address=f"{receiver.url}/hook/s3cret", **more)
    sweep()
    channel.refresh_from_db()
    assert channel.verified_at is not None, channel.last_error
    receiver.got.clear()
    return channel


def prefer(username: str, channel: Channel | None, **modes: str) -> None:
    """prefer("dana", channel, opened="digest"); None is the list in the console."""
    name = "in_app" if channel is None else str(channel.id)
    services.change_preferences(actor=actor(username), modes={(name, kind): mode for kind, mode in modes.items()})


def heard(username: str) -> list[str]:
    """The kinds of the person's notices that are not read, oldest first."""
    notices = Notice.objects.filter(person=person(username), seen_at=None).order_by("id")
    return list(notices.values_list("kind", flat=True))


def states(channel: Channel) -> list[str]:
    """What became of what was to be told through the channel, tests aside, oldest first."""
    deliveries = Delivery.objects.filter(channel=channel).exclude(kind=NewsKind.TEST).order_by("id")
    return list(deliveries.values_list("state", flat=True))
