"""Reading notices, channels and what people prefer."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.models import Membership, Team
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.notifications.models import (
    Channel,
    ChannelKind,
    Mode,
    NewsKind,
    Notice,
    Preference,
    Rhythm,
)

# The bell says "99+" beyond this; counting on would cost and tell nothing.
MOST_COUNTED = 100

# What a person may have a say in, in the order of the settings page.
CHOICES = (
    NewsKind.OPENED,
    NewsKind.DELEGATED,
    NewsKind.HALF,
    NewsKind.SOON,
    NewsKind.OVERDUE,
    NewsKind.ESCALATED,
    NewsKind.RESOLVED,
    NewsKind.CHANGES,
    NewsKind.UNKNOWN,
    NewsKind.STALE,
    NewsKind.HELD,
    NewsKind.OVERTIME,
    NewsKind.BROKEN,
    NewsKind.UNGOVERNED,
    NewsKind.BUDGET,
    NewsKind.SPENT,
    NewsKind.DOWN,
    NewsKind.BACK,
    NewsKind.HALTED,
    NewsKind.LIFTED,
    NewsKind.ALONE,
    NewsKind.REFUSED,
)
# What asks somebody to act; it is over once the approval is.
WAITING = (
    NewsKind.OPENED,
    NewsKind.DELEGATED,
    NewsKind.HALF,
    NewsKind.SOON,
    NewsKind.OVERDUE,
    NewsKind.ESCALATED,
)
OF_A_PERSON = (NewsKind.DELEGATED, NewsKind.RESOLVED, NewsKind.CHANGES)
# What concerns a team as a whole, and so its room.
OF_A_TEAM = tuple(kind for kind in CHOICES if kind not in OF_A_PERSON)
DEFAULTS: dict[NewsKind, Mode] = {
    NewsKind.HALF: Mode.NEVER,
    NewsKind.RESOLVED: Mode.DIGEST,
    NewsKind.CHANGES: Mode.DIGEST,
    NewsKind.BUDGET: Mode.DIGEST,
}


def notices_of(actor: Actor) -> QuerySet[Notice]:
    """The person's own notices; programs and jobs have none."""
    if not actor.is_person:
        return Notice.objects.none()
    return Notice.objects.filter(person=actor.known_id)


def unseen_count(actor: Actor) -> int:
    """How many notices the person has not marked as read, up to `MOST_COUNTED`."""
    return notices_of(actor).filter(seen_at=None).order_by()[:MOST_COUNTED].count()


def teams_of(actor: Actor) -> QuerySet[Team]:
    """The teams whose rooms the person may connect: their own."""
    if not actor.is_person:
        return Team.objects.none()
    own = Membership.objects.filter(user=actor.known_id, user__is_active=True)
    return Team.objects.filter(id__in=own.values("team")).order_by("name")


def channels_visible_to(actor: Actor) -> QuerySet[Channel]:
    """A person's own channels and those of their teams."""
    if not actor.is_person:
        return Channel.objects.none()
    own = Q(person=actor.known_id) | Q(team__in=teams_of(actor).values("id"))
    return Channel.objects.filter(own).select_related("person", "team")


def channel_for(actor: Actor, channel_id: UUID, *, lock: bool = False) -> Channel:
    """One channel of the actor's, its row locked on demand. Raises NotFound, also for the row that only carries
    preferences.
    """
    channels = channels_visible_to(actor).exclude(kind=ChannelKind.IN_APP).filter(id=channel_id)
    channel = (channels.select_for_update(of=("self",)) if lock else channels).first()
    if channel is None:
        raise NotFound("notification.channel_not_found", "There is no such channel.")
    return channel


def kinds_for(channel: Channel) -> tuple[NewsKind, ...]:
    """What the channel can hear of."""
    return OF_A_TEAM if channel.team_id else CHOICES


def modes_for(channel: Channel) -> tuple[Mode, ...]:
    """How it can hear of it. A room and the list in the console have no digest."""
    is_whole = channel.team_id is None and channel.kind != ChannelKind.IN_APP
    return tuple(mode for mode in Mode if is_whole or mode is not Mode.DIGEST)


def default_mode(channel: Channel, kind: NewsKind) -> Mode:
    """What holds until somebody says otherwise: the list in the console has everything."""
    if channel.kind == ChannelKind.IN_APP:
        return Mode.NOW
    mode = DEFAULTS.get(kind, Mode.NOW)
    return mode if mode in modes_for(channel) else Mode.NOW


def modes_of(channels: Iterable[Channel]) -> dict[tuple[UUID, NewsKind], Mode]:
    """How each channel hears of each kind it can hear of, in one query."""
    channels = list(channels)
    modes = {(channel.id, kind): default_mode(channel, kind) for channel in channels for kind in kinds_for(channel)}
    for row in Preference.objects.filter(channel__in=channels):
        modes[row.channel_id, NewsKind(row.kind)] = Mode(row.mode)
    return modes


def rhythms_of(people: Collection[UUID]) -> dict[UUID, Rhythm]:
    """When each person wants to be told, the default where they never said."""
    kept = {rhythm.person_id: rhythm for rhythm in Rhythm.objects.filter(person__in=people)}
    return {person: kept.get(person) or Rhythm(person_id=person) for person in people}


def in_app_channel(actor: Actor) -> Channel:
    """What stands for the list in the console of a person who never changed a preference: unsaved, all by default."""
    return Channel(person_id=actor.known_id, kind=ChannelKind.IN_APP)
