"""What a person wants to hear of, through which channel, and when."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.notifications.models import Allows, Channel, ChannelKind, NewsKind, Preference, Rhythm
from apps.notifications.queries import channels_visible_to, kinds_for, modes_for, modes_of, rhythms_of

HOURS_A_DAY = 24
# Stands for the list in the console where a channel is named.
IN_APP = ChannelKind.IN_APP.value


@dataclass(frozen=True, slots=True)
class Hours:
    """When the person wants to be told; see `Rhythm`."""

    quiet_from: dt.time | None
    quiet_until: dt.time | None
    escalations_break_quiet: bool
    digest_hours: tuple[int, ...]


def change_preferences(
    *,
    actor: Actor,
    modes: Mapping[tuple[str, str], str],
    allows: Mapping[str, str] | None = None,
    hours: Hours | None = None,
) -> list[str]:
    """Set what is named and leave the rest; returns what was changed. `modes` is by (channel, kind of news) and
    `allows` by channel, each the id of one of the actor's or "in_app".
    """
    with transaction.atomic():
        channels = _channels(actor)
        changed = _change_modes(channels, modes)
        changed += _change_allows(actor, channels, allows or {})
        if hours is not None:
            changed += _change_hours(actor, hours)
        audit.record(
            actor,
            "notification_preferences.changed",
            subject_type="person",
            subject_id=actor.known_id,
            subject_name=actor.name,
            data={"changed": changed},
        )
    return changed


def may_summarise(kind: str) -> bool:
    """Whether this installation lets channels of the kind carry more than a link."""
    return kind in settings.NOTIFY_SUMMARIES


def check_allows(kind: str, allows: str) -> None:
    """Raises Invalid for a measure that is none, NotAllowed for more than the installation permits."""
    if allows not in Allows.values:
        raise Invalid("notification.bad_allows", f"A channel carries one of {', '.join(Allows.values)}.")
    if allows != Allows.LINK and not may_summarise(kind):
        name = ChannelKind(kind).label
        raise NotAllowed("notification.link_only", f"Here {name} may carry a link and nothing of what is asked.")


def _channels(actor: Actor) -> dict[str, Channel]:
    """The actor's channels by the name they have in the form, locked; the list in the console is made when missing."""
    Channel.objects.get_or_create(
        person_id=actor.known_id, kind=IN_APP, defaults={"made_by": actor.key, "made_at": clock.now()}
    )
    channels = channels_visible_to(actor).select_for_update(of=("self",)).order_by("id")
    return {IN_APP if channel.kind == IN_APP else str(channel.id): channel for channel in channels}


def _channel(channels: dict[str, Channel], name: str) -> Channel:
    if name not in channels:
        raise NotFound("notification.channel_not_found", "There is no such channel.")
    return channels[name]


def _change_modes(channels: dict[str, Channel], wanted: Mapping[tuple[str, str], str]) -> list[str]:
    now_held = modes_of(channels.values())
    changed: dict[tuple[UUID, NewsKind], Preference] = {}
    for (name, kind), mode in wanted.items():
        channel = _channel(channels, name)
        if kind not in kinds_for(channel) or mode not in modes_for(channel):
            raise Invalid("notification.bad_preference", f"{channel} cannot hear of “{kind}” as “{mode}”.")
        key = (channel.id, NewsKind(kind))
        if now_held[key] != mode:
            changed[key] = Preference(channel=channel, kind=kind, mode=mode)
    Preference.objects.bulk_create(
        changed.values(), update_conflicts=True, unique_fields=["channel", "kind"], update_fields=["mode"]
    )
    return [f"{one.channel.kind} {one.kind}: {one.mode}" for one in changed.values()]


def _change_allows(actor: Actor, channels: dict[str, Channel], wanted: Mapping[str, str]) -> list[str]:
    changed = []
    for name, allows in wanted.items():
        channel = _channel(channels, name)
        if channel.allows == allows:
            continue
        check_allows(channel.kind, allows)
        audit.record(
            actor,
            "notification_channel.changed",
            subject_type="notification_channel",
            subject_id=channel.id,
            subject_name=str(channel),
            data={"allows": allows, "before": channel.allows},
        )
        Channel.objects.filter(id=channel.id).update(allows=allows)
        changed.append(f"{channel.kind} carries: {allows}")
    return changed


def _change_hours(actor: Actor, hours: Hours) -> list[str]:
    if (hours.quiet_from is None) != (hours.quiet_until is None):
        raise Invalid("notification.bad_hours", "Quiet hours need a beginning and an end.")
    if hours.quiet_from is not None and hours.quiet_from == hours.quiet_until:
        raise Invalid("notification.bad_hours", "Quiet hours that end when they begin are none, or all day.")
    if not hours.digest_hours or any(hour not in range(HOURS_A_DAY) for hour in hours.digest_hours):
        raise Invalid("notification.bad_hours", "A digest comes at full hours from 0 to 23, at least at one.")
    wanted: dict[str, Any] = {
        "quiet_from": hours.quiet_from,
        "quiet_until": hours.quiet_until,
        "escalations_break_quiet": hours.escalations_break_quiet,
        "digest_hours": sorted(set(hours.digest_hours)),
    }
    held = rhythms_of([actor.known_id])[actor.known_id]
    changed = [name for name, value in wanted.items() if getattr(held, name) != value]
    if changed:
        Rhythm.objects.update_or_create(person_id=actor.known_id, defaults=wanted)
    return [f"{name}: {wanted[name]}" for name in changed]
