"""From a piece of news to notices and deliveries: who hears of it, through what, and when."""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from apps.core import clock
from apps.gateway.models import CallState, ToolCall
from apps.notifications.answering import Audience
from apps.notifications.audience import audience_of
from apps.notifications.models import Channel, ChannelKind, Delivery, Mode, News, NewsKind, Notice
from apps.notifications.queries import OF_A_TEAM, WAITING, modes_of, rhythms_of
from apps.notifications.timing import end_of_quiet, next_digest, zone_of

log = structlog.get_logger(__name__)

BATCH_SIZE = 200
# News that could not be spread is tried again after this; the log says why.
AGAIN_AFTER = dt.timedelta(minutes=1)
# What people were told is kept this long.
KEPT_FOR = dt.timedelta(days=90)


def note(
    *,
    kind: NewsKind,
    key: str,
    approval_id: UUID | None = None,
    tool_call_id: UUID | None = None,
    data: dict[str, str] | None = None,
) -> None:
    """Keep in mind that something happened. The same key again is the same news and changes nothing."""
    now = clock.now()
    news = News(
        key=key,
        kind=kind,
        approval_id=approval_id,
        tool_call_id=tool_call_id,
        data=data or {},
        happened_at=now,
        due_at=now,
    )
    News.objects.bulk_create([news], ignore_conflicts=True)


def spread_due() -> int:
    """Tell people of what is new, each piece in a transaction of its own; returns how many pieces were spread. One that
    fails is logged, waits, and holds up no other.
    """
    due = News.objects.filter(spread_at=None, due_at__lte=clock.now()).order_by("id")
    spread = 0
    for news_id in list(due.values_list("id", flat=True)[:BATCH_SIZE]):
        try:
            with transaction.atomic():
                news = due.select_for_update(of=("self",), skip_locked=True).filter(id=news_id).first()
                if news is not None:
                    _spread(news)
                    spread += 1
        except Exception:
            log.exception("notification.spread_failed", news=str(news_id))
            News.objects.filter(id=news_id).update(due_at=clock.now() + AGAIN_AFTER)
    return spread


def close_news_of_call(tool_call_id: UUID) -> None:
    """The outcome of the call is known: nobody is asked to find out any more."""
    Notice.objects.filter(news__tool_call=tool_call_id, seen_at=None).update(seen_at=clock.now())


def note_stale_outcomes() -> int:
    """Note every call whose outcome has been unknown for longer than `UNKNOWN_LIMIT_HOURS`, once; returns how many."""
    limit = clock.now() - dt.timedelta(hours=settings.UNKNOWN_LIMIT_HOURS)
    told = News.objects.filter(kind=NewsKind.STALE, tool_call=OuterRef("id"))
    unknown = ToolCall.objects.filter(~Exists(told), state=CallState.OUTCOME_UNKNOWN, finished_at__lte=limit)
    found = list(unknown.order_by("id").values_list("id", flat=True)[:BATCH_SIZE])
    for call_id in found:
        note(kind=NewsKind.STALE, key=f"stale:{call_id}", tool_call_id=call_id)
    return len(found)


def close_news(key: str) -> None:
    """What this news, or every one whose key begins so, asked for is done or over: it counts as read."""
    Notice.objects.filter(news__key__startswith=key, seen_at=None).update(seen_at=clock.now())


def forget_old() -> int:
    """Remove what people were told long ago, with what became of each message; returns how many pieces of news."""
    old = News.objects.filter(happened_at__lt=clock.now() - KEPT_FOR)
    count = old.count()
    old.delete()
    return count


def _spread(news: News) -> None:
    _close_earlier(news)
    audience = audience_of(news)
    channels = _channels_of(audience)
    modes = modes_of(channels)
    _write_notices(news, audience, channels, modes)
    _write_deliveries(news, audience, channels, modes)
    News.objects.filter(id=news.id).update(spread_at=clock.now())


def _close_earlier(news: News) -> None:
    """When it is decided, with the agent, or with the next team, the earlier news asks nobody to act any more."""
    if news.kind not in (NewsKind.OPENED, NewsKind.RESOLVED, NewsKind.CHANGES):
        return
    earlier = Notice.objects.filter(news__approval=news.approval_id, news__id__lt=news.id, kind__in=WAITING)
    earlier.filter(seen_at=None).update(seen_at=clock.now())


def _channels_of(audience: Audience) -> list[Channel]:
    """The channels that carry news to these people and rooms, the rows that only carry preferences among them."""
    works = Q(verified_at__isnull=False, disabled_at=None) | Q(kind=ChannelKind.IN_APP)
    whose = Q(person__in=audience.people) | Q(team__in=audience.teams)
    return list(Channel.objects.filter(works & whose).select_related("person").order_by("id"))


def _write_notices(
    news: News, audience: Audience, channels: list[Channel], modes: dict[tuple[UUID, NewsKind], Mode]
) -> None:
    now = clock.now()
    silent = {
        channel.person_id
        for channel in channels
        if channel.kind == ChannelKind.IN_APP
        and channel.person_id is not None
        and modes[channel.id, audience.people[channel.person_id]] is Mode.NEVER
    }
    Notice.objects.bulk_create(
        [
            Notice(person_id=person, news=news, kind=kind, made_at=now)
            for person, kind in audience.people.items()
            if person not in silent
        ],
        ignore_conflicts=True,
    )


def _write_deliveries(
    news: News, audience: Audience, channels: list[Channel], modes: dict[tuple[UUID, NewsKind], Mode]
) -> None:
    deliveries = list(_deliveries(news, audience, channels, modes))
    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)


def _deliveries(
    news: News, audience: Audience, channels: list[Channel], modes: dict[tuple[UUID, NewsKind], Mode]
) -> Iterable[Delivery]:
    now = clock.now()
    rhythms = rhythms_of(audience.people.keys())
    for channel in channels:
        if channel.kind == ChannelKind.IN_APP:
            continue
        person = channel.person
        kind = NewsKind(news.kind) if person is None else audience.people[person.id]
        if person is None and kind not in OF_A_TEAM:
            continue
        mode = modes[channel.id, kind]
        if mode is Mode.NEVER:
            continue
        due_at = now
        if person is not None:
            rhythm, zone = rhythms[person.id], zone_of(person)
            if mode is Mode.DIGEST:
                due_at = next_digest(rhythm.digest_hours, zone, now)
            if not (kind is NewsKind.ESCALATED and rhythm.escalations_break_quiet):
                due_at = end_of_quiet(rhythm, zone, due_at) or due_at
        yield Delivery(
            news=news, channel=channel, person=person, kind=kind, is_digest=mode is Mode.DIGEST, due_at=due_at
        )
